"""An iteration of the ledger that several processes write, a block of sentences at a time, and may be killed over."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from cofee_dist.labels.ledger import BLOCK_ROWS, flush, iteration_folder, iteration_made_by, replace_iteration
from cofee_dist.schemas import LABELS

_BLOCKS, _LEAST_ROWS = 256, 32


class IterationBlocks:
    """Blocks lie in a hidden folder that is named after ``made_by`` (the model that labels), until all are there.

    Whoever begins again with the same ``made_by`` finds the blocks that were written; what anything else made is
    thrown away.
    """

    def __init__(self, ledger: Path, iteration: int, made_by: str) -> None:
        self._target, self._made_by = iteration_folder(ledger, iteration), made_by
        self._partial = ledger / f".iteration={iteration}.{made_by}"
        self.is_complete = iteration_made_by(ledger, iteration) == made_by

    def begin(self) -> None:
        """Remove what another model left unfinished; one process calls it, before any writes."""
        for other in self._partial.parent.glob(f".{self._target.name}.*"):
            if other != self._partial:
                shutil.rmtree(other)
        self._partial.mkdir(parents=True, exist_ok=True)

    def __contains__(self, block: int) -> bool:
        return self._path(block).exists()

    def write(self, block: int, labels: pa.Table) -> None:
        """Write a block (schemas.LABELS), counted from 0; it is there whole, or not."""
        path = self._path(block)
        partial = path.with_suffix(f".{os.getpid()}")
        pq.write_table(labels.cast(LABELS), partial, compression="zstd")
        flush(partial)
        os.replace(partial, path)

    def finish(self) -> None:
        """Let the blocks be the iteration, in place of any that is there; one process calls it, when all are there."""
        for killed in self._partial.glob("part-*[!t]"):
            killed.unlink()
        replace_iteration(self._partial, self._target, self._made_by)

    def _path(self, block: int) -> Path:
        return self._partial / f"part-{block:06d}.parquet"


def block_rows(sentences: int) -> int:
    """Sentences to a block: at most ``BLOCK_ROWS``, and few enough for hundreds of ranks to have one each."""
    return min(BLOCK_ROWS, max(_LEAST_ROWS, -(-sentences // _BLOCKS)))


def write_blocks(ledger: Path, iteration: int, tables: Iterable[pa.Table], rows: int = BLOCK_ROWS) -> None:
    """Write an iteration in blocks of ``rows`` sentences, however the tables (schemas.LABELS) are cut."""
    blocks = IterationBlocks(ledger, iteration, "")
    blocks.begin()
    for block, table in enumerate(cut(tables, rows)):
        blocks.write(block, table)
    blocks.finish()


def cut(tables: Iterable[pa.Table], rows: int) -> Iterator[pa.Table]:
    """The same rows in tables of ``rows`` each; the last may have fewer."""
    waiting = LABELS.empty_table()
    for table in tables:
        waiting = pa.concat_tables([waiting, table])
        while waiting.num_rows >= rows:
            yield waiting.slice(0, rows).combine_chunks()
            waiting = waiting.slice(rows)
    if waiting.num_rows:
        yield waiting.combine_chunks()
