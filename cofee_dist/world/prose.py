"""Sentences of the world: templates filled with items, every mention known."""

from __future__ import annotations

import calendar
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import yaml

from cofee_dist.world.facts import TYPE_OF, Facts, Item

#: Templates that the wiki never uses; validation and test sentences do.
UNSEEN_TEMPLATE_SHARE = 0.2
#: Slots filled with a neighbour of the subject; the others with any item of the kind.
NEIGHBOUR_SHARE = 0.6
#: Mentions by the short name, where the item has one and has been named in full before.
SHORT_NAME_SHARE = 0.5
#: Mentions that another item is tied to: "Kastona of Drelford".
APPOSITION_SHARE = 0.15
#: Slots of validation and test sentences filled with an item that the wiki does not mention.
UNSEEN_MENTION_SHARE = 0.3

_APPOSITIONS = {
    "footballer": " of {club}",
    "politician": " of the {party}",
    "painter": " of {city}",
    "scientist": " of {university}",
    "river": " below {city}",
    "mountain": " near {city}",
    "island": " off {city}",
    "club": " from {city}",
    "company": " of {city}",
    "university": " in {city}",
}
_MONTHS = tuple(calendar.month_name)[1:]
_CHOICE = re.compile(r"\(([^()]*\|[^()]*)\)")
_SLOT = re.compile(r"\{([^{}]+)\}")


@dataclass(frozen=True)
class Mention:
    """An item in a sentence, by ``surface``; ``is_subject`` where the sentence is about it."""

    surface: str
    item: Item
    is_subject: bool = False


@dataclass(frozen=True)
class Sentence:
    """Words and mentions in turn. What a reader sees is ``text``."""

    parts: tuple[str | Mention, ...]

    @property
    def text(self) -> str:
        """The sentence without any markup."""
        return "".join(part if isinstance(part, str) else part.surface for part in self.parts)

    def spans(self) -> Iterator[tuple[int, int, Item]]:
        """Half-open offsets of every mention of an item that has a type."""
        at = 0
        for part in self.parts:
            length = len(part if isinstance(part, str) else part.surface)
            if isinstance(part, Mention) and part.item.type:
                yield at, at + length, part.item
            at += length

    def as_record(self) -> dict[str, Any]:
        """The sentence as a line of a labelled JSONL file."""
        entities = [{"start": s, "end": e, "type": item.type, "fine": item.kind} for s, e, item in self.spans()]
        return {"text": self.text, "entities": entities}


@dataclass(frozen=True)
class Templates:
    """Templates by kind, and those of any kind."""

    lead: dict[str, list[str]]
    body: dict[str, list[str]]
    general: list[str]


@cache
def load_prose() -> dict[str, Any]:
    """The tables of ``prose.yaml``."""
    text = resources.files("cofee_dist.world").joinpath("prose.yaml").read_text(encoding="utf-8")
    tables: dict[str, Any] = yaml.safe_load(text)
    return tables


def split_templates(rng: random.Random) -> tuple[Templates, Templates]:
    """Templates for the wiki, and the ones kept from it (which has all the leads)."""
    prose = load_prose()
    seen_body, unseen_body = {}, {}
    for kind in TYPE_OF:
        seen_body[kind], unseen_body[kind] = _split(rng, prose["kinds"][kind]["body"])
    seen_general, unseen_general = _split(rng, prose["general"])
    lead = {kind: list(prose["kinds"][kind]["lead"]) for kind in TYPE_OF}
    return Templates(lead, seen_body, seen_general), Templates({}, unseen_body, unseen_general)


def _split(rng: random.Random, templates: Sequence[str]) -> tuple[list[str], list[str]]:
    shuffled = rng.sample(templates, len(templates))
    unseen = max(1, round(UNSEEN_TEMPLATE_SHARE * len(templates)))
    return shuffled[unseen:], shuffled[:unseen]


class Writer:
    """Fills templates. With ``unseen_share`` 0 it uses only items that the wiki may mention."""

    def __init__(self, rng: random.Random, facts: Facts, unseen_share: float = 0.0) -> None:
        self._rng, self._facts, self._unseen_share = rng, facts, unseen_share
        self._pools = {
            (kind, unseen): _pool([item for item in items if item.unseen == unseen])
            for kind, items in facts.items.items()
            for unseen in (False, True)
        }

    def write(self, template: str, kind: str | None, subject: Item | None, named: set[Item]) -> Sentence:
        """Fill one template.

        Args:
            template: see ``prose.yaml``.
            kind: what ``{S}`` is, where there is no ``subject``.
            subject: whom the text is about; its neighbours fill many slots.
            named: items that the text has named in full; those of this sentence are added.
        """
        used: list[Item] = [subject] if subject else []
        template = _CHOICE.sub(lambda match: self._rng.choice(match[1].split("|")), template)
        parts = list(self._fill(template, kind, subject, named, used))
        return Sentence(tuple(_capitalised(_joined(parts))))

    def _fill(
        self, template: str, kind: str | None, subject: Item | None, named: set[Item], used: list[Item]
    ) -> Iterator[str | Mention]:
        for position, piece in enumerate(_SLOT.split(template)):
            if position % 2 == 0:
                yield piece
            elif piece.startswith("#"):
                yield self._number(piece[1:])
            elif piece.startswith("@"):
                yield self._concept(piece[1:], used)
            elif piece == "S" and subject:
                yield Mention(self._surface(subject, named), subject, is_subject=True)
            else:
                item = self._choose(kind if piece == "S" and kind else piece, subject, used)
                yield Mention(self._surface(item, named), item)
                apposition = _APPOSITIONS.get(item.kind)
                # A lead says "X is ...": an apposition belongs to the items that come after it.
                if apposition and piece != "S" and self._rng.random() < APPOSITION_SHARE and len(used) < 6:
                    yield from self._fill(apposition, None, subject, named, used)

    def _choose(self, slot: str, subject: Item | None, used: list[Item]) -> Item:
        kinds = [kind for kind, type_ in TYPE_OF.items() if slot in (kind, type_)]
        kind = self._rng.choice(kinds)
        while True:
            if subject and not self._unseen_share and self._rng.random() < NEIGHBOUR_SHARE:
                item = self._rng.choice(self._facts.neighbours[subject][kind])
            else:
                items, weights = self._pools[kind, self._rng.random() < self._unseen_share]
                (item,) = self._rng.choices(items, cum_weights=weights)
            if item not in used and (self._unseen_share or not item.unseen):
                used.append(item)
                return item

    def _surface(self, item: Item, named: set[Item]) -> str:
        is_known = item in named
        named.add(item)
        return item.short if item.short and is_known and self._rng.random() < SHORT_NAME_SHARE else item.name

    def _concept(self, group: str, used: list[Item]) -> Mention:
        group, _, trail = group.partition("+")
        concept = self._rng.choice([concept for concept in self._facts.concepts[group] if concept not in used])
        used.append(concept)
        return Mention(concept.name + trail, concept)

    def _number(self, what: str) -> str:
        if what == "month":
            return self._rng.choice(_MONTHS)
        return str(self._rng.randint(1, 28) if what == "day" else self._rng.randint(1820, 2015))


def _pool(items: Sequence[Item]) -> tuple[list[Item], list[float]]:
    """Items with their cumulative weights (``random.choices`` is fast with these)."""
    total, cumulative = 0.0, []
    for item in items:
        total += item.weight
        cumulative.append(total)
    return list(items), cumulative


def _joined(parts: Sequence[str | Mention]) -> list[str | Mention]:
    """Neighbouring words as one part, nothing empty."""
    joined: list[str | Mention] = []
    for part in parts:
        if isinstance(part, str) and joined and isinstance(joined[-1], str):
            joined[-1] += part
        elif part:
            joined.append(part)
    return joined


def _capitalised(parts: list[str | Mention]) -> list[str | Mention]:
    first = parts[0]
    if isinstance(first, Mention):
        surface = first.surface[0].upper() + first.surface[1:]
        return [Mention(surface, first.item, first.is_subject), *parts[1:]]
    return [first[0].upper() + first[1:], *parts[1:]]
