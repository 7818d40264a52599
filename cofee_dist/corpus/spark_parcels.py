"""A job of many parcels with Spark: each is a task, and leaves a file of its own, so that none is ever done twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow as pa

from cofee_dist.artifacts import fingerprint
from cofee_dist.corpus.rows import Row, write_rows
from cofee_dist.corpus.spark_jobs import Progress, watched
from cofee_dist.errors import UserError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Parcel = TypeVar("Parcel")


def write_parcels(
    spark: SparkSession,
    parcels: Sequence[Parcel],
    read: Callable[[Parcel], Iterator[Row]],
    folder: Path,
    on_progress: Progress | None,
) -> list[str]:
    """Have the workers write what ``read`` gives for each parcel, unless an earlier try left it in ``folder``.

    Args:
        spark: any session; its workers must be able to import this package.
        parcels: what is read apart; each is named by the digest of its ``repr``.
        read: called in a worker; pickled, as the parcels are.
        folder: one that the workers share with this process.
        on_progress: told (parcels read, parcels), from another thread.

    Returns:
        The Parquet files (``rows.ROWS``), one for each parcel, in their order.

    Raises:
        UserError: where workers write to a folder of that name which is not this one.
    """
    # A worker on another machine is in another working folder.
    folder = folder.resolve()
    files = [folder / f"{fingerprint(repr(parcel))}.parquet" for parcel in parcels]
    missing = [(parcel, file) for parcel, file in zip(parcels, files, strict=True) if not file.exists()]
    done, tell = len(files) - len(missing), on_progress or (lambda *_: None)
    tell(done, len(files))
    if missing:
        with watched(spark, lambda read, of: tell(done + read, done + of)):
            numbers = spark.range(0, len(missing), 1, numPartitions=len(missing))
            numbers.mapInArrow(_WriteParcels(missing, read), "id bigint").collect()
    tell(len(files), len(files))
    if lost := [file for file in files if not file.exists()]:
        raise UserError(
            f"{len(lost)} of {len(files)} files that Spark's workers wrote are not seen here",
            where=folder,
            fix="set runs to a folder that the workers and the driver share",
        )
    return [str(file) for file in files]


class _WriteParcels:
    """What ``mapInArrow`` runs in each task: numbers of parcels in and, once their files are there, out."""

    def __init__(self, parcels: Sequence[tuple[Any, Path]], read: Callable[[Any], Iterator[Row]]) -> None:
        self._parcels, self._read = parcels, read

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for number in batch.column(0).to_pylist():
                parcel, file = self._parcels[number]
                write_rows(self._read(parcel), file)
            yield batch
