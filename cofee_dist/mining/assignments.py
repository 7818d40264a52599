"""Clustered entities as a table: written, read, compared between clusterings."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import ArrayLike, NDArray

from cofee_dist.batches.dataset import SpanDataset
from cofee_dist.errors import UserError
from cofee_dist.schemas import ENTITIES, KEY


def entity_table(data: SpanDataset, sentences: pa.Table) -> pa.Table:
    """page_id, sentence_index, start, end, type and surface of each entity of a data set, in its order.

    Args:
        data: made from the sentences.
        sentences: page_id, sentence_index and text, in the order of the data set's rows.
    """
    rows, columns = np.divmod(np.repeat(np.arange(len(data)), data.entity_counts), len(data.types))
    begins = data.tokens.splits[rows]
    starts, ends = data.tokens.starts[begins + data.first], data.tokens.ends[begins + data.last]
    texts = sentences.column("text").to_pylist()
    spans = zip(rows.tolist(), starts.tolist(), ends.tolist(), strict=True)
    return pa.table(
        {
            **{name: sentences.column(name).take(rows) for name in KEY},
            "start": starts,
            "end": ends,
            "type": pa.array([data.types[column] for column in columns.tolist()], pa.string()),
            "surface": pa.array([texts[row][start:end] for row, start, end in spans], pa.string()),
        }
    )


def as_entities(entities: pa.Table, assignment_n: NDArray[np.int32], distance_n: NDArray[np.float32]) -> pa.Table:
    """The ENTITIES table.

    Args:
        entities: page_id, sentence_index, start, end, type and surface of each clustered entity, in the order of
            the points.
        assignment_n: Their clusters.
        distance_n: Squared, to the centroid.
    """
    if entities.num_rows != len(assignment_n):
        raise ValueError(f"{entities.num_rows} entities, but {len(assignment_n)} assignments")
    columns = [entities.column(name) for name in ENTITIES.names[:-2]]
    columns += [pa.array(assignment_n), pa.array(distance_n)]
    return pa.table(dict(zip(ENTITIES.names, columns, strict=True))).cast(ENTITIES)


def write_entities(
    path: Path, tables: Iterable[pa.Table], assignment_n: NDArray[np.int32], distance_n: NDArray[np.float32]
) -> None:
    """Write ``as_entities`` of all the tables' entities (Parquet, zstd), atomically, a table at a time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    begin = 0
    with pq.ParquetWriter(partial, ENTITIES, compression="zstd") as writer:
        for entities in tables:
            rows = slice(begin, begin + entities.num_rows)
            writer.write_table(as_entities(entities, assignment_n[rows], distance_n[rows]))
            begin += entities.num_rows
    if begin != len(assignment_n):
        partial.unlink()
        raise ValueError(f"{begin} entities, but {len(assignment_n)} assignments")
    os.replace(partial, path)


def read_entities(path: Path) -> pa.Table:
    """Read what ``write_entities`` wrote.

    Raises:
        UserError: The file is missing, or is not such a table.
    """
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise UserError(
            f"cannot read clustered entities: {error}", where=path, fix="run the FET stage again"
        ) from error
    if not table.schema.equals(ENTITIES):
        raise UserError(
            f"the file's columns are {table.schema.names}, not {ENTITIES.names}",
            where=path,
            fix="run the FET stage again",
        )
    return table


def moved_share(before_n: ArrayLike, after_n: ArrayLike) -> float:
    """Share of the entities whose cluster changed between two clusterings of the same entities, in one order.

    Means something only if clusters are comparable, as they are when the second clustering started from the
    centroids of the first. 0 for no entities.
    """
    before, after = np.asarray(before_n), np.asarray(after_n)
    if before.shape != after.shape:
        raise ValueError(f"clusterings of {len(before)} and {len(after)} entities cannot be compared")
    return float((before != after).mean()) if len(before) else 0.0
