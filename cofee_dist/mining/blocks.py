"""Points in blocks of rows: what is computed of them stays in the cache, and mapped files are read once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

#: Blocks stay in a core's cache: FAISS is slower on larger ones.
BLOCK_ROWS = 1024

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Integers = NDArray[np.int64]


def blocks(rows: int) -> Iterator[slice]:
    """Slices of ``BLOCK_ROWS`` rows."""
    return (slice(at, at + BLOCK_ROWS) for at in range(0, rows, BLOCK_ROWS))
