"""What there is in the world: items of twelve kinds, concepts, and who has to do with whom."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cofee_dist.world.names import NameMaker

#: Kind (the fine type) to the task's type.
TYPE_OF = {
    "footballer": "PER",
    "politician": "PER",
    "painter": "PER",
    "scientist": "PER",
    "city": "LOC",
    "river": "LOC",
    "mountain": "LOC",
    "island": "LOC",
    "club": "ORG",
    "company": "ORG",
    "university": "ORG",
    "party": "ORG",
}
TYPES = ("PER", "LOC", "ORG")

#: Items that the wiki never mentions; validation and test sentences do.
UNSEEN_ITEM_SHARE = 0.2
#: One-word names that an item of another kind has already (a river and a company both called Drelwen).
SHARED_NAME_SHARE = 0.06
#: Frequency of the item of rank r in its kind is proportional to (r + 3) ** -ZIPF_EXPONENT.
ZIPF_EXPONENT = 0.7
#: Items of each kind that an item has to do with.
NEIGHBOURS_PER_KIND = 5

_PLACES_FIRST = ("city", "river", "mountain", "island")


@dataclass(frozen=True, eq=False)
class Item:
    """A thing with a page title. ``type`` is empty for a concept, whose ``kind`` is its group of concepts.

    ``name`` is what text calls it in full, ``short`` another way to call it; ``title`` may add a disambiguation.
    """

    title: str
    name: str
    short: str | None
    kind: str
    type: str
    weight: float = 1.0
    unseen: bool = False


@dataclass
class Facts:
    """Every item by kind, every concept by group, and each item's neighbours by kind."""

    items: dict[str, list[Item]]
    concepts: dict[str, list[Item]]
    neighbours: dict[Item, dict[str, list[Item]]] = field(default_factory=dict)

    @property
    def all_items(self) -> list[Item]:
        """Items of all kinds, in a fixed order."""
        return [item for kind in TYPE_OF for item in self.items[kind]]


def make_facts(
    rng: random.Random,
    items_per_kind: int,
    concept_words: Mapping[str, Sequence[str]],
    named_concepts: Mapping[str, Sequence[str]],
) -> Facts:
    """Invent a world. Places come first, since clubs and universities take their names."""
    names = NameMaker(rng)
    titles: set[str] = set()
    concepts = _make_concepts(names, items_per_kind, concept_words, named_concepts, titles)
    items: dict[str, list[Item]] = {}
    for kind in (*_PLACES_FIRST, *(kind for kind in TYPE_OF if kind not in _PLACES_FIRST)):
        items[kind] = _make_items(rng, names, kind, items_per_kind, items, titles)
    facts = Facts(items, concepts)
    for item in facts.all_items:
        facts.neighbours[item] = {
            kind: weighted_sample(rng, [it for it in others if it is not item and not it.unseen], NEIGHBOURS_PER_KIND)
            for kind, others in items.items()
        }
    return facts


def weighted_sample(rng: random.Random, items: Sequence[Item], size: int) -> list[Item]:
    """Different items, frequent ones more likely."""
    chosen: list[Item] = []
    weights = [item.weight for item in items]
    while len(chosen) < min(size, len(items)):
        (item,) = rng.choices(items, weights)
        if item not in chosen:
            chosen.append(item)
    return chosen


def _make_concepts(
    names: NameMaker,
    items_per_kind: int,
    words: Mapping[str, Sequence[str]],
    named: Mapping[str, Sequence[str]],
    titles: set[str],
) -> dict[str, list[Item]]:
    """Concepts of the language (midfielder) and concepts with invented names (the Drelwen Cup)."""
    concepts = {
        group: [Item(word[0].upper() + word[1:], word, None, group, "") for word in members]
        for group, members in words.items()
    }
    for group, patterns in named.items():
        made = [pattern.format(N=names.plain()) for pattern in patterns for _ in range(max(1, items_per_kind // 16))]
        concepts[group] = [Item(name, name, None, group, "") for name in made]
    titles.update(concept.title for members in concepts.values() for concept in members)
    return concepts


def _make_items(
    rng: random.Random,
    names: NameMaker,
    kind: str,
    count: int,
    earlier: Mapping[str, Sequence[Item]],
    titles: set[str],
) -> list[Item]:
    others = [item.name for items in earlier.values() for item in items if " " not in item.name]
    cities = [item.name for item in earlier.get("city", ())]
    # Never the most frequent one, so that every kind has seen items and unseen ones.
    unseen = set(rng.sample(range(1, count), max(1, round(UNSEEN_ITEM_SHARE * count))))
    made: list[Item] = []
    while len(made) < count:
        shares_name = others and rng.random() < SHARED_NAME_SHARE
        word = rng.choice(others) if shares_name else names.name(kind)
        name, short = _full_name(rng, names, kind, word, cities)
        title = name if name not in titles else f"{name} ({kind})"
        if title in titles or any(name == item.name for item in made):
            continue
        titles.add(title)
        weight = (len(made) + 3) ** -ZIPF_EXPONENT
        made.append(Item(title, name, short, kind, TYPE_OF[kind], weight, len(made) in unseen))
    return made


def _full_name(
    rng: random.Random, names: NameMaker, kind: str, word: str, cities: Sequence[str]
) -> tuple[str, str | None]:
    """An item's full name and its short one, from a one-word name, in one of the kind's patterns."""
    patterns, shares = zip(*_PATTERNS[kind], strict=True)
    (pattern,) = rng.choices(patterns, shares)
    core = rng.choice(cities) if "{city}" in pattern else word
    name = pattern.format(word=word, city=core, given=rng.choice(names.given_names))
    # "University of Drelford" is not Drelford, but Drelford Rovers are: "Drelford beat Kastona".
    return name, core if name != core and kind != "university" else None


#: Patterns of full names, with their weights. Words such as River or Mount give only a part away.
_PERSON = (("{given} {word}", 0.9), ("{word}", 0.1))
_PATTERNS: dict[str, tuple[tuple[str, float], ...]] = {
    "footballer": (("{given} {word}", 0.8), ("{word}", 0.2)),
    "politician": _PERSON,
    "painter": _PERSON,
    "scientist": _PERSON,
    "city": (("{word}", 0.84), ("Port {word}", 0.08), ("New {word}", 0.08)),
    "river": (("{word}", 0.8), ("River {word}", 0.2)),
    "mountain": (("{word}", 0.7), ("Mount {word}", 0.2), ("{word} Peak", 0.1)),
    "island": (("{word}", 0.75), ("{word} Island", 0.15), ("Isle of {word}", 0.1)),
    "club": (
        ("{word}", 0.45),
        ("{city} Rovers", 0.15),
        ("{city} United", 0.15),
        ("FC {city}", 0.15),
        ("Sporting {word}", 0.1),
    ),
    "company": (("{word}", 0.6), ("{word} & Sons", 0.15), ("{given} {word} Works", 0.1), ("{word} Union", 0.15)),
    "university": (
        ("{word}", 0.45),
        ("University of {city}", 0.25),
        ("{given} {word} College", 0.15),
        ("{city} Institute", 0.15),
    ),
    "party": (("{word}", 0.6), ("{word} League", 0.2), ("{word} Union", 0.2)),
}
