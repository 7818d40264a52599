"""Before k-means, optionally: PCA to fewer dimensions with whitening, then L2, as CoFEE's reference code does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cofee_dist.errors import UserError

_BLOCK_ROWS = 16384
#: An axis with less than this share of the largest variance is noise: whitening would blow it up.
_SMALLEST_SHARE = 1e-10


@dataclass(frozen=True)
class Whitening:
    """A fitted projection: ``(x - mean_d) @ projection_dp``, each output of variance 1; then length 1."""

    mean_d: NDArray[np.float64]
    projection_dp: NDArray[np.float64]

    def apply(self, points_nd: NDArray[np.float32]) -> NDArray[np.float32]:
        """Whitened points of length 1, float32 (n, p); a point at the mean stays 0."""
        result_np = np.empty((len(points_nd), self.projection_dp.shape[1]), dtype=np.float32)
        for at in range(0, len(points_nd), _BLOCK_ROWS):
            block = slice(at, at + _BLOCK_ROWS)
            whitened = (points_nd[block] - self.mean_d) @ self.projection_dp
            lengths = np.linalg.norm(whitened, axis=1, keepdims=True)
            result_np[block] = whitened / np.where(lengths > 0, lengths, 1.0)
        return result_np


def fit_whitening(points_nd: NDArray[np.float32], dimensions: int) -> Whitening:
    """Fit on all points, from a covariance summed in float64.

    Args:
        points_nd: Entity embeddings e_i.
        dimensions: Dimensions to keep; fewer where the points span fewer.

    Raises:
        UserError: More dimensions than the embeddings have, or fewer than two distinct points.
    """
    n, d = points_nd.shape
    if dimensions > d:
        raise UserError(
            f"cannot reduce embeddings of {d} dimensions to {dimensions}",
            fix=f"set stages.fet.pca_dimensions to at most {d}",
        )
    blocks = [points_nd[at : at + _BLOCK_ROWS] for at in range(0, n, _BLOCK_ROWS)]
    mean_d = sum((block.sum(0, dtype=np.float64) for block in blocks), np.zeros(d)) / max(n, 1)
    covariance_dd = np.zeros((d, d))
    for block in blocks:
        centred = block - mean_d
        covariance_dd += centred.T @ centred
    covariance_dd /= max(n - 1, 1)
    values, axes = np.linalg.eigh(covariance_dd)
    values, axes = values[::-1][:dimensions], axes[:, ::-1][:, :dimensions]
    kept = int((values > max(values[0], 0.0) * _SMALLEST_SHARE).sum())
    if kept == 0:
        raise UserError("all entity embeddings are the same: there is nothing to cluster")
    return Whitening(mean_d, axes[:, :kept] / np.sqrt(values[:kept]))
