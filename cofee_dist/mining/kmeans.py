"""K-means on all points: nearest centroids from FAISS, sums and counts in float64.

``faiss.Kmeans`` is not used: unless told otherwise it trains on 256 points for each centroid, and it counts in
float32, which stops at 2**24 members.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cofee_dist.errors import UserError

#: Blocks stay in a core's cache: FAISS is slower on larger ones.
_BLOCK_ROWS = 1024
#: k-means++ sees at most so many points for each cluster.
_SEEDING_POINTS = 256

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Clustering:
    """What k-means found.

    ``centroids_kd``: float32. ``assignment_n``: int32, the nearest centroid. ``distance_n``: float32, squared, to
    that centroid. ``sizes_k``: int64. ``variances_k``: float64, the mean squared distance of a cluster's members
    to its centroid, 0 where it has none. ``objective``: the sum of squared distances after each iteration's
    update. ``reseeded``: how many empty clusters each iteration gave a new centroid.
    """

    centroids_kd: Floats
    assignment_n: NDArray[np.int32]
    distance_n: Floats
    sizes_k: Integers
    variances_k: Doubles
    objective: list[float]
    reseeded: list[int]


def kmeans(
    points_nd: Floats,
    clusters: int,
    iterations: int = 25,
    seed: int = 0,
    initial_kd: Floats | None = None,
    tolerance: float = 1e-6,
) -> Clustering:
    """Lloyd's algorithm on all points; the same input gives the same output.

    A cluster that has lost all its members is put where a point lies farthest from its centroid. Where fewer
    distinct points exist than clusters, the clusters left over stay empty.

    Args:
        points_nd: float32 (n, d); a centred copy is made (FAISS's float32 distances cancel far from the origin).
        clusters: K.
        iterations: The most there are; it ends before if no point moves, or if the objective falls by no more
            than ``tolerance`` of itself.
        seed: Of the k-means++ start.
        initial_kd: Start from these centroids, so that cluster k stays comparable with what it was.
        tolerance: See ``iterations``.

    Raises:
        UserError: Fewer points than clusters, or FAISS is not installed.
        ValueError: A point is not finite, or ``initial_kd`` has another shape.
    """
    n, d = points_nd.shape
    if n < clusters:
        raise UserError(f"{n} entities cannot make {clusters} clusters", fix=f"set stages.fet.clusters to at most {n}")
    mean_d = _column_means(points_nd)
    if not np.isfinite(mean_d).all():
        raise ValueError("the points to cluster hold NaN or infinite values")
    centred_nd = np.subtract(points_nd, mean_d.astype(np.float32), dtype=np.float32)
    mean_d = mean_d.astype(np.float32).astype(np.float64)
    if initial_kd is None:
        centroids_kd = _seed_centroids(centred_nd, clusters, np.random.default_rng(seed))
    elif initial_kd.shape != (clusters, d):
        raise ValueError(f"initial centroids have shape {initial_kd.shape}, not {(clusters, d)}")
    else:
        centroids_kd = initial_kd.astype(np.float64) - mean_d

    members = _Members(centred_nd, clusters)
    objective: list[float] = []
    reseeded: list[int] = []
    for _ in range(iterations):
        moved = members.move(_nearest(centred_nd, centroids_kd))
        if moved == 0 and objective:
            break
        reseeded.append(members.refill(centroids_kd))
        centroids_kd = members.centroids(centroids_kd)
        objective.append(members.objective())
        if len(objective) > 1 and not reseeded[-1] and objective[-2] - objective[-1] <= tolerance * objective[-2]:
            break
    return _finish(centred_nd, centroids_kd, mean_d, objective, reseeded)


class _Members:
    """Who belongs to which cluster, with float64 sums and exact counts that follow every move."""

    def __init__(self, points_nd: Floats, clusters: int) -> None:
        n, d = points_nd.shape
        self.points_nd = points_nd
        self.assignment_n = np.full(n, -1, dtype=np.int64)
        self.sizes_k = np.zeros(clusters, dtype=np.int64)
        self.sums_kd = np.zeros((clusters, d))
        self.squares = sum(float(np.square(block, dtype=np.float64).sum()) for block in _blocks(points_nd))

    def move(self, nearest_n: Integers) -> int:
        """Take the new assignment over. Only what moved is added and taken away, so late iterations cost little."""
        moved_m = np.nonzero(nearest_n != self.assignment_n)[0]
        for at in range(0, len(moved_m), _BLOCK_ROWS):
            self._move(moved_m[at : at + _BLOCK_ROWS], nearest_n)
        self.assignment_n = nearest_n
        return len(moved_m)

    def _move(self, moved_m: Integers, nearest_n: Integers) -> None:
        points_md = torch.from_numpy(self.points_nd[moved_m]).double()
        self._add(nearest_n[moved_m], points_md, 1)
        before_m = self.assignment_n[moved_m]
        if before_m[0] >= 0:  # else the first assignment, of all points
            self._add(before_m, points_md, -1)

    def _add(self, cluster_m: Integers, points_md: torch.Tensor, sign: int) -> None:
        torch.from_numpy(self.sums_kd).index_add_(0, torch.from_numpy(cluster_m), points_md, alpha=sign)
        self.sizes_k += sign * np.bincount(cluster_m, minlength=len(self.sizes_k))

    def refill(self, centroids_kd: Doubles) -> int:
        """Give each empty cluster the point farthest from its centroid; how many were given one."""
        empty = np.nonzero(self.sizes_k == 0)[0]
        if len(empty) == 0:
            return 0
        distance_n = _distances(self.points_nd, centroids_kd, self.assignment_n)
        given = 0
        after_n = self.assignment_n.copy()
        left_k = self.sizes_k.copy()
        for point in np.argsort(-distance_n, kind="stable"):
            if given == len(empty) or distance_n[point] <= 0:
                break
            if left_k[after_n[point]] > 1:
                left_k[after_n[point]] -= 1
                after_n[point] = empty[given]
                given += 1
        self.move(after_n)
        return given

    def centroids(self, before_kd: Doubles) -> Doubles:
        """Means of the members; an empty cluster stays where it was."""
        filled_k = self.sizes_k > 0
        return np.where(filled_k[:, None], self.sums_kd / np.maximum(self.sizes_k, 1)[:, None], before_kd)

    def objective(self) -> float:
        """Sum of squared distances to the means: sum x^2 - sum_k |sum_k|^2 / n_k."""
        explained = np.square(self.sums_kd).sum(1) / np.maximum(self.sizes_k, 1)
        return max(self.squares - float(explained[self.sizes_k > 0].sum()), 0.0)


def _nearest(points_nd: Floats, centroids_kd: Doubles) -> Integers:
    """Each point's nearest centroid, by FAISS; of equally near ones, one and the same each time."""
    index = _faiss().IndexFlatL2(points_nd.shape[1])
    index.add(np.ascontiguousarray(centroids_kd, dtype=np.float32))
    return np.concatenate([index.search(block, 1)[1][:, 0] for block in _blocks(points_nd)])


def _faiss() -> Any:
    try:
        import faiss
    except ImportError as error:
        raise UserError(
            "clustering needs FAISS, which is not installed",
            fix="pip install 'cofee-dist[cpu]' (or [gpu] for faiss-gpu, never both)",
        ) from error
    return faiss


def _seed_centroids(points_nd: Floats, clusters: int, generator: np.random.Generator) -> Doubles:
    """Greedy k-means++ (Arthur and Vassilvitskii 2007) on a sample: each new centroid the best of a few draws."""
    n = len(points_nd)
    size = min(n, _SEEDING_POINTS * clusters)
    sample_sd = points_nd[np.sort(generator.choice(n, size, replace=False))].astype(np.float64)
    squares_s = np.square(sample_sd).sum(1)

    def distances_to(chosen_c: Integers) -> Doubles:
        products_cs = sample_sd[chosen_c] @ sample_sd.T
        return np.maximum(squares_s[chosen_c, None] + squares_s[None, :] - 2 * products_cs, 0.0)

    chosen = [int(generator.integers(size))]
    nearest_s = distances_to(np.array(chosen))[0]
    draws = 2 + int(np.log(clusters))
    for _ in range(clusters - 1):
        total = nearest_s.sum()
        # Once every distinct point is a centroid, any point will do: its cluster stays empty.
        share_s = nearest_s / total if total > 0 else None
        candidates_c = generator.choice(size, draws, p=share_s)
        after_cs = np.minimum(distances_to(candidates_c), nearest_s)
        best = int(after_cs.sum(1).argmin())
        chosen.append(int(candidates_c[best]))
        nearest_s = after_cs[best]
    return sample_sd[chosen]


def _finish(
    points_nd: Floats, centroids_kd: Doubles, mean_d: Doubles, objective: list[float], reseeded: list[int]
) -> Clustering:
    """The nearest of the last centroids, and distances from differences: nothing cancels."""
    clusters = len(centroids_kd)
    assignment_n = _nearest(points_nd, centroids_kd)
    distance_n = _distances(points_nd, centroids_kd, assignment_n)
    sizes_k = np.bincount(assignment_n, minlength=clusters)
    sums_k = np.bincount(assignment_n, weights=distance_n, minlength=clusters)
    return Clustering(
        centroids_kd=(centroids_kd + mean_d).astype(np.float32),
        assignment_n=assignment_n.astype(np.int32),
        distance_n=distance_n.astype(np.float32),
        sizes_k=sizes_k,
        variances_k=sums_k / np.maximum(sizes_k, 1),
        objective=objective,
        reseeded=reseeded,
    )


def _distances(points_nd: Floats, centroids_kd: Doubles, assignment_n: Integers) -> Doubles:
    distance_n = np.empty(len(points_nd))
    for at in range(0, len(points_nd), _BLOCK_ROWS):
        block = slice(at, at + _BLOCK_ROWS)
        offsets_nd = points_nd[block] - centroids_kd[assignment_n[block]]
        distance_n[block] = np.einsum("nd,nd->n", offsets_nd, offsets_nd)
    return distance_n


def _column_means(points_nd: Floats) -> Doubles:
    sums = [np.sum(block, axis=0, dtype=np.float64) for block in _blocks(points_nd)]
    return np.sum(sums, axis=0) / max(len(points_nd), 1)


def _blocks(points_nd: Floats) -> list[Floats]:
    return [points_nd[at : at + _BLOCK_ROWS] for at in range(0, len(points_nd), _BLOCK_ROWS)]
