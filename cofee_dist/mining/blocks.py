"""Points in blocks of rows: what is computed of them stays in the cache, and mapped files are read once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

#: Blocks stay in a core's cache: BLAS, FAISS and torch are slower on larger ones.
BLOCK_ROWS = 1024

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Integers = NDArray[np.int64]
Clusters = NDArray[np.int32]


def blocks(rows: int | slice, size: int | None = None) -> Iterator[slice]:
    """Slices of ``size`` rows, or of ``BLOCK_ROWS``, of the first ``rows`` or of those of a slice."""
    size = size or BLOCK_ROWS
    whole = rows if isinstance(rows, slice) else slice(0, rows)
    return (slice(at, min(at + size, whole.stop)) for at in range(whole.start, whole.stop, size))
