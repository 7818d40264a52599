"""Examples of millions of sentences: flat arrays in files, written a block at a time, mapped by every rank.

A folder is there whole or not: it gets its name when all of it is written.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cofee_dist.artifacts import read_json, write_json
from cofee_dist.batches.align import align
from cofee_dist.batches.dataset import SpanDataset, make_prompts, rooms
from cofee_dist.batches.tokens import TokenTable, tokenize
from cofee_dist.schemas import KEY

_TOKENS = {"ids": np.int32, "starts": np.int32, "ends": np.int32, "splits": np.int64, "keys": np.int64}
_LABELS = {"splits": np.int64, "first": np.int32, "last": np.int32}
_DROPPED = "dropped.json"


def write_tokens(folder: Path, tokenizer: Any, tables: Iterable[pa.Table]) -> None:
    """Tokenise sentences (page_id, sentence_index, text) a table at a time."""
    with _finished(folder, _TOKENS) as (files, _):
        total = 0
        _append(files["splits"], np.zeros(1, np.int64))
        for table in tables:
            tokens = tokenize(tokenizer, table.column("text").to_pylist())
            for name in ("ids", "starts", "ends"):
                _append(files[name], getattr(tokens, name))
            _append(files["splits"], tokens.splits[1:] + total)
            _append(files["keys"], np.stack([table.column(name).to_numpy().astype(np.int64) for name in KEY], axis=1))
            total += int(tokens.splits[-1])


def open_tokens(folder: Path) -> tuple[TokenTable, NDArray[np.int64]]:
    """What ``write_tokens`` wrote, mapped: the pieces, and int64 [sentences, 2] page_id and sentence_index of each."""
    found = {name: _mapped(folder / name, dtype) for name, dtype in _TOKENS.items()}
    return TokenTable(found["ids"], found["starts"], found["ends"], found["splits"]), found["keys"].reshape(-1, 2)


def write_labels(
    folder: Path,
    tokens: Path,
    tables: Iterable[pa.Table],
    tokenizer: Any,
    questions: Mapping[str, str],
    max_length_tokens: int,
) -> None:
    """Align labels (schemas.LABELS) of the sentences whose ``tokens`` are in a folder, a table at a time.

    Other arguments as ``build_dataset``'s.
    """
    pieces, _ = open_tokens(tokens)
    prompts = make_prompts(tokenizer, questions, max_length_tokens)
    limits, types = rooms(prompts, max_length_tokens), tuple(questions)
    with _finished(folder, _LABELS) as (files, partial):
        dropped: dict[str, int] = {}
        row = total = 0
        _append(files["splits"], np.zeros(1, np.int64))
        for table in tables:
            found = align(pieces.rows(row, row + table.num_rows), table, types, limits)
            counts = np.bincount(found.example, minlength=table.num_rows * len(types))
            _append(files["splits"], np.cumsum(counts) + total)
            _append(files["first"], found.first)
            _append(files["last"], found.last)
            dropped = {reason: dropped.get(reason, 0) + number for reason, number in found.dropped.items()}
            row, total = row + table.num_rows, total + len(found.first)
        if row != len(pieces):
            raise ValueError(f"labels of {row} sentences, but {len(pieces)} are tokenised")
        write_json(partial / _DROPPED, dropped)


def open_dataset(
    tokens: Path, labels: Path, tokenizer: Any, questions: Mapping[str, str], max_length_tokens: int
) -> SpanDataset:
    """The examples of two folders that were written with the same tokenizer, questions and length."""
    table, keys = open_tokens(tokens)
    splits, first, last = (_mapped(labels / name, dtype) for name, dtype in _LABELS.items())
    return SpanDataset(
        tokens=table,
        keys=keys,
        types=tuple(questions),
        prompts=make_prompts(tokenizer, questions, max_length_tokens),
        max_length_tokens=max_length_tokens,
        splits=splits,
        first=first,
        last=last,
        cluster=np.full(len(first), -1, dtype=np.int32),
        dropped=read_json(labels / _DROPPED),
        pad_id=tokenizer.pad_token_id or 0,
    )


@contextmanager
def _finished(folder: Path, names: Iterable[str]) -> Iterator[tuple[dict[str, BinaryIO], Path]]:
    """Files of a folder that gets its name at the end of the block."""
    partial = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    with ExitStack() as stack:
        yield {name: stack.enter_context((partial / name).open("wb")) for name in names}, partial
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)


def _append(file: BinaryIO, values: NDArray[Any]) -> None:
    file.write(np.ascontiguousarray(values).tobytes())


def _mapped(path: Path, dtype: type[Any]) -> NDArray[Any]:
    # A file cannot be mapped that holds nothing. A plain view: np.memmap is slow to index.
    return np.asarray(np.memmap(path, dtype, "r")) if path.stat().st_size else np.empty(0, dtype)
