"""Which sentences: deterministic samples by a hash of their keys, the same on any machine and in any order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cofee_dist.schemas import KEY

# Not the hash that samples are taken by: the first rows of a sample would all be held out.
_HOLD_OUT = np.uint64(0x484F4C44)


def key_hashes(page_ids: npt.ArrayLike, sentence_indices: npt.ArrayLike, seed: int) -> npt.NDArray[np.uint64]:
    """A hash for each sentence's key, uniform over uint64 (splitmix64, thrice)."""
    hashed = _mix(np.full(1, seed, np.uint64))
    for part in (page_ids, sentence_indices):
        hashed = _mix(hashed ^ np.asarray(part, np.int64).astype(np.uint64))
    return hashed


def sample_rows(hashes: npt.NDArray[np.uint64], size: int) -> npt.NDArray[np.int64]:
    """The rows with the ``size`` smallest hashes, in their order: a larger sample holds every smaller one."""
    if size >= len(hashes):
        return np.arange(len(hashes))
    return np.sort(np.argsort(hashes, kind="stable")[:size])


def sampled(tables: Callable[[], Iterable[pa.Table]], size: int | None, seed: int) -> Iterator[pa.Table]:
    """A sample of ``size`` sentences (all if None) of tables that are read one at a time, in their order.

    Args:
        tables: begins to read; called twice where a sample is taken, first for the keys.
        size: of the sample.
        seed: of the run.
    """
    if size is None:
        yield from tables()
        return
    hashes = [_hashes(table, seed) for table in tables()]
    chosen = np.zeros(sum(map(len, hashes)), bool)
    chosen[sample_rows(np.concatenate([np.empty(0, np.uint64), *hashes]), size)] = True
    begin = 0
    for table in tables():
        yield table.filter(pa.array(chosen[begin : begin + table.num_rows]))
        begin += table.num_rows


def held_out_rows(table: pa.Table, share: float, seed: int) -> npt.NDArray[np.bool_]:
    """Which rows (page_id, sentence_index, text) are among the ``share`` that is held out for validation.

    For runs without sentences labelled by people. The held-out labels are then as weak as the others: a score
    on them says how well the model agrees with the gazetteers, not how well it finds entities, and a missing
    label counts against a model that finds it. A sentence without a key is told by its text.
    """
    pages, indices = (table.column(name).to_numpy().astype(np.int64) for name in KEY)
    for row in np.flatnonzero(pages < 0).tolist():
        text = table.column("text")[row].as_py().encode("utf-8", "surrogatepass")
        indices[row] = int.from_bytes(blake2b(text, digest_size=8).digest(), "little", signed=True)
    return _mix(key_hashes(pages, indices, seed) ^ _HOLD_OUT) < np.uint64(min(round(share * 2**64), 2**64 - 1))


def _hashes(table: pa.Table, seed: int) -> npt.NDArray[np.uint64]:
    page_ids, sentence_indices = (table.column(name).to_numpy() for name in KEY)
    return key_hashes(page_ids, sentence_indices, seed)


def _mix(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The finaliser of splitmix64 (Steele, Lea and Flood 2014)."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
