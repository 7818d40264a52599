"""Points in blocks of rows: what is computed of them stays in the cache, and mapped files are read once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

#: Blocks stay in a core's cache: FAISS and torch are slower on larger ones.
BLOCK_ROWS = 1024

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Integers = NDArray[np.int64]


def blocks(rows: int, size: int | None = None) -> Iterator[slice]:
    """Slices of ``size`` rows, or of ``BLOCK_ROWS``."""
    size = size or BLOCK_ROWS
    return (slice(at, at + size) for at in range(0, rows, size))
