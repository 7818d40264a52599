"""A stage's examples in files: rank 0 tokenises and aligns once, every rank maps what came out."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from cofee_dist.batches.dataset import SpanDataset
from cofee_dist.batches.files import open_dataset, write_labels, write_tokens
from cofee_dist.ranks import barrier

_TOKENS = "tokens"

Tables = Callable[[], Iterable[pa.Table]]


@dataclass(frozen=True)
class Examples:
    """The sentences that a stage trains on, under the questions of its types.

    ``folder`` is on storage that every rank sees. ``sentences`` begins to read them (schemas.LABELS), a table at a
    time: none of it is ever held whole. What a killed process has finished there is not made again.
    """

    folder: Path
    rank: int
    tokenizer: Any
    questions: dict[str, str]
    max_length_tokens: int
    sentences: Tables

    def labelled(self, name: str, labels: Tables | None = None) -> SpanDataset:
        """The examples with a set of labels (of the same sentences; theirs if None); every rank calls it.

        ``name`` is the set's own: a second call with it opens what the first one wrote.
        """
        tokens, aligned = self.folder / _TOKENS, self.folder / name
        if self.rank == 0:
            if not tokens.exists():
                write_tokens(tokens, self.tokenizer, self.sentences())
            if not aligned.exists():
                tables = (labels or self.sentences)()
                write_labels(aligned, tokens, tables, self.tokenizer, self.questions, self.max_length_tokens)
        barrier()
        return open_dataset(tokens, aligned, self.tokenizer, self.questions, self.max_length_tokens)

    def remove(self) -> None:
        """Delete the files: the stage is finished."""
        if self.rank == 0:
            shutil.rmtree(self.folder, ignore_errors=True)
