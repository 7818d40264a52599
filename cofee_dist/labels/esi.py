"""D_g as labels of entity span identification (section 3.1 of the paper): every anchor is an entity."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cofee_dist.schemas import ENTITY, ENTITY_STRUCT, KEY, LABELS


def esi_labels(sentences: pa.Table, min_anchors: int) -> pa.Table:
    """Sentences (schemas.SENTENCES) as labels (schemas.LABELS) of the one type ``Entity``, source ``anchor``.

    Empty and repeated anchors are left out; of anchors that overlap, the one that starts first stays, of these
    the longest. Sentences with fewer than ``min_anchors`` entities left are left out. Columns in, columns out: a
    corpus of millions of sentences makes no Python objects.
    """
    anchors = sentences.column("anchors").combine_chunks()
    lengths = anchors.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
    flat = anchors.flatten()
    starts, ends = _int32(flat.field("start")), _int32(flat.field("end"))
    rows, starts, ends = _without_overlaps(np.repeat(np.arange(len(lengths)), lengths), starts, ends)
    counts = np.bincount(rows, minlength=len(lengths))

    chosen = np.flatnonzero(counts >= min_anchors)
    of_chosen = np.zeros(len(lengths), bool)
    of_chosen[chosen] = True
    keep = of_chosen[rows]
    entities = _entities(starts[keep], ends[keep], counts[chosen])
    kept = sentences.select([*KEY, "text"]).take(pa.array(chosen))
    return kept.append_column(LABELS.field("entities"), entities).cast(LABELS)


def _without_overlaps(
    rows: npt.NDArray[np.int64], starts: npt.NDArray[np.int32], ends: npt.NDArray[np.int32]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Spans by row and start, flat within each row."""
    proper = ends > starts
    rows, starts, ends = rows[proper], starts[proper], ends[proper]
    order = np.lexsort((-ends, starts, rows))
    rows, starts, ends = rows[order], starts[order], ends[order]
    clash = (rows[1:] == rows[:-1]) & (starts[1:] < ends[:-1])
    keep = np.ones(len(rows), bool)
    # Rows with a clash are rare: anchors of well-formed wikitext do not nest.
    for row in np.unique(rows[1:][clash]).tolist():
        reached = 0
        for at in range(*np.searchsorted(rows, [row, row + 1]).tolist()):
            keep[at] = starts[at] >= reached
            reached = max(reached, int(ends[at])) if keep[at] else reached
    return rows[keep], starts[keep], ends[keep]


def _entities(
    starts: npt.NDArray[np.int32], ends: npt.NDArray[np.int32], counts: npt.NDArray[np.int64]
) -> pa.ListArray:
    size = len(starts)
    columns = [
        pa.array(starts, pa.int32()),
        pa.array(ends, pa.int32()),
        pa.repeat(ENTITY, size),
        pa.repeat("anchor", size),
        pa.repeat(pa.scalar(1.0, pa.float32()), size),
    ]
    offsets = np.concatenate(([0], np.cumsum(counts))).astype(np.int32)
    return pa.ListArray.from_arrays(offsets, pa.StructArray.from_arrays(columns, fields=list(ENTITY_STRUCT)))


def _int32(column: pa.Array) -> npt.NDArray[np.int32]:
    return column.to_numpy(zero_copy_only=False).astype(np.int32)
