"""Rows shared out to threads that do not wait for each other.

The threads within a BLAS or FAISS call wait at the end of each small block, and burn a busy machine's cores doing so.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch
from threadpoolctl import ThreadpoolController

#: Few enough to share out evenly; that it does not depend on the threads makes sums over parts the same on any number.
PART_ROWS = 2**14

T = TypeVar("T")


def in_parts(work: Callable[[slice], T], rows: int, threads: int | None = None) -> Iterator[T]:
    """What ``work`` returns for each ``PART_ROWS`` rows, in their order.

    It runs on as many threads as torch has (OMP_NUM_THREADS), where libraries keep to the thread that calls them, or on
    ``threads``. Nothing happens until the results are taken.
    """
    parts = [slice(at, min(at + PART_ROWS, rows)) for at in range(0, rows, PART_ROWS)]
    threads = min(threads or torch.get_num_threads(), len(parts))
    if threads <= 1:
        yield from map(work, parts)
        return
    before = torch.get_num_threads()
    with _controller().limit(limits=1):  # BLAS has one limit for all threads, OpenMP one for each
        torch.set_num_threads(1)
        try:
            with ThreadPoolExecutor(threads, initializer=_keep_to_one_thread) as pool:
                yield from pool.map(work, parts)
        finally:
            torch.set_num_threads(before)


def _keep_to_one_thread() -> None:
    _controller().limit(limits=1, user_api="openmp")


@functools.cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()
