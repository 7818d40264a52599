"""Word lists with gaps and noise: what weak labels are made from."""

from __future__ import annotations

import random

from cofee_dist.world.facts import TYPE_OF, TYPES, Facts

#: Items of each kind that a gazetteer lists, of those in the wiki and of the others: it knows what is known.
LISTED_SHARE = 0.55
LISTED_UNSEEN_SHARE = 0.15
#: Listed items whose short name is listed as well, if nothing else is called so in full (a club's city).
LISTED_SHORT_SHARE = 0.7
#: Entries, as a share of a gazetteer's right ones, that belong to another type or to none.
WRONG_SHARE = 0.04


def make_gazetteers(rng: random.Random, facts: Facts) -> dict[str, list[str]]:
    """Sorted entries by type: a part of the items, some short names, and a few entries that are wrong.

    Names that items of several types share make more of them ambiguous: a river's entry also meets a company.
    """
    concepts = [concept for group in facts.concepts.values() for concept in group]
    full_names = {item.name for item in facts.all_items}
    gazetteers = {}
    for type_ in TYPES:
        entries: set[str] = set()
        for kind in (kind for kind, of_type in TYPE_OF.items() if of_type == type_):
            seen = [item for item in facts.items[kind] if not item.unseen]
            unseen = [item for item in facts.items[kind] if item.unseen]
            listed = rng.sample(seen, round(LISTED_SHARE * len(seen)))
            listed += rng.sample(unseen, round(LISTED_UNSEEN_SHARE * len(unseen)))
            for item in listed:
                entries.add(item.name)
                if item.short and item.short not in full_names and rng.random() < LISTED_SHORT_SHARE:
                    entries.add(item.short)
        others = [item for item in facts.all_items if item.type != type_] + concepts
        entries.update(item.name for item in rng.sample(others, round(WRONG_SHARE * len(entries))))
        gazetteers[type_] = sorted(entries)
    return gazetteers
