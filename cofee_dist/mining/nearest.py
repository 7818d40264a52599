"""Which centroid is each point's nearest? By FAISS, or by one matrix product where clusters are few."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from cofee_dist.errors import UserError
from cofee_dist.mining.blocks import Doubles, Floats, Integers, blocks
from cofee_dist.mining.threads import in_parts

#: On a CPU, fewer centroids than these are compared by a matrix product: for 23 of 128 or of 768 dimensions it takes
#: 0.8 x FAISS's time, for 50 and 100 as much.
PRODUCT_BELOW = 48
#: Points in a product: numpy's BLAS has a faster kernel for small ones.
PRODUCT_ROWS = 256
#: Points sent to a GPU at once.
_GPU_ROWS = 2**17


def nearest_centroids(points_nd: Floats, centroids_kd: Doubles) -> Integers:
    """Each point's nearest centroid; of equally near ones, one and the same each time.

    Args:
        points_nd: this rank's, best centred: float32 distances cancel far from the origin.
        centroids_kd: are taken as float32.

    Raises:
        UserError: FAISS is not installed.
    """
    faiss = load_faiss()
    near_kd = np.ascontiguousarray(centroids_kd, dtype=np.float32)
    nearest_n = np.empty(len(points_nd), dtype=np.int64)
    if faiss.get_num_gpus() > 0:
        index = _gpu_index(faiss, near_kd)
        for block in blocks(len(points_nd), _GPU_ROWS):
            nearest_n[block] = index.search(points_nd[block], 1)[1][:, 0]
        return nearest_n
    if len(near_kd) < PRODUCT_BELOW:
        columns_dk = np.ascontiguousarray(near_kd.T)
        halves_k = np.square(near_kd).sum(1) / 2

        def work(part: slice) -> None:
            _by_product(points_nd[part], columns_dk, halves_k, nearest_n[part])
    else:
        index = faiss.IndexFlatL2(near_kd.shape[1])
        index.add(near_kd)

        def work(part: slice) -> None:
            points_pd, nearest_p = points_nd[part], nearest_n[part]
            for block in blocks(len(points_pd)):
                nearest_p[block] = index.search(points_pd[block], 1)[1][:, 0]

    for _ in in_parts(work, len(points_nd)):
        pass
    return nearest_n


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


def _by_product(points_pd: Floats, columns_dk: Floats, halves_k: Floats, nearest_p: Integers) -> None:
    """The largest x.c - |c|^2 / 2 is that of the least |x - c|^2."""
    scores_bk = np.empty((PRODUCT_ROWS, len(halves_k)), dtype=np.float32)
    for block in blocks(len(points_pd), PRODUCT_ROWS):
        points_bd = points_pd[block]
        scores = scores_bk[: len(points_bd)]
        np.matmul(points_bd, columns_dk, out=scores)
        np.subtract(scores, halves_k, out=scores)
        np.argmax(scores, axis=1, out=nearest_p[block])


def _gpu_index(faiss: Any, centroids_kd: Floats) -> Any:
    """The centroids on this rank's GPU, beside the model: FAISS would take 1.5 GB for its work unless told."""
    resources = faiss.StandardGpuResources()
    resources.setTempMemory(2**28)
    config = faiss.GpuIndexFlatConfig()
    config.device = torch.cuda.current_device() if torch.cuda.is_available() else 0
    index = faiss.GpuIndexFlatL2(resources, centroids_kd.shape[1], config)
    index.add(centroids_kd)
    return index
