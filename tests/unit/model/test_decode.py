"""The decoder against brute force that reads the rule out word for word."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cofee_dist.model.decode import Candidates, decode_batch, pair_candidates

Found = tuple[int, int, int, float]


def brute_force(
    start: np.ndarray,
    end: np.ndarray,
    positions: np.ndarray,
    threshold: float,
    nested: bool,
    sentence: np.ndarray,
    types: np.ndarray,
) -> set[tuple[int, int, int]]:
    candidates: set[Found] = set()
    for row in range(len(start)):
        starts = [t for t in range(start.shape[1]) if positions[row, t] and start[row, t] > threshold]
        ends = [t for t in range(start.shape[1]) if positions[row, t] and end[row, t] > threshold]
        pairs = {(s, min(e for e in ends if e >= s)) for s in starts if any(e >= s for e in ends)}
        pairs |= {(max(s for s in starts if s <= e), e) for e in ends if any(s <= e for s in starts)}
        candidates |= {(row, s, e, math.sqrt(float(start[row, s]) * float(end[row, e]))) for s, e in pairs}
    if nested:
        return {found[:3] for found in candidates}
    kept: list[Found] = []
    rest = sorted(candidates, key=lambda c: (-c[3], -(c[2] - c[1]), c[1], types[c[0]]))
    for row, s, e, score in rest:
        of_sentence = [other for other in kept if sentence[other[0]] == sentence[row]]
        if not any(set(range(s, e + 1)) & set(range(o[1], o[2] + 1)) for o in of_sentence):
            kept.append((row, s, e, score))
    return {found[:3] for found in kept}


@st.composite
def batches(draw: st.DrawFn) -> dict:
    b, t = draw(st.integers(1, 6)), draw(st.integers(1, 9))
    # Few distinct values, so that ties come up; the types of a sentence are in any order, rows as well.
    values = st.sampled_from([0.1, 0.5, 0.6, 0.8, 0.95])
    table = st.lists(st.lists(values, min_size=t, max_size=t), min_size=b, max_size=b)
    places = draw(st.permutations(range(b)))
    return {
        "start": np.array(draw(table)),
        "end": np.array(draw(table)),
        "positions": np.array(draw(st.lists(st.lists(st.booleans(), min_size=t, max_size=t), min_size=b, max_size=b))),
        "threshold": draw(st.sampled_from([0.3, 0.5, 0.7])),
        "nested": draw(st.booleans()),
        "sentence": np.array(draw(st.lists(st.integers(0, 2), min_size=b, max_size=b))),
        "types": np.array(places),
    }


@given(batches())
@settings(max_examples=400, deadline=None)
def test_against_brute_force(batch: dict) -> None:
    spans = decode_batch(
        batch["start"],
        batch["end"],
        batch["positions"],
        batch["threshold"],
        batch["nested"],
        batch["sentence"],
        batch["types"],
    )
    found = list(zip(spans.row.tolist(), spans.start.tolist(), spans.end.tolist(), strict=True))
    assert set(found) == brute_force(*batch.values())
    assert found == sorted(set(found))
    for row, s, e, score in zip(spans.row, spans.start, spans.end, spans.score, strict=True):
        assert score == math.sqrt(batch["start"][row, s] * batch["end"][row, e])


@given(batches())
@settings(max_examples=100, deadline=None)
def test_flat_spans_never_overlap_and_are_among_the_nested(batch: dict) -> None:
    arguments = (batch["start"], batch["end"], batch["positions"], batch["threshold"])
    flat = decode_batch(*arguments, False, batch["sentence"], batch["types"])
    nested = decode_batch(*arguments, True, batch["sentence"], batch["types"])
    covered = [
        (batch["sentence"][row], t)
        for row, s, e in zip(flat.row, flat.start, flat.end, strict=True)
        for t in range(s, e + 1)
    ]
    assert len(covered) == len(set(covered))
    keys = set(zip(nested.row, nested.start, nested.end, strict=True))
    assert set(zip(flat.row, flat.start, flat.end, strict=True)) <= keys
    assert (len(flat) == 0) == (len(nested) == 0)


def test_the_other_types_span_wins_back_what_its_rival_lost() -> None:
    # Type 0 offers [0-3] at 0.9 and [2-3] at 0.9*; type 1 offers [0-1] at 0.99: [0-3] goes, [2-3] stays.
    start = np.array([[0.8, 0, 0.7, 0], [0.99, 0, 0, 0]])
    end = np.array([[0, 0, 0, 0.9], [0, 0.99, 0, 0]])
    spans = decode_batch(start, end, np.ones((2, 4), bool), 0.5, False, np.array([0, 0]), np.array([0, 1]))
    assert list(zip(spans.row, spans.start, spans.end, strict=True)) == [(0, 2, 3), (1, 0, 1)]


def test_rows_are_not_paired_with_each_other() -> None:
    # The first row has only a start, the second only an end: nothing may come of it.
    spans = decode_batch(
        np.array([[0.9, 0.0], [0.0, 0.0]]), np.array([[0.0, 0.0], [0.9, 0.9]]), np.ones((2, 2), bool), 0.5
    )
    assert len(spans) == 0


def test_no_candidates() -> None:
    none = Candidates.concatenate([])
    assert len(pair_candidates(none, none)) == 0
    assert len(decode_batch(np.zeros((0, 0)), np.zeros((0, 0)), np.zeros((0, 0), bool), 0.5)) == 0


def test_the_threshold_itself_is_not_above_it() -> None:
    half = np.array([[0.5]], np.float32)
    assert len(decode_batch(half, half, np.ones((1, 1), bool), 0.5)) == 0
    assert len(decode_batch(half, half, np.ones((1, 1), bool), 0.49)) == 1
