"""The table of clustered entities."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cofee_dist.errors import UserError
from cofee_dist.mining.assignments import moved_share, read_entities, write_entities
from cofee_dist.mining.kmeans import kmeans
from cofee_dist.schemas import ENTITIES


def entities(n: int) -> pa.Table:
    return pa.table(
        {
            "page_id": np.arange(n),
            "sentence_index": np.zeros(n, dtype=np.int64),
            "start": np.arange(n),
            "end": np.arange(n) + 3,
            "type": ["PER"] * n,
            "surface": [f"entity {i % 4}" for i in range(n)],
        }
    )


def test_what_is_written_is_read(tmp_path: Path) -> None:
    points = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    found = kmeans(points, 3)
    path = tmp_path / "deep" / "entities.parquet"
    whole = entities(20)
    write_entities(path, [whole.slice(0, 7), whole.slice(7)], found.assignment_n, found.distance_n)
    table = read_entities(path)
    assert table.schema.equals(ENTITIES)
    assert table.column("cluster").to_pylist() == found.assignment_n.tolist()
    assert table.column("distance").to_pylist() == found.distance_n.tolist()
    assert table.drop_columns(["cluster", "distance"]).to_pylist() == entities(20).to_pylist()
    assert [file.name for file in path.parent.iterdir()] == ["entities.parquet"]
    with pytest.raises(ValueError, match="19 entities, but 20"):
        write_entities(path, [entities(19)], found.assignment_n, found.distance_n)


def test_what_is_not_such_a_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot read"):
        read_entities(tmp_path / "nowhere")
    (tmp_path / "text").write_text("no parquet")
    with pytest.raises(UserError, match="cannot read"):
        read_entities(tmp_path / "text")
    pq.write_table(pa.table({"a": [1]}), tmp_path / "other")
    with pytest.raises(UserError, match="columns are"):
        read_entities(tmp_path / "other")


def test_moved_share() -> None:
    assert moved_share([0, 1, 2, 2], [0, 1, 1, 0]) == 0.5
    assert moved_share([], []) == 0.0
    with pytest.raises(ValueError, match="3 and 2"):
        moved_share([1, 2, 3], [1, 2])
