"""Predicted spans against gold spans: precision, recall and F1 of exact matches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from cofee_dist.schemas import Entity

TypedSpan = tuple[int, int, str]


@dataclass(frozen=True)
class Score:
    """Micro-averaged precision, recall and F1 (0 to 1), with the counts that they come from."""

    precision: float
    recall: float
    f1: float
    true_positives: int
    predicted: int
    gold: int
    per_type: dict[str, Score] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON and for MLflow."""
        return asdict(self)


def score(gold: Sequence[Collection[TypedSpan | Entity]], predicted: Sequence[Collection[TypedSpan | Entity]]) -> Score:
    """Score sentence by sentence; a span counts when start, end and type all agree (CoNLL's exact match).

    A span given twice in a sentence counts once. 0/0 is 0. Micro-averaged over all spans; ``per_type`` holds the
    same for each type that occurs. Raises ValueError when the two sides have different numbers of sentences.
    """
    if len(gold) != len(predicted):
        raise ValueError(f"{len(gold)} gold sentences, {len(predicted)} predicted ones")
    true_positives: Counter[str] = Counter()
    predicted_count: Counter[str] = Counter()
    gold_count: Counter[str] = Counter()
    for gold_sentence, predicted_sentence in zip(gold, predicted, strict=True):
        wanted, found = as_spans(gold_sentence), as_spans(predicted_sentence)
        true_positives.update(type_ for _, _, type_ in wanted & found)
        predicted_count.update(type_ for _, _, type_ in found)
        gold_count.update(type_ for _, _, type_ in wanted)
    return _of_types(true_positives, predicted_count, gold_count)


def together(parts: Iterable[Score]) -> Score:
    """The score of all the sentences that parts were scored of (by several ranks, say)."""
    true_positives: Counter[str] = Counter()
    predicted: Counter[str] = Counter()
    gold: Counter[str] = Counter()
    for part in parts:
        for type_, found in part.per_type.items():
            true_positives[type_] += found.true_positives
            predicted[type_] += found.predicted
            gold[type_] += found.gold
    return _of_types(true_positives, predicted, gold)


def _of_types(true_positives: Counter[str], predicted: Counter[str], gold: Counter[str]) -> Score:
    per_type = {
        type_: score_from_counts(true_positives[type_], predicted[type_], gold[type_])
        for type_ in sorted(gold.keys() | predicted.keys())
    }
    return score_from_counts(true_positives.total(), predicted.total(), gold.total(), per_type)


def score_from_counts(
    true_positives: int, predicted: int, gold: int, per_type: dict[str, Score] | None = None
) -> Score:
    """Precision, recall and F1 of counts (from several workers, say); 0/0 is 0."""
    return Score(
        precision=ratio(true_positives, predicted),
        recall=ratio(true_positives, gold),
        # The harmonic mean of precision and recall, without their rounding.
        f1=ratio(2 * true_positives, predicted + gold),
        true_positives=true_positives,
        predicted=predicted,
        gold=gold,
        per_type=per_type or {},
    )


def as_spans(sentence: Collection[TypedSpan | Entity]) -> set[TypedSpan]:
    """A sentence's spans as a set of (start, end, type), whichever way they came."""
    return {
        (item.start, item.end, item.type) if isinstance(item, Entity) else (item[0], item[1], item[2])
        for item in sentence
    }


def ratio(part: float, whole: float) -> float:
    """``part / whole``, where nothing out of nothing is 0."""
    return part / whole if whole else 0.0
