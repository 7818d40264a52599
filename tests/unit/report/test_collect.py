from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from cofee_dist.config import Labels
from cofee_dist.evaluate.scorer import score
from cofee_dist.labels.gazetteer import build_gazetteer
from cofee_dist.labels.ledger import from_sentences, texts_of
from cofee_dist.labels.match_report import match_report, text_match_report
from cofee_dist.pipeline.collect_labels import fine_types
from cofee_dist.report.collect import clusters_from_tables, matches_from_labels, system_from_score
from cofee_dist.schemas import ENTITIES, LabelledSentence
from tests.training import tiny_config

TEXTS = ["Paris is far.", "To Paris again.", "Ada wrote.", "Lyon too."]
ROWS = [
    (0, 0, 5, "LOC", "Paris", 0, 0.4),
    (1, 3, 8, "LOC", "Paris", 0, 0.2),
    (2, 0, 3, "PER", "Ada", 0, 0.6),
    (3, 0, 4, "LOC", "Lyon", 2, 0.1),
]


def tables() -> tuple[pa.Table, pa.Table]:
    labels = from_sentences([LabelledSentence(text, (), 1, index) for index, text in enumerate(TEXTS)])
    columns = list(zip(*[(1, *row) for row in ROWS], strict=True))
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, ENTITIES, strict=True)], schema=ENTITIES), labels


def test_clusters_are_summed_up_and_shown_by_their_nearest_members() -> None:
    entities, labels = tables()
    # Blocks that can be gone through once.
    blocks = (labels.slice(at, 2) for at in (0, 2))
    clusters = clusters_from_tables(entities, blocks, k=3, purity=75.0, fine_types={0: {"city": 2}})
    first, empty, last = clusters.clusters
    assert (first.size, first.types, first.fine_types) == (3, {"LOC": 2, "PER": 1}, {"city": 2})
    assert [(entity.surface, entity.count) for entity in first.frequent] == [("Paris", 2), ("Ada", 1)]
    assert [example.text for example in first.examples] == ["To Paris again.", "Ada wrote."]
    assert first.mean_distance == pytest.approx(0.4)
    assert first.max_distance == pytest.approx(0.6)
    assert (empty.size, empty.mean_distance, empty.examples) == (0, None, ())
    assert last.size == 1


def test_scores_become_percents() -> None:
    found = score([[(0, 1, "A"), (2, 3, "A"), (4, 5, "B")]], [[(0, 1, "A"), (6, 7, "B")]])
    system = system_from_score("x", found, 3.0)
    assert system.precision == 50.0
    assert system.recall == pytest.approx(100 / 3)
    assert system.f1 == pytest.approx(40.0)
    assert (system.per_type["A"].gold, system.per_type["A"].predicted, system.per_type["A"].p) == (2, 1, 100.0)


def test_the_match_report_is_taken_as_labels_gives_it() -> None:
    gazetteer = build_gazetteer({"PER": ["Ada", "Troy"], "LOC": ["Paris", "Troy", "Rome"]}, Labels())
    matches = matches_from_labels(match_report(gazetteer, {"Ada": 4, "Troy": 3, "Paris": 9}, anchors=40))
    assert (matches.types["LOC"].entries, matches.types["LOC"].entries_hit, matches.types["LOC"].hits) == (3, 2, 12)
    assert [entry.surface for entry in matches.types["LOC"].frequent] == ["Paris", "Troy"]
    assert matches == matches_from_labels(text_match_report(gazetteer, {"Ada": 4, "Troy": 3, "Paris": 9}, 40, 9, {}))
    (troy,) = matches.ambiguous
    assert (troy.surface, set(troy.types), troy.hits) == ("Troy", {"PER", "LOC"}, 3)


def test_without_truth_no_sentence_is_read_for_fine_types(tmp_path: Path) -> None:
    def unread() -> Iterator[pa.Table]:
        raise AssertionError("read")
        yield

    entities, _ = tables()
    assert fine_types(tiny_config(tmp_path), entities, unread()) == [None] * len(ROWS)


def test_texts_are_found_in_one_pass_over_blocks() -> None:
    _, labels = tables()
    other = labels.set_column(0, "page_id", pa.array([2] * len(TEXTS), labels.schema.field("page_id").type))
    blocks = iter([other, labels.slice(0, 1), labels.slice(1)])
    assert texts_of(blocks, {(1, 0), (1, 3), (2, 1), (7, 7)}) == {(1, 0): TEXTS[0], (1, 3): TEXTS[3], (2, 1): TEXTS[1]}
