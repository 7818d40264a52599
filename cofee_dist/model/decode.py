"""From start and end probabilities to spans: the one decoder of evaluation, self-picking and prediction.

The rule, for one sentence with one row of probabilities for each type:

1. A position is a start if p(start) > threshold and an end if p(end) > threshold. Only the sentence's own tokens
   are positions.
2. Within a row, each start is paired with the nearest end at or after it, and each end with the nearest start at
   or before it. The candidates are the union of the two.
3. A candidate's score is sqrt(p(start) p(end)).
4. Nested: all candidates are kept. Flat (the default): over all types of the sentence together, the best score is
   taken first (ties: the longer, then the earlier, then the type that comes first), and what shares a token with a
   span already taken is dropped.

All but the last step is vectorised, and that runs Python only for sentences in which candidates do overlap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Candidates:
    """Positions above the threshold: parallel arrays, ``row`` being the (sentence, type) they belong to."""

    row: IntArray
    position: IntArray
    probability: FloatArray

    @classmethod
    def concatenate(cls, parts: Sequence[Candidates]) -> Candidates:
        """All parts' candidates as one."""
        if not parts:
            return cls(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
        return cls(
            np.concatenate([part.row for part in parts]),
            np.concatenate([part.position for part in parts]),
            np.concatenate([part.probability for part in parts]),
        )

    def sorted(self) -> Candidates:
        """Ordered by row, then position."""
        order = np.lexsort((self.position, self.row))
        return Candidates(self.row[order], self.position[order], self.probability[order])


@dataclass(frozen=True, slots=True)
class Spans:
    """Spans as parallel arrays, ordered by row, start, end; ``end`` is inclusive."""

    row: IntArray
    start: IntArray
    end: IntArray
    score: FloatArray

    def __len__(self) -> int:
        return len(self.row)

    def take(self, index: NDArray[np.generic]) -> Spans:
        """The spans at ``index`` (a mask or positions)."""
        return Spans(self.row[index], self.start[index], self.end[index], self.score[index])


def find_candidates(
    probability_bt: NDArray[np.floating], positions_bt: NDArray[np.bool_], threshold: float
) -> Candidates:
    """Step 1: the positions above the threshold; ``row`` is the index in the batch."""
    row, position = np.nonzero((probability_bt > threshold) & positions_bt)
    return Candidates(row, position, probability_bt[row, position].astype(np.float64))


def pair_candidates(starts: Candidates, ends: Candidates) -> Spans:
    """Steps 2 and 3: the union of each start with its nearest end and each end with its nearest start."""
    starts, ends = starts.sorted(), ends.sorted()
    width = 1 + int(max(starts.position.max(initial=0), ends.position.max(initial=0)))
    start_keys, end_keys = starts.row * width + starts.position, ends.row * width + ends.position

    next_end = np.searchsorted(end_keys, start_keys, side="left")
    has_end = next_end < len(end_keys)
    has_end[has_end] = ends.row[next_end[has_end]] == starts.row[has_end]
    last_start = np.searchsorted(start_keys, end_keys, side="right") - 1
    has_start = last_start >= 0
    has_start[has_start] = starts.row[last_start[has_start]] == ends.row[has_start]

    start_index = np.concatenate([np.nonzero(has_end)[0], last_start[has_start]])
    end_index = np.concatenate([next_end[has_end], np.nonzero(has_start)[0]])
    # Starts are ordered by row and position, ends too: one number orders pairs by row, start, end, and finds twins.
    pairs = np.unique(start_index * max(len(end_keys), 1) + end_index)
    start_index, end_index = np.divmod(pairs, max(len(end_keys), 1))
    score = np.sqrt(starts.probability[start_index] * ends.probability[end_index])
    return Spans(starts.row[start_index], starts.position[start_index], ends.position[end_index], score)


def resolve_flat(spans: Spans, sentence_n: IntArray, type_n: IntArray) -> IntArray:
    """Step 4, flat: which spans stay, so that no two of a sentence share a token.

    Args:
        spans: The candidates of any number of sentences, of all their types.
        sentence_n: The sentence of each span.
        type_n: The place of each span's type in the order of types, which breaks the last ties.

    Returns:
        Indices of the spans that stay, ascending.
    """
    order = np.lexsort((spans.end, spans.start, sentence_n))
    sentence, start, end = sentence_n[order], spans.start[order], spans.end[order]
    # Ordered by start, a sentence has an overlap if and only if two neighbours overlap.
    clash = (sentence[1:] == sentence[:-1]) & (start[1:] <= end[:-1])
    clashing = np.isin(sentence_n, np.unique(sentence[1:][clash]))
    stays = ~clashing
    disputed = np.nonzero(clashing)[0]
    length = spans.end - spans.start
    best_first = np.lexsort(
        (type_n[disputed], spans.start[disputed], -length[disputed], -spans.score[disputed], sentence_n[disputed])
    )
    taken: list[tuple[int, int]] = []
    current: int | None = None
    for index in disputed[best_first].tolist():
        if sentence_n[index] != current:
            current, taken = int(sentence_n[index]), []
        first, last = int(spans.start[index]), int(spans.end[index])
        if all(last < other_first or first > other_last for other_first, other_last in taken):
            taken.append((first, last))
            stays[index] = True
    return np.nonzero(stays)[0]


def decode(starts: Candidates, ends: Candidates, sentence_r: IntArray, type_r: IntArray, nested: bool) -> Spans:
    """Steps 2 to 4 for candidates of any number of rows.

    Args:
        starts: Candidate starts, in any order.
        ends: Candidate ends, in any order.
        sentence_r: The sentence of each row.
        type_r: The place of each row's type in the order of types.
        nested: Keep all candidates, or resolve overlaps within each sentence.
    """
    spans = pair_candidates(starts, ends)
    if nested:
        return spans
    return spans.take(resolve_flat(spans, sentence_r[spans.row], type_r[spans.row]))


def decode_batch(
    start_probability_bt: NDArray[np.floating],
    end_probability_bt: NDArray[np.floating],
    positions_bt: NDArray[np.bool_],
    threshold: float,
    nested: bool = False,
    sentence_b: IntArray | None = None,
    type_b: IntArray | None = None,
) -> Spans:
    """The whole rule for one batch of probabilities.

    Args:
        start_probability_bt: p(start), (b, t).
        end_probability_bt: p(end), (b, t).
        positions_bt: True at the sentence's tokens.
        threshold: 0.5 to predict, delta to pick.
        nested: Keep overlapping candidates.
        sentence_b: The sentence of each row; without it each row is a sentence of its own. All of a sentence's
            types must be in the batch.
        type_b: The place of each row's type in the order of types; without it the row's index.

    Returns:
        Spans whose ``row`` is the index in the batch and whose positions are those of ``t``.
    """
    rows = np.arange(len(positions_bt))
    return decode(
        find_candidates(start_probability_bt, positions_bt, threshold),
        find_candidates(end_probability_bt, positions_bt, threshold),
        rows if sentence_b is None else sentence_b,
        rows if type_b is None else type_b,
        nested,
    )
