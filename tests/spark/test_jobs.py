"""What is told of workers that fail, and tables in folders with names that Hadoop reads otherwise."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cofee_dist.corpus.spark_jobs import spoken_errors
from cofee_dist.corpus.spark_paths import to_read
from cofee_dist.corpus.spark_tables import write_table
from cofee_dist.errors import UserError

pytestmark = pytest.mark.spark


def dies(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    os.kill(os.getpid(), signal.SIGKILL)
    yield from batches


def misses(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    import no_such_module

    yield from no_such_module.of(batches)


@pytest.mark.parametrize(
    ("function", "told"), [(dies, r"Spark gave up: Task .* \(Python worker exited"), (misses, "module no_such_module")]
)
def test_a_failing_worker(spark: Any, tmp_path: Path, function: Callable[..., Any], told: str) -> None:
    table = spark.range(3).mapInArrow(function, "id bigint")
    with pytest.raises(UserError, match=told) as raised, spoken_errors():
        table.write.parquet(str(tmp_path / "out"))
    assert raised.value.fix
    with pytest.raises(UserError, match=told), spoken_errors():
        table.collect()


@pytest.mark.parametrize("name", ["a b", "100%", "ä%20x", "a[1]", "{b,c}", "d*?", "e#f:g", "h\\i"])
def test_a_folder_of_any_name(spark: Any, tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    write_table(spark.range(5), tmp_path / name / "table")
    assert pq.read_table(tmp_path / name / "table").num_rows == 5
    assert spark.read.parquet(to_read(tmp_path / name / "table")).count() == 5
    assert os.listdir(tmp_path) == [name]
