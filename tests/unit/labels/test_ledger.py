from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cofee_dist.errors import UserError
from cofee_dist.labels import ledger
from cofee_dist.schemas import LABELS, Entity, LabelledSentence

SENTENCES = [
    LabelledSentence("Ada saw Paris", (Entity(0, 3, "PER", "gazetteer"), Entity(8, 13, "LOC", "picked", 0.25)), 7, 0),
    LabelledSentence("nothing", (), 7, 1),
    LabelledSentence("Paris", (Entity(0, 5, "LOC", "gazetteer"), Entity(0, 5, "PER", "gazetteer")), 9, 0),
]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    ledger.write_iteration(tmp_path, 0, SENTENCES)
    ledger.write_iteration(tmp_path, 12, iter(SENTENCES[:1]))
    table = ledger.read_iteration(tmp_path, 0)
    assert table.schema == LABELS
    assert ledger.to_sentences(table) == SENTENCES
    assert ledger.iterations(tmp_path) == [0, 12]
    assert (
        pq.ParquetFile(tmp_path / "iteration=0" / "part-0.parquet").metadata.row_group(0).column(0).compression
        == "ZSTD"
    )
    ledger.write_iteration(tmp_path, 12, table.slice(1))
    assert ledger.to_sentences(ledger.read_iteration(tmp_path, 12)) == SENTENCES[1:]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["iteration=0", "iteration=12"]


def test_an_iteration_without_sentences(tmp_path: Path) -> None:
    ledger.write_iteration(tmp_path, 3, [])
    assert ledger.read_iteration(tmp_path, 3).equals(LABELS.empty_table())


def test_parts_are_read_in_order_without_what_lies_beside_them(tmp_path: Path) -> None:
    folder = tmp_path / "iteration=0"
    folder.mkdir()
    table = ledger.from_sentences(SENTENCES)
    for part in range(3):
        columns = [*reversed(LABELS.names)]
        pq.write_table(table.slice(part, 1).select(columns), folder / f"part-0000{part}-x.zstd.parquet")
    (folder / ".part-00000-x.zstd.parquet.crc").write_bytes(b"crc")
    with pytest.raises(UserError, match="no complete labels of iteration 0"):
        ledger.read_iteration(tmp_path, 0)
    (folder / ledger.COMPLETE).touch()
    assert ledger.to_sentences(ledger.read_iteration(tmp_path, 0)) == SENTENCES


def test_a_kill_while_writing_leaves_nothing_or_the_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ledger.iterations(tmp_path / "none yet") == []
    for step in ("write_table", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(pq if step == "write_table" else os, step, _killed)
            with pytest.raises(KeyboardInterrupt):
                ledger.write_iteration(tmp_path, 1, SENTENCES)
        assert ledger.iterations(tmp_path) == []
        with pytest.raises(UserError, match=r"complete: none"):
            ledger.read_iteration(tmp_path, 1)
    ledger.write_iteration(tmp_path, 1, SENTENCES)
    with monkeypatch.context() as patch:
        patch.setattr(pq, "write_table", _killed)
        with pytest.raises(KeyboardInterrupt):
            ledger.write_iteration(tmp_path, 1, [])
    assert ledger.to_sentences(ledger.read_iteration(tmp_path, 1)) == SENTENCES


def _killed(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_spans_of_a_sliced_and_chunked_table() -> None:
    table = ledger.from_sentences(SENTENCES)
    chunked = pa.concat_tables([table.slice(2), table.slice(0, 2)])
    assert ledger.spans(chunked).to_pylist() == [
        *ledger.spans(table).slice(2).to_pylist(),
        *ledger.spans(table).slice(0, 2).to_pylist(),
    ]


entities = st.builds(Entity, st.integers(0, 2), st.integers(3, 5), st.sampled_from("AB"), st.sampled_from("gp"))
rounds = st.dictionaries(st.tuples(st.integers(0, 2), st.integers(0, 2)), st.sets(entities, max_size=3), max_size=4)


@given(rounds, rounds)
def test_diff_equals_sets(
    before: dict[tuple[int, int], set[Entity]], after: dict[tuple[int, int], set[Entity]]
) -> None:
    def spans(labels: dict[tuple[int, int], set[Entity]]) -> set[tuple[object, ...]]:
        return {(*key, e.start, e.end, e.type) for key, of_key in labels.items() for e in of_key}

    def table(labels: dict[tuple[int, int], set[Entity]]) -> pa.Table:
        unique = {key: {(e.start, e.end, e.type): e for e in of_key}.values() for key, of_key in labels.items()}
        return ledger.from_sentences(LabelledSentence("x" * 9, tuple(unique[key]), *key) for key in labels)

    found = ledger.diff(table(before), table(after))
    names = ["page_id", "sentence_index", "start", "end", "type"]
    added, dropped, kept = (
        [tuple(row.values()) for row in part.select(names).to_pylist()]
        for part in (found.added, found.dropped, found.kept)
    )
    assert added == sorted(spans(after) - spans(before))
    assert dropped == sorted(spans(before) - spans(after))
    assert kept == sorted(spans(before) & spans(after))
