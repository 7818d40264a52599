"""Before k-means, optionally: PCA to fewer dimensions with whitening, then L2, as CoFEE's reference code does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cofee_dist.errors import UserError
from cofee_dist.mining.blocks import blocks
from cofee_dist.ranks import sum_arrays

#: An axis with less than this share of the largest variance is noise: whitening would blow it up.
_SMALLEST_SHARE = 1e-10


@dataclass(frozen=True)
class Whitening:
    """A fitted projection: ``(x - mean_d) @ projection_dp``, each output of variance 1; then length 1."""

    mean_d: NDArray[np.float64]
    projection_dp: NDArray[np.float64]

    def apply(self, points_nd: NDArray[Any]) -> NDArray[np.float32]:
        """Whitened points of length 1, float32 (n, p); a point at the mean stays 0."""
        result_np = np.empty((len(points_nd), self.projection_dp.shape[1]), dtype=np.float32)
        for block in blocks(len(points_nd)):
            whitened = (points_nd[block] - self.mean_d) @ self.projection_dp
            lengths = np.linalg.norm(whitened, axis=1, keepdims=True)
            result_np[block] = whitened / np.where(lengths > 0, lengths, 1.0)
        return result_np


def fit_whitening(points_nd: NDArray[Any], dimensions: int) -> Whitening:
    """Fit on the points of all ranks, from a covariance summed in float64; every rank calls it.

    Args:
        points_nd: This rank's entity embeddings e_i, float32 or float16.
        dimensions: Dimensions to keep; fewer where the points span fewer.

    Raises:
        UserError: More dimensions than the embeddings have, or fewer than two distinct points.
    """
    d = points_nd.shape[1]
    if dimensions > d:
        raise UserError(
            f"cannot reduce embeddings of {d} dimensions to {dimensions}",
            fix=f"set stages.fet.pca_dimensions to at most {d}",
        )
    sums_d = np.zeros(1 + d)
    for block in blocks(len(points_nd)):
        sums_d[0] += len(points_nd[block])
        sums_d[1:] += points_nd[block].sum(0, dtype=np.float64)
    n, mean_d = np.split(sum_arrays(sums_d), [1])
    mean_d = mean_d / max(n[0], 1)
    covariance_dd = np.zeros((d, d))
    for block in blocks(len(points_nd)):
        centred_nd = points_nd[block] - mean_d
        covariance_dd += centred_nd.T @ centred_nd
    covariance_dd = sum_arrays(covariance_dd) / max(n[0] - 1, 1)
    values, axes = np.linalg.eigh(covariance_dd)
    values, axes = values[::-1][:dimensions], axes[:, ::-1][:, :dimensions]
    kept = int((values > max(values[0], 0.0) * _SMALLEST_SHARE).sum())
    if kept == 0:
        raise UserError("all entity embeddings are the same: there is nothing to cluster")
    return Whitening(mean_d, axes[:, :kept] / np.sqrt(values[:kept]))
