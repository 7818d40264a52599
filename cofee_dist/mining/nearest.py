"""Which centroid is each point's nearest? By FAISS, or by one matrix product where clusters are few."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import torch

from cofee_dist.errors import UserError
from cofee_dist.mining.blocks import BLOCK_ROWS, Clusters, Doubles, Floats, blocks
from cofee_dist.mining.points import Points

#: On a CPU, fewer centroids than these are compared by a matrix product; FAISS takes more time for few.
PRODUCT_BELOW = 256
#: The product has so many rows, or a multiple: BLAS takes a third more time for 23 than for 24.
_ROWS = 8
#: Columns left free beside a block's: in rows of 4 KiB a column's elements would drive each other out of the cache.
_GAP = 16


class Nearest(Protocol):
    """Finds the nearest of some centroids; ``threads`` may call it at once, None for any number."""

    threads: int | None

    def of(self, points: Points, part: slice, before_p: Clusters | None = None) -> Clusters:
        """Of a part of the points; of equally near ones, one and the same each time.

        ``before_p``, where they were before: it may be that of equally near ones, and is found faster.
        """


def nearest_of(centroids_kd: Doubles, device: torch.device | None = None) -> Nearest:
    """Finds the nearest of these centroids, which are taken as float32.

    Args:
        centroids_kd: where the points are as they are read.
        device: of the engine; on ``cuda`` faiss-gpu is used where it is installed.

    Raises:
        UserError: FAISS is not installed.
    """
    faiss = load_faiss()
    near_kd = np.ascontiguousarray(centroids_kd, dtype=np.float32)
    if device is not None and device.type == "cuda" and faiss.get_num_gpus() > 0:
        return _ByIndex(_gpu_index(faiss, near_kd, device), threads=1)
    if len(near_kd) < PRODUCT_BELOW:
        return _ByProduct(near_kd)
    index = faiss.IndexFlatL2(near_kd.shape[1])
    index.add(near_kd)
    return _ByIndex(index)


def load_faiss() -> Any:
    """The module, or UserError."""
    try:
        import faiss
    except ImportError as error:
        raise UserError(
            "clustering needs FAISS, which is not installed",
            fix="pip install 'cofee-dist[cpu]' (or [gpu] for faiss-gpu, never both)",
        ) from error
    return faiss


class _ByProduct:
    """The largest x.c - |c|^2 / 2 is that of the least |x - c|^2."""

    threads: int | None = None

    def __init__(self, near_kd: Floats) -> None:
        clusters, d = near_kd.shape
        width = -(-clusters // _ROWS) * _ROWS
        self._near_kd = np.zeros((width, d), np.float32)
        self._near_kd[:clusters] = near_kd
        self._halves_k1 = np.full((width, 1), np.inf, np.float32)
        self._halves_k1[:clusters, 0] = np.square(near_kd).sum(1) / 2

    def of(self, points: Points, part: slice, before_p: Clusters | None = None) -> Clusters:
        nearest_p = np.empty(part.stop - part.start, np.int32) if before_p is None else before_p.copy()
        (clusters, d), size = self._near_kd.shape, min(BLOCK_ROWS, len(nearest_p))
        # A copy that is in the cache: BLAS fetches points from memory slowly.
        copy_bd, laid_out_kb = np.empty((size, d), np.float32), np.zeros((clusters, size + _GAP), np.float32)
        at_b = np.arange(size)
        for block in blocks(part, size):
            nearest_b = nearest_p[block.start - part.start : block.stop - part.start]
            points_bd, scores_kb = copy_bd[: len(nearest_b)], laid_out_kb[:, : len(nearest_b)]
            points.read_into(points_bd, block)
            np.matmul(self._near_kd, points_bd.T, out=scores_kb)
            np.subtract(laid_out_kb, self._halves_k1, out=laid_out_kb)
            if before_p is None:
                nearest_b[:] = scores_kb.argmax(0)
                continue
            # The largest is found in far less time than where it is, and most points stay.
            own_b = scores_kb[nearest_b, at_b[: len(nearest_b)]]
            moved = np.flatnonzero(own_b < scores_kb.max(0))
            nearest_b[moved] = scores_kb[:, moved].argmax(0)
        return nearest_p


class _ByIndex:
    def __init__(self, index: Any, threads: int | None = None) -> None:
        self.threads = threads
        self._index = index

    def of(self, points: Points, part: slice, before_p: Clusters | None = None) -> Clusters:
        size = BLOCK_ROWS if self.threads is None else part.stop - part.start
        found = [self._index.search(points.read(block), 1)[1][:, 0] for block in blocks(part, size)]
        return np.concatenate(found).astype(np.int32)


def _gpu_index(faiss: Any, centroids_kd: Floats, device: torch.device) -> Any:
    """The centroids on this rank's GPU, beside the model: FAISS would take 1.5 GB for its work unless told."""
    resources = faiss.StandardGpuResources()
    resources.setTempMemory(2**28)
    config = faiss.GpuIndexFlatConfig()
    config.device = torch.cuda.current_device() if device.index is None else device.index
    index = faiss.GpuIndexFlatL2(resources, centroids_kd.shape[1], config)
    index.add(centroids_kd)
    return index
