"""K-means over all ranks: Lloyd's iterations, with sums and counts in float64.

Each rank holds a share of the points. What they tell each other are sums over clusters, so that neither memory nor
traffic grows with the points of the others, and the clusters are those that one rank with all points finds.
``faiss.Kmeans`` is not used: unless told otherwise it trains on 256 points for each centroid, and it counts in
float32, which stops at 2**24 members.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cofee_dist.errors import UserError
from cofee_dist.mining.blocks import Doubles, Floats, Integers, blocks
from cofee_dist.mining.members import Members, squared_distances
from cofee_dist.mining.nearest import load_faiss, nearest_centroids
from cofee_dist.mining.seeding import seed_centroids
from cofee_dist.mining.threads import in_parts
from cofee_dist.ranks import sum_arrays


@dataclass(frozen=True)
class Clustering:
    """What k-means found; ``n`` counts this rank's points, all else is of all ranks.

    ``centroids_kd``: float32. ``assignment_n``: int32, the nearest centroid. ``distance_n``: float32, squared, to
    that centroid. ``sizes_k``: int64. ``variances_k``: float64, the mean squared distance of a cluster's members
    to its centroid, 0 where it has none. ``objective``: the sum of squared distances after each iteration's
    update. ``reseeded``: how many empty clusters each iteration gave a new centroid. ``trained_on``: points that
    the centroids were found with.
    """

    centroids_kd: Floats
    assignment_n: NDArray[np.int32]
    distance_n: Floats
    sizes_k: Integers
    variances_k: Doubles
    objective: list[float]
    reseeded: list[int]
    trained_on: int


def kmeans(
    points_nd: NDArray[Any],
    clusters: int,
    iterations: int = 25,
    seed: int = 0,
    initial_kd: Floats | None = None,
    tolerance: float = 1e-6,
    index_n: Integers | None = None,
    most_points: int | None = None,
) -> Clustering:
    """Lloyd's algorithm; the same points give the same clusters, on however many ranks they lie.

    A cluster that has lost all its members is put where a point lies farthest from its centroid. Where fewer
    distinct points exist than clusters, the clusters left over stay empty. Every rank calls it.

    Args:
        points_nd: this rank's points, float32 or float16 (n, d), in memory or mapped; a centred float32 copy is made
            (FAISS's float32 distances cancel far from the origin).
        clusters: K.
        iterations: The most there are; it ends before if no point moves, or if the objective falls by no more
            than ``tolerance`` of itself.
        seed: Of the k-means++ start, and of the sample.
        initial_kd: Start from these centroids, so that cluster k stays comparable with what it was.
        tolerance: See ``iterations``.
        index_n: The numbers of this rank's points, ascending; those of all ranks are 0 to N - 1. By default this
            rank has all points.
        most_points: Find the centroids with a sample of so many points of all ranks; every point is assigned.

    Raises:
        UserError: Fewer points than clusters, or FAISS is not installed.
        ValueError: A point is not finite, or ``initial_kd`` has another shape.
    """
    load_faiss()
    n, d = points_nd.shape
    total = int(sum_arrays(np.array([n], dtype=np.float64))[0])
    if total < clusters:
        raise UserError(
            f"{total} entities cannot make {clusters} clusters", fix=f"set stages.fet.clusters to at most {total}"
        )
    index_n = np.arange(n) if index_n is None else index_n
    mean_d = _column_means(points_nd, total)
    mean_d = mean_d.astype(np.float32).astype(np.float64)
    centred_nd = _minus(points_nd, mean_d.astype(np.float32))

    random = np.random.default_rng(seed)
    trained_nd, trained_n, numbers_t = centred_nd, index_n, np.arange(total)
    if most_points is not None and max(most_points, clusters) < total:
        numbers_t = random.choice(total, max(most_points, clusters), replace=False)
        chosen_n = np.isin(index_n, numbers_t)
        trained_nd, trained_n = centred_nd[chosen_n], index_n[chosen_n]
    if initial_kd is None:
        centroids_kd = seed_centroids(trained_nd, trained_n, numbers_t, clusters, random)
    elif initial_kd.shape != (clusters, d):
        raise ValueError(f"initial centroids have shape {initial_kd.shape}, not {(clusters, d)}")
    else:
        centroids_kd = initial_kd.astype(np.float64) - mean_d

    members = Members(trained_nd, trained_n, clusters)
    objective: list[float] = []
    reseeded: list[int] = []
    for _ in range(iterations):
        moved = members.move(nearest_centroids(trained_nd, centroids_kd))
        if moved == 0 and objective:
            break
        reseeded.append(members.refill(centroids_kd))
        centroids_kd = members.centroids(centroids_kd)
        objective.append(members.objective())
        if len(objective) > 1 and not reseeded[-1] and objective[-2] - objective[-1] <= tolerance * objective[-2]:
            break
    return _finish(centred_nd, centroids_kd, mean_d, objective, reseeded, len(numbers_t))


def _column_means(points_nd: NDArray[Any], total: int) -> Doubles:
    def work(part: slice) -> Doubles:
        points_pd, sum_d = points_nd[part], np.zeros(points_nd.shape[1])
        for block in blocks(len(points_pd)):
            sum_d += points_pd[block].sum(0, dtype=np.float64)
        return sum_d

    mean_d = sum_arrays(sum(in_parts(work, len(points_nd)), np.zeros(points_nd.shape[1]))) / max(total, 1)
    if not np.isfinite(mean_d).all():
        raise ValueError("the points to cluster hold NaN or infinite values")
    return mean_d


def _minus(points_nd: NDArray[Any], mean_d: Floats) -> Floats:
    centred_nd = np.empty(points_nd.shape, dtype=np.float32)
    for _ in in_parts(lambda part: np.subtract(points_nd[part], mean_d, out=centred_nd[part]), len(points_nd)):
        pass
    return centred_nd


def _finish(
    points_nd: Floats,
    centroids_kd: Doubles,
    mean_d: Doubles,
    objective: list[float],
    reseeded: list[int],
    trained_on: int,
) -> Clustering:
    """The nearest of the last centroids, and distances from differences: nothing cancels."""
    clusters = len(centroids_kd)
    assignment_n = nearest_centroids(points_nd, centroids_kd)
    distance_n = squared_distances(points_nd, centroids_kd, assignment_n)
    sizes_k, sums_k = sum_arrays(
        np.stack(
            [
                np.bincount(assignment_n, minlength=clusters).astype(np.float64),
                np.bincount(assignment_n, weights=distance_n, minlength=clusters),
            ]
        )
    )
    return Clustering(
        centroids_kd=(centroids_kd + mean_d).astype(np.float32),
        assignment_n=assignment_n.astype(np.int32),
        distance_n=distance_n.astype(np.float32),
        sizes_k=sizes_k.astype(np.int64),
        variances_k=sums_k / np.maximum(sizes_k, 1),
        objective=objective,
        reseeded=reseeded,
        trained_on=trained_on,
    )
