"""What one pass over a parcel of the input gives: sentences, redirects, failures and counts, as one Parquet file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from cofee_dist.schemas import ANCHOR, SENTENCES

SENTENCE, REDIRECT, QUARANTINED, COUNT, PAGE = "sentence", "redirect", "quarantined", "count", "page"

#: Rows of five kinds in one table, since a pass writes one file. Beside a sentence's columns:
#: redirect: title leads to text; quarantined: name is the reason, text the detail; count: name and number;
#: page: which revision of a page was read, only where there are several dumps.
ROWS = pa.schema([("kind", pa.string()), *SENTENCES, ("name", pa.string()), ("number", pa.int64())])
Row = tuple[Any, ...]

_BATCH_ROWS = 8192


def row_of(kind: str, **values: Any) -> Row:
    """A row of ``ROWS``; columns that are not given are null."""
    return (kind, *(values.get(name) for name in ROWS.names[1:]))


def write_rows(rows: Iterator[Row], path: Path) -> None:
    """Write a Parquet file that is there whole or not at all, however often and by how many it is written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.uname().nodename}.{os.getpid()}")
    with partial.open("wb") as file:
        with pq.ParquetWriter(file, ROWS, compression="zstd") as writer:
            held: list[Row] = []
            for row in rows:
                held.append(row)
                if len(held) >= _BATCH_ROWS:
                    writer.write_batch(_batch(held))
                    held.clear()
            if held:
                writer.write_batch(_batch(held))
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)


def _batch(rows: list[Row]) -> pa.RecordBatch:
    columns = list(zip(*rows, strict=True))
    arrays = [
        _anchor_lists(column) if field.name == "anchors" else pa.array(column, field.type)
        for column, field in zip(columns, ROWS, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=ROWS)


def _anchor_lists(lists: tuple[Any, ...]) -> pa.ListArray:
    offsets: list[int | None] = []
    starts: list[int] = []
    ends: list[int] = []
    targets: list[str] = []
    for anchors in lists:
        offsets.append(None if anchors is None else len(starts))
        for start, end, target in anchors or ():
            starts.append(start)
            ends.append(end)
            targets.append(target)
    structs = pa.StructArray.from_arrays(
        [pa.array(starts, pa.int32()), pa.array(ends, pa.int32()), pa.array(targets, pa.string())], fields=list(ANCHOR)
    )
    return pa.ListArray.from_arrays(pa.array([*offsets, len(starts)], pa.int32()), structs)
