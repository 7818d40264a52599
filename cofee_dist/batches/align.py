"""Entities by characters to entities by pieces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cofee_dist.batches.tokens import TokenTable
from cofee_dist.errors import UserError

INSIDE = "inside a piece"
BEYOND = "beyond max_length_tokens"


@dataclass(frozen=True)
class Aligned:
    """Entities by example (``row * types + type``), first and last piece, in this order and none twice.

    ``example``: int64, ``first`` and ``last``: int32, counted from the sentence's first piece. ``dropped`` counts the
    others by reason: a boundary splits a piece, or the end lies beyond the longest input.
    """

    example: NDArray[np.int64]
    first: NDArray[np.int32]
    last: NDArray[np.int32]
    dropped: dict[str, int]


def align(tokens: TokenTable, labels: pa.Table, types: Sequence[str], limits: NDArray[np.int64]) -> Aligned:
    """Find the pieces with which entities begin and end.

    Args:
        tokens: of the sentences of ``labels``, row for row.
        labels: schemas.LABELS.
        types: every type that the entities have.
        limits: how many pieces of a sentence an input has, for each type.

    Raises:
        UserError: An entity has another type.
    """
    entities = labels.column("entities").combine_chunks()
    rows = pc.list_parent_indices(entities).to_numpy().astype(np.int64)
    flat = pc.list_flatten(entities)
    columns = pc.fill_null(pc.index_in(flat.field("type"), value_set=pa.array(types, pa.string())), -1)
    column = columns.to_numpy(zero_copy_only=False).astype(np.int64)
    for at in np.flatnonzero(column < 0)[:1].tolist():
        text = labels.column("text")[int(rows[at])].as_py()
        raise UserError(
            f"a label has the type {flat.field('type')[at].as_py()!r}, which the task lacks", where=f"{text[:60]!r}"
        )
    first, last = _pieces(tokens, rows, flat)
    inside = (first < 0) | (last < first)
    beyond = ~inside & (last >= limits[column])
    kept = np.flatnonzero(~inside & ~beyond)
    example = rows[kept] * len(types) + column[kept]
    found = np.unique(np.stack([example, first[kept], last[kept]], axis=1), axis=0)
    return Aligned(
        example=found[:, 0],
        first=found[:, 1].astype(np.int32),
        last=found[:, 2].astype(np.int32),
        dropped={INSIDE: int(inside.sum()), BEYOND: int(beyond.sum())},
    )


def _pieces(tokens: TokenTable, rows: NDArray[np.int64], flat: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and last piece of each entity, -1 where no piece begins or ends there."""
    begin, end = int(tokens.splits[0]), int(tokens.splits[-1])
    starts, ends = (column[begin:end].astype(np.int64) for column in (tokens.starts, tokens.ends))
    row = np.repeat(np.arange(len(tokens)), tokens.lengths)
    piece = np.arange(begin, end) - tokens.splits[:-1][row]
    # Pieces of nothing but white space (SentencePiece) have no characters: no entity begins or ends there.
    written = starts < ends
    row, piece, starts, ends = row[written], piece[written], starts[written], ends[written]
    wanted = [flat.field(name).to_numpy(zero_copy_only=False).astype(np.int64) for name in ("start", "end")]
    # Several pieces may share one character (byte-level tokenizers): the first begins it, the last ends it.
    first = _found(row << 32 | starts, piece, rows << 32 | wanted[0], "left")
    last = _found(row << 32 | ends, piece, rows << 32 | wanted[1], "right")
    return first, last


def _found(
    keys: NDArray[np.int64], piece: NDArray[np.int64], wanted: NDArray[np.int64], side: Literal["left", "right"]
) -> NDArray[np.int64]:
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    at = np.searchsorted(keys, wanted, side) - (side == "right")
    inside = (at >= 0) & (at < len(keys))
    at = np.where(inside, at, 0)
    if not len(keys):
        return np.full(len(wanted), -1, dtype=np.int64)
    return np.where(inside & (keys[at] == wanted), piece[order][at], -1)
