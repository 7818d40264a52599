"""Iterations compared a batch at a time, against sets of all their labels."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cofee_dist.errors import UserError
from cofee_dist.labels import changes
from cofee_dist.labels.changes import compare, count_labels
from cofee_dist.labels.ledger import COMPLETE, from_sentences, iteration_folder
from cofee_dist.schemas import Entity, LabelledSentence

entities = st.builds(
    Entity, st.integers(0, 2), st.integers(3, 5), st.sampled_from("AB"), st.sampled_from(["gazetteer", "picked"])
)
rounds = st.dictionaries(st.tuples(st.integers(-1, 3), st.integers(0, 2)), st.sets(entities, max_size=3), max_size=9)
Round = dict[tuple[int, int], dict[tuple[int, int, str], Entity]]


def _unique(labels: dict[tuple[int, int], set[Entity]]) -> Round:
    return {key: {(e.start, e.end, e.type): e for e in of_key} for key, of_key in sorted(labels.items())}


def _write(folder: Path, iteration: int, labels: Round, files: int) -> None:
    """In several files, as Spark does."""
    target = iteration_folder(folder, iteration)
    target.mkdir(parents=True)
    rows = [LabelledSentence(f"{key}", tuple(of_key.values()), *key) for key, of_key in labels.items()]
    for part in range(files):
        some = rows[len(rows) * part // files : len(rows) * (part + 1) // files]
        pq.write_table(from_sentences(some), target / f"part-{part}.parquet")
    (target / COMPLETE).touch()


@given(rounds, rounds, st.integers(1, 3), st.integers(1, 3), st.sampled_from(["", "A", "AB"]), st.integers(0, 4))
def test_comparing_equals_sets(
    tmp_path_factory: pytest.TempPathFactory,
    first: dict[tuple[int, int], set[Entity]],
    second: dict[tuple[int, int], set[Entity]],
    files: int,
    rows: int,
    types: str,
    limit: int,
) -> None:
    ledger, before, after = tmp_path_factory.mktemp("ledger"), _unique(first), _unique(second)
    _write(ledger, 0, before, files)
    _write(ledger, 4, after, 1)
    whole, changes._BATCH_ROWS = changes._BATCH_ROWS, rows
    try:
        found = compare(ledger, 0, 4, limit, tuple(types))
        assert count_labels(ledger, 0) == (
            len(before), Counter((e.type, e.source) for labels in before.values() for e in labels.values())
        )  # fmt: skip
    finally:
        changes._BATCH_ROWS = whole

    def labels(of: Round) -> dict[tuple[tuple[int, int], tuple[int, int, str]], Entity]:
        return {(key, span): e for key in of for span, e in of[key].items() if e.type in (types or "AB")}

    old, new = labels(before), labels(after)
    added = {at: new[at] for at in new.keys() - old.keys()}
    dropped = {at: old[at] for at in old.keys() - new.keys()}
    kept = {at: new[at] for at in new.keys() & old.keys()}
    for counts, expected in ((found.added, added), (found.dropped, dropped), (found.kept, kept)):
        assert counts == Counter((e.type, e.source) for e in expected.values())
    changed = sorted({key for key, _ in (*added, *dropped)})
    assert found.sentences == len(changed)
    assert [(row.page_id, row.sentence_index) for row in found.examples] == changed[:limit]
    for row in found.examples:
        key = row.page_id, row.sentence_index
        assert row.text == f"{key}"
        for shown, expected in ((row.added, added), (row.dropped, dropped), (row.kept, kept)):
            assert shown == tuple(expected[at] for at in sorted(expected) if at[0] == key)


def test_labels_out_of_order_are_no_ground_for_wrong_numbers(tmp_path: Path) -> None:
    _write(tmp_path, 0, {(2, 0): {}, (1, 0): {}}, 2)
    _write(tmp_path, 1, {(1, 0): {}, (2, 0): {}}, 1)
    with pytest.raises(UserError, match="not in the order"):
        compare(tmp_path, 0, 1)
    with pytest.raises(UserError, match="complete: 0, 1"):
        compare(tmp_path, 0, 2)
