"""The ledger D_s: a folder ``iteration=k`` of labels for each round, each complete or not there."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cofee_dist.errors import UserError
from cofee_dist.schemas import KEY, LABELS, Entity, LabelledSentence

#: Says that an iteration is complete; Spark's committer leaves the same file.
COMPLETE = "_SUCCESS"

#: Sentences that are read, re-labelled and written together.
BLOCK_ROWS = 4096

_FOLDER = re.compile(r"iteration=(\d+)")
_SPAN = [*KEY, "start", "end", "type"]


@dataclass(frozen=True)
class LabelDiff:
    """Spans (see ``spans``) of one iteration against another, by sentence key, start, end and type."""

    added: pa.Table
    dropped: pa.Table
    kept: pa.Table


def iteration_folder(folder: Path, iteration: int) -> Path:
    """Where an iteration lies."""
    return folder / f"iteration={iteration}"


def write_iteration(folder: Path, iteration: int, rows: Iterable[LabelledSentence] | pa.Table) -> Path:
    """Write an iteration's labels, in place of any that are there; a kill leaves the old, the new or none."""
    table = rows.cast(LABELS) if isinstance(rows, pa.Table) else from_sentences(rows)
    target = iteration_folder(folder, iteration)
    partial = folder / f".iteration={iteration}.{os.getpid()}"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    pq.write_table(table, partial / "part-0.parquet", compression="zstd")
    flush(partial / "part-0.parquet")
    replace_iteration(partial, target)
    return target


def replace_iteration(partial: Path, target: Path, made_by: str = "") -> None:
    """Let a folder whose files are written and flushed be an iteration, in place of any that is there.

    ``made_by`` is what ``iteration_made_by`` tells of it.
    """
    (partial / COMPLETE).write_text(made_by, encoding="utf-8")
    for path in (partial / COMPLETE, partial):
        flush(path)
    if target.exists():
        # The marker goes first: half of a removal must not pass for an iteration.
        (target / COMPLETE).unlink(missing_ok=True)
        shutil.rmtree(target)
    os.replace(partial, target)


def iteration_made_by(folder: Path, iteration: int) -> str | None:
    """What made a complete iteration, where that was told; None where there is none."""
    marker = iteration_folder(folder, iteration) / COMPLETE
    return marker.read_text(encoding="utf-8") if marker.exists() else None


def read_iteration(folder: Path, iteration: int) -> pa.Table:
    """An iteration's labels (schemas.LABELS) in the order in which they were written."""
    return pa.concat_tables([LABELS.empty_table(), *map(read_labels, iteration_files(folder, iteration))])


def read_labels(file: Path) -> pa.Table:
    """One file of an iteration (schemas.LABELS)."""
    # Not as a dataset: pyarrow would add the folder's name as a column.
    return pq.ParquetFile(file).read(columns=LABELS.names).select(LABELS.names).cast(LABELS)


def read_blocks(folder: Path, iteration: int, rows: int = BLOCK_ROWS) -> Iterator[pa.Table]:
    """An iteration's labels, at most so many sentences at a time."""
    for file in iteration_files(folder, iteration):
        for batch in pq.ParquetFile(file).iter_batches(rows, columns=LABELS.names):
            yield pa.Table.from_batches([batch]).select(LABELS.names).cast(LABELS)


def iteration_files(folder: Path, iteration: int) -> list[Path]:
    """The files of an iteration in their order; UserError where it is not complete."""
    target = iteration_folder(folder, iteration)
    if not (target / COMPLETE).exists():
        there = ", ".join(map(str, iterations(folder))) or "none"
        raise UserError(
            f"there are no complete labels of iteration {iteration} (complete: {there})",
            where=folder,
            fix="run the stage that writes them again",
        )
    return sorted(target.glob("*.parquet"))


def texts_of(tables: Iterable[pa.Table], keys: Collection[tuple[int, int]]) -> dict[tuple[int, int], str]:
    """The texts of some sentences, by page_id and sentence_index; tables (schemas.LABELS) are gone through once."""
    pages = pa.array(sorted({page_id for page_id, _ in keys}), pa.int64())
    found: dict[tuple[int, int], str] = {}
    for table in tables:
        near = table.filter(pc.is_in(table.column("page_id").cast(pa.int64()), value_set=pages))
        for *key, text in zip(*(near.column(name).to_pylist() for name in (*KEY, "text")), strict=True):
            if (key[0], key[1]) in keys:
                found.setdefault((key[0], key[1]), text)
    return found


def count_sentences(folder: Path, iteration: int) -> int:
    """Sentences of an iteration, by what its files say."""
    return sum(pq.read_metadata(file).num_rows for file in iteration_files(folder, iteration))


def iterations(folder: Path) -> list[int]:
    """The complete iterations of a ledger, in order."""
    if not folder.is_dir():
        return []
    names = (_FOLDER.fullmatch(path.name) for path in folder.iterdir() if (path / COMPLETE).exists())
    return sorted(int(match[1]) for match in names if match)


def to_sentences(table: pa.Table) -> list[LabelledSentence]:
    """Labels as records."""
    columns = (table.column(name).to_pylist() for name in LABELS.names)
    return [
        LabelledSentence(text, tuple(Entity(**entity) for entity in entities), page_id, sentence_index)
        for page_id, sentence_index, text, entities in zip(*columns, strict=True)
    ]


def from_sentences(sentences: Iterable[LabelledSentence]) -> pa.Table:
    """Records as labels (schemas.LABELS)."""
    rows = [
        {
            "page_id": sentence.page_id,
            "sentence_index": sentence.sentence_index,
            "text": sentence.text,
            "entities": [
                {"start": e.start, "end": e.end, "type": e.type, "source": e.source, "score": e.score}
                for e in sentence.entities
            ],
        }
        for sentence in sentences
    ]
    return pa.Table.from_pylist(rows, schema=LABELS)


def spans(table: pa.Table) -> pa.Table:
    """One row for each entity: page_id, sentence_index, start, end, type, source, score."""
    entities = table.column("entities").combine_chunks()
    rows = pc.list_parent_indices(entities)
    flat = pc.list_flatten(entities)
    columns = {name: table.column(name).take(rows) for name in KEY}
    names = ("start", "end", "type", "source", "score")
    return pa.table({**columns, **{name: pc.struct_field(flat, name) for name in names}})


def diff(before: pa.Table, after: pa.Table) -> LabelDiff:
    """What changed from one iteration's labels to another's; kept spans are as they are in ``after``."""
    old, new = spans(before), spans(after)
    return LabelDiff(
        added=_in_order(new.join(old.select(_SPAN), _SPAN, join_type="left anti")),
        dropped=_in_order(old.join(new.select(_SPAN), _SPAN, join_type="left anti")),
        kept=_in_order(new.join(old.select(_SPAN), _SPAN, join_type="left semi")),
    )


def _in_order(table: pa.Table) -> pa.Table:
    return table.sort_by([(name, "ascending") for name in _SPAN])


def flush(path: Path) -> None:
    """See a file or folder to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
