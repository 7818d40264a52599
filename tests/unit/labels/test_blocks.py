"""An iteration that is written by blocks: whole or not there, and taken up where it was left."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from cofee_dist.labels.blocks import IterationBlocks, block_rows, cut, write_blocks
from cofee_dist.labels.ledger import (
    BLOCK_ROWS,
    count_sentences,
    from_sentences,
    iteration_files,
    iterations,
    read_iteration,
)
from tests.training import made_up

TABLE = from_sentences(made_up(50))


@pytest.mark.parametrize("rows", [1, 16, 25, 50, 60])
@pytest.mark.parametrize("pieces", [[50], [0, 3, 0, 30, 17], [1] * 50])
def test_blocks_do_not_depend_on_how_tables_were_cut(rows: int, pieces: list[int], tmp_path: Path) -> None:
    tables, begin = [], 0
    for size in pieces:
        tables.append(TABLE.slice(begin, size))
        begin += size
    assert [table.num_rows for table in cut(tables, rows)] == [min(rows, 50 - at) for at in range(0, 50, rows)]
    write_blocks(tmp_path, 3, tables, rows)
    assert read_iteration(tmp_path, 3).equals(TABLE)
    assert len(iteration_files(tmp_path, 3)) == -(-50 // rows)
    assert count_sentences(tmp_path, 3) == 50


def test_a_later_try_finds_the_blocks_of_the_same_model_only(tmp_path: Path) -> None:
    one, two, three = TABLE.slice(0, 20), TABLE.slice(20, 20), TABLE.slice(40)
    first = IterationBlocks(tmp_path, 1, "model-a")
    first.begin()
    first.write(0, one)
    first.write(2, three)
    (tmp_path / ".iteration=1.model-a" / "part-000001.77").write_text("half a block of a killed process")
    assert iterations(tmp_path) == []

    again = IterationBlocks(tmp_path, 1, "model-a")
    again.begin()
    assert [block in again for block in range(3)] == [True, False, True]
    again.write(1, two)
    assert not again.is_complete
    again.finish()
    assert IterationBlocks(tmp_path, 1, "model-a").is_complete
    assert read_iteration(tmp_path, 1).equals(TABLE)
    assert len(list((tmp_path / "iteration=1").iterdir())) == 4

    other = IterationBlocks(tmp_path, 1, "model-b")
    assert not other.is_complete
    other.begin()
    other.write(0, one)
    third = IterationBlocks(tmp_path, 1, "model-c")
    third.begin()
    assert 0 not in third
    third.write(0, pa.concat_tables([two, three]))
    third.finish()
    assert read_iteration(tmp_path, 1).equals(TABLE.slice(20))
    assert [path.name for path in tmp_path.iterdir()] == ["iteration=1"]


def test_small_sets_are_shared_too() -> None:
    assert [block_rows(size) for size in (1, 1000, 20_000, 10**6, 10**8)] == [32, 32, 79, 3907, BLOCK_ROWS]
