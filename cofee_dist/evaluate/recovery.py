"""What a round of picking did to the weak labels, judged by the truth."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass

from cofee_dist.evaluate.scorer import Score, TypedSpan, as_spans, ratio, score
from cofee_dist.schemas import Entity


@dataclass(frozen=True)
class Recovery:
    """Counts over all sentences; a span counts by start, end and type.

    ``missing``: in the truth, not in the labels before; ``recovered``: of these, in the labels after.
    ``added``: in the labels after, not before; ``added_right``: of these, in the truth.
    ``wrong``: in the labels before, not in the truth; ``wrong_removed``: of these, gone after.
    ``right_lost``: in the labels before and in the truth, gone after.
    """

    missing: int
    recovered: int
    added: int
    added_right: int
    wrong: int
    wrong_removed: int
    right_lost: int
    before: Score
    after: Score

    @property
    def recall_of_missing(self) -> float:
        """Share of the missing labels that are there now."""
        return ratio(self.recovered, self.missing)

    @property
    def precision_of_added(self) -> float:
        """Share of the added labels that are right."""
        return ratio(self.added_right, self.added)

    def as_dict(self) -> dict[str, object]:
        """Plain values, the two shares among them."""
        return {
            **asdict(self),
            "recall_of_missing": self.recall_of_missing,
            "precision_of_added": self.precision_of_added,
        }


def recovery(
    before: Sequence[Collection[TypedSpan | Entity]],
    after: Sequence[Collection[TypedSpan | Entity]],
    truth: Sequence[Collection[TypedSpan | Entity]],
) -> Recovery:
    """Compare the labels of the same sentences, in the same order, before and after picking with the truth."""
    if not len(before) == len(after) == len(truth):
        raise ValueError(f"{len(before)} sentences before, {len(after)} after, {len(truth)} in the truth")
    missing = recovered = added = added_right = wrong = wrong_removed = right_lost = 0
    for sentence in zip(before, after, truth, strict=True):
        old, new, true = map(as_spans, sentence)
        missing += len(true - old)
        recovered += len((true - old) & new)
        added += len(new - old)
        added_right += len((new - old) & true)
        wrong += len(old - true)
        wrong_removed += len(old - true - new)
        right_lost += len((old & true) - new)
    return Recovery(
        missing=missing,
        recovered=recovered,
        added=added,
        added_right=added_right,
        wrong=wrong,
        wrong_removed=wrong_removed,
        right_lost=right_lost,
        before=score(truth, before),
        after=score(truth, after),
    )
