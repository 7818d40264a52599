"""Iterative self-picking: the labels of the next round, from the weak labels and the model's own predictions.

Section 3.2 of the paper: after each round the model reads its training sentences again, and what it finds with
a probability above the threshold delta becomes a label, "to recall the missing labels". Two readings:

``replace``
    the labels are the predictions, as in the reference code. A wrong gazetteer label that the model does not
    believe goes; so does a right one.
``union``
    the weak labels stay, and predictions that do not overlap with any are added: the paper's words.
``none``
    the weak labels stay as they are: the ablation without self-picking.

Every round starts from the weak labels (iteration 0), not from the last round's: errors do not add up.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal

from cofee_dist.schemas import Entity, LabelledSentence

Picking = Literal["replace", "union", "none"]


def pick(
    weak: Sequence[LabelledSentence], predictions: Sequence[Sequence[Entity]], mode: Picking
) -> list[LabelledSentence]:
    """The next round's labels of the sentences, row for row; a row may be left without entities.

    Args:
        weak: the sentences with their labels of iteration 0.
        predictions: for each of them what the model finds above the picking threshold, of any type.
        mode: see above.
    """
    return [
        replace(sentence, entities=pick_entities(sentence.entities, found, mode))
        for sentence, found in zip(weak, predictions, strict=True)
    ]


def pick_entities(weak: Iterable[Entity], predictions: Iterable[Entity], mode: Picking) -> tuple[Entity, ...]:
    """The next round's labels of a sentence, by start, end and type; no two overlap.

    A prediction that is a weak label too is that label: it keeps its source and its score of 1. Any other has
    the source ``picked`` and the model's score. Where predictions overlap, the one with the highest score stays
    (then the longest, the first, the first type by name). The one exception to flatness are weak labels of one
    span under several types (``labels.ambiguity: keep_all``), which stand side by side.
    """
    weak_of = {(entity.start, entity.end, entity.type): entity for entity in weak}
    kept: list[Entity] = [] if mode == "replace" else list(weak_of.values())
    candidates = [] if mode == "none" else sorted(predictions, key=_by_score)
    for found in candidates:
        known = weak_of.get((found.start, found.end, found.type))
        entity = known or replace(found, source="picked")
        if not any(_clash(entity, other, weak_of) for other in kept):
            kept.append(entity)
    return tuple(sorted(kept, key=lambda entity: (entity.start, entity.end, entity.type)))


def _by_score(entity: Entity) -> tuple[float, int, int, str]:
    return -entity.score, entity.start - entity.end, entity.start, entity.type


def _clash(a: Entity, b: Entity, weak_of: dict[tuple[int, int, str], Entity]) -> bool:
    if a.end <= b.start or b.end <= a.start:
        return False
    beside = (a.start, a.end) == (b.start, b.end) and a.type != b.type
    return not (beside and all((e.start, e.end, e.type) in weak_of for e in (a, b)))
