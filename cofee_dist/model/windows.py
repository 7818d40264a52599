"""Long sentences in windows: which pieces each window reads, and for which of them its word counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]

#: Neighbouring windows share at least this part of the pieces that fit into one.
OVERLAP = 1 / 3


@dataclass(frozen=True, slots=True)
class Windows:
    """Parallel arrays, one entry a window; positions count from the sentence's first piece.

    ``sentence``: the index in the lengths given. The window reads pieces ``start:start + length`` and owns
    ``owned_start:owned_end`` (half-open): of the windows that read a piece, its owner is the one in which it has
    most context. Every piece has exactly one owner.
    """

    sentence: IntArray
    start: IntArray
    length: IntArray
    owned_start: IntArray
    owned_end: IntArray


def cut_windows(lengths_n: IntArray, room_n: IntArray) -> Windows:
    """Cut sentences into windows, evenly spaced and as few as the overlap allows.

    Args:
        lengths_n: Pieces of each sentence; one without pieces gets no window.
        room_n: Pieces that fit into a window of each sentence, beside its question; at least 2.
    """
    overlap_n = np.maximum((room_n * OVERLAP).astype(np.int64), 1)
    further_n = np.maximum(lengths_n - room_n, 0)
    windows_n = np.where(lengths_n > 0, 1 - (-further_n // (room_n - overlap_n)), 0)

    sentence = np.repeat(np.arange(len(lengths_n)), windows_n)
    index = np.arange(len(sentence)) - np.repeat(np.cumsum(windows_n) - windows_n, windows_n)
    last = windows_n[sentence] - 1
    start = index * further_n[sentence] // np.maximum(last, 1)
    length = np.minimum(lengths_n[sentence], room_n[sentence])

    owned_start, owned_end = start.copy(), start + length
    follows = np.nonzero(index > 0)[0]
    # Windows of a sentence are of one length, so context is equal in the middle of what two neighbours share.
    middle = (start[follows] + start[follows - 1] + length[follows - 1]) // 2
    owned_start[follows], owned_end[follows - 1] = middle, middle
    return Windows(sentence, start, length, owned_start, owned_end)
