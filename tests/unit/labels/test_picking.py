from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cofee_dist.labels.picking import pick, pick_entities
from cofee_dist.schemas import Entity, LabelledSentence


def _weak(start: int, end: int, type_: str) -> Entity:
    return Entity(start, end, type_, "gazetteer")


def _found(start: int, end: int, type_: str, score: float) -> Entity:
    return Entity(start, end, type_, "model", score)


WEAK = (_weak(0, 5, "PER"), _weak(10, 15, "LOC"))
FOUND = [_found(0, 5, "PER", 0.4), _found(12, 20, "ORG", 0.9), _found(30, 33, "PER", 0.3)]


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("none", WEAK),
        ("replace", (WEAK[0], Entity(12, 20, "ORG", "picked", 0.9), Entity(30, 33, "PER", "picked", 0.3))),
        ("union", (*WEAK, Entity(30, 33, "PER", "picked", 0.3))),
    ],
)
def test_the_three_modes(mode: Any, expected: tuple[Entity, ...]) -> None:
    assert pick_entities(WEAK, FOUND, mode) == expected


def test_the_best_of_overlapping_predictions_stays() -> None:
    found = [_found(0, 4, "A", 0.5), _found(3, 9, "B", 0.7), _found(8, 12, "C", 0.6), _found(8, 11, "C", 0.6)]
    assert [(e.start, e.type) for e in pick_entities((), found, "replace")] == [(3, "B")]
    assert [(e.start, e.end) for e in pick_entities((), found[2:], "union")] == [(8, 12)]


def test_weak_labels_of_one_span_stand_side_by_side() -> None:
    weak = (_weak(0, 5, "LOC"), _weak(0, 5, "PER"))
    found = [_found(0, 5, "PER", 0.9), _found(0, 5, "LOC", 0.2), _found(0, 5, "ORG", 0.5)]
    assert pick_entities(weak, found, "replace") == weak
    assert pick_entities(weak, found[:1], "replace") == weak[1:]
    assert pick_entities(weak, found, "union") == weak


def test_rows_stay_in_place_and_may_lose_all_labels() -> None:
    weak = [LabelledSentence("a" * 40, WEAK, 1, 2), LabelledSentence("b", (), 1, 3)]
    assert pick(weak, [[], []], "replace") == [LabelledSentence("a" * 40, (), 1, 2), weak[1]]
    with pytest.raises(ValueError, match="shorter"):
        pick(weak, [[]], "replace")


spans = st.tuples(st.integers(0, 6), st.integers(1, 4), st.sampled_from("AB"))
predictions = st.lists(st.tuples(spans, st.sampled_from([0.2, 0.5, 0.9])), max_size=5)


def _overlap(a: Entity, b: Entity) -> bool:
    return bool({*range(a.start, a.end)} & {*range(b.start, b.end)})


@st.composite
def weak_labels(draw: st.DrawFn) -> tuple[Entity, ...]:
    """Flat, but for spans that have both types."""
    labels: list[Entity] = []
    for start, length, type_ in draw(st.lists(spans, max_size=4)):
        if not any(_overlap(_weak(start, start + length, type_), other) for other in labels):
            labels.append(_weak(start, start + length, type_))
            if draw(st.booleans()):
                labels.append(_weak(start, start + length, "AB"[type_ == "A"]))
    return tuple(labels)


def _brute_force(weak: tuple[Entity, ...], found: list[Entity], mode: str) -> set[tuple[int, int, str]]:
    """Of all sets of candidates without a clash, the one that is first by its best, second best, ... entity."""
    keys = {(e.start, e.end, e.type) for e in weak}
    if mode == "none":
        return keys

    def key(entity: Entity) -> tuple[int, int, str]:
        return entity.start, entity.end, entity.type

    def fits(group: list[Entity]) -> bool:
        return not any(
            _overlap(a, b) and not (key(a)[:2] == key(b)[:2] and {key(a), key(b)} <= keys)
            for a, b in combinations(group, 2)
        )

    best_of = {key(entity): entity for entity in sorted(found, key=lambda entity: entity.score)}
    ranked = sorted(best_of.values(), key=lambda e: (-e.score, e.start - e.end, e.start, e.type))
    ranked = [e for e in ranked if key(e) not in keys] if mode == "union" else ranked
    fixed = list(weak) if mode == "union" else []
    choices = [
        group for size in range(len(ranked) + 1) for group in combinations(range(len(ranked)), size)
        if fits([*fixed, *(ranked[index] for index in group)])
    ]  # fmt: skip
    best = max(choices, key=lambda group: [index in group for index in range(len(ranked))])
    return {key(e) for e in (*fixed, *(ranked[index] for index in best))}


@given(weak_labels(), predictions, st.sampled_from(["none", "replace", "union"]))
def test_picking_equals_brute_force(weak: tuple[Entity, ...], raw: Any, mode: Any) -> None:
    found = [_found(start, start + length, type_, score) for (start, length, type_), score in raw]
    labels = pick_entities(weak, found, mode)
    assert {(e.start, e.end, e.type) for e in labels} == _brute_force(weak, found, mode)
    assert list(labels) == sorted(labels, key=lambda e: (e.start, e.end, e.type))
    scores = {(e.start, e.end, e.type): e.score for e in sorted(found, key=lambda e: e.score)}
    for entity in labels:
        was_weak = any((e.start, e.end, e.type) == (entity.start, entity.end, entity.type) for e in weak)
        assert entity.source == ("gazetteer" if was_weak else "picked")
        assert entity.score == (1.0 if was_weak else scores[entity.start, entity.end, entity.type])
