from __future__ import annotations

from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from cofee_dist.labels.esi import esi_labels
from cofee_dist.labels.ledger import to_sentences
from cofee_dist.schemas import ENTITY, LABELS, SENTENCES, Entity, LabelledSentence

Anchors = list[tuple[int, int]]


def _table(rows: list[Anchors]) -> pa.Table:
    return pa.Table.from_pylist(
        [
            {
                "page_id": number // 3,
                "revision_id": 0,
                "title": "t",
                "section": "",
                "sentence_index": number % 3,
                "text": f"text of sentence {number}",
                "anchors": [{"start": start, "end": end, "target": "x"} for start, end in anchors],
            }
            for number, anchors in enumerate(rows)
        ],
        schema=SENTENCES,
    )


def _entity(start: int, end: int) -> Entity:
    return Entity(start, end, ENTITY, "anchor")


def test_anchors_become_entities() -> None:
    labels = esi_labels(_table([[(0, 4), (5, 7)], [], [(8, 16)]]), min_anchors=1)
    assert labels.schema == LABELS
    assert to_sentences(labels) == [
        LabelledSentence("text of sentence 0", (_entity(0, 4), _entity(5, 7)), 0, 0),
        LabelledSentence("text of sentence 2", (_entity(8, 16),), 0, 2),
    ]


def test_repeated_overlapping_and_empty_anchors() -> None:
    rows = [[(5, 9), (0, 4), (0, 4), (2, 7), (6, 6)], [(0, 2), (1, 9), (3, 5)], [(0, 9), (1, 2), (3, 4)]]
    labels = esi_labels(_table(rows), min_anchors=2)
    assert [sentence.entities for sentence in to_sentences(labels)] == [
        (_entity(0, 4), _entity(5, 9)),
        (_entity(0, 2), _entity(3, 5)),
    ]


def test_no_sentences() -> None:
    assert esi_labels(SENTENCES.empty_table(), min_anchors=1).equals(LABELS.empty_table())
    assert esi_labels(_table([[], [(0, 1)]]), min_anchors=2).num_rows == 0


@given(st.lists(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=5), max_size=6), st.integers(1, 3))
def test_equals_a_loop(rows: list[Anchors], min_anchors: int) -> None:
    expected: list[Any] = []
    for anchors in rows:
        kept: Anchors = []
        for start, end in sorted((a for a in anchors if a[0] < a[1]), key=lambda a: (a[0], -a[1])):
            if not kept or start >= kept[-1][1]:
                kept.append((start, end))
        if len(kept) >= min_anchors:
            expected.append(tuple(_entity(*span) for span in kept))
    assert [sentence.entities for sentence in to_sentences(esi_labels(_table(rows), min_anchors))] == expected
