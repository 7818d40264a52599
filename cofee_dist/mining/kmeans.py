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
import torch
from numpy.typing import NDArray

from cofee_dist.errors import UserError
from cofee_dist.mining.blocks import Clusters, Doubles, Floats, Integers
from cofee_dist.mining.members import Members, squared_distances
from cofee_dist.mining.nearest import load_faiss, nearest_of
from cofee_dist.mining.points import Points
from cofee_dist.mining.seeding import seed_centroids
from cofee_dist.mining.threads import in_parts
from cofee_dist.ranks import sum_arrays


@dataclass(frozen=True)
class Clustering:
    """What k-means found; ``n`` counts this rank's points, all else is of all ranks.

    ``centroids_kd``: float32. ``assignment_n``: int32, the nearest centroid. ``distance_n``: float32, squared, to
    that centroid. ``sizes_k``: int64. ``variances_k``: float64, the mean squared distance of a cluster's members
    to its centroid, 0 where it has none. Of each iteration, after its update: ``objective``, the sum of squared
    distances; ``reseeded``, how many empty clusters were given a new centroid; ``imbalance``, the largest cluster's
    size over the mean size. ``trained_on``: points that the centroids were found with.
    """

    centroids_kd: Floats
    assignment_n: Clusters
    distance_n: Floats
    sizes_k: Integers
    variances_k: Doubles
    objective: list[float]
    reseeded: list[int]
    imbalance: list[float]
    trained_on: int


def kmeans(
    points_nd: NDArray[Any],
    clusters: int,
    iterations: int = 25,
    seed: int = 0,
    initial_kd: Floats | None = None,
    initial_n: Clusters | None = None,
    tolerance: float = 1e-6,
    index_n: Integers | None = None,
    most_points: int | None = None,
    device: torch.device | None = None,
) -> Clustering:
    """Lloyd's algorithm; the same points give the same clusters, on however many ranks they lie.

    A cluster that has lost all its members is put where a point lies farthest from its centroid. Where fewer
    distinct points exist than clusters, the clusters left over stay empty. Every rank calls it.

    Args:
        points_nd: this rank's points, float32 or float16 (n, d), in memory or mapped; no copy of them is made.
        clusters: K.
        iterations: The most there are; it ends before if no point moves, or if the objective falls by no more
            than ``tolerance`` of itself.
        seed: Of the k-means++ start, and of the sample.
        initial_kd: Start from these centroids, so that cluster k stays comparable with what it was.
        initial_n: Start from the means of the members that each cluster has by this assignment, for the same reason;
            the points may lie in another space than when they were assigned.
        tolerance: See ``iterations``.
        index_n: The numbers of this rank's points, ascending; those of all ranks are 0 to N - 1. By default this
            rank has all points.
        most_points: Find the centroids with a sample of so many points of all ranks; every point is assigned.
        device: Of the engine: on a GPU faiss-gpu assigns, where it is installed.

    Raises:
        UserError: Fewer points than clusters, or FAISS is not installed.
        ValueError: A point is not finite, or ``initial_kd`` or ``initial_n`` has another shape.
    """
    load_faiss()
    n, d = points_nd.shape
    total = int(sum_arrays(np.array([n], dtype=np.float64))[0])
    if total < clusters:
        raise UserError(
            f"{total} entities cannot make {clusters} clusters", fix=f"set stages.fet.clusters to at most {total}"
        )
    if initial_kd is not None and initial_kd.shape != (clusters, d):
        raise ValueError(f"initial centroids have shape {initial_kd.shape}, not {(clusters, d)}")
    if initial_n is not None and initial_n.shape != (n,):
        raise ValueError(f"the initial assignment has shape {initial_n.shape}, not {(n,)}")
    index_n = np.arange(n) if index_n is None else index_n
    points = trained = Points.of(points_nd)
    random = np.random.default_rng(seed)
    trained_n: Integers = index_n
    numbers_t: Integers | int = total
    if most_points is not None and max(most_points, clusters) < total:
        numbers_t = random.choice(total, max(most_points, clusters), replace=False)
        chosen = np.flatnonzero(np.isin(index_n, numbers_t))
        trained, trained_n = points.take(chosen), index_n[chosen]
        initial_n = None if initial_n is None else initial_n[chosen]

    members = Members(trained, trained_n, clusters)
    if initial_n is not None:
        centroids_kd = members.start(initial_n)
    elif initial_kd is not None:
        centroids_kd = points.shifted(initial_kd)
    else:
        centroids_kd = seed_centroids(trained, trained_n, numbers_t, clusters, random)
    objective: list[float] = []
    reseeded: list[int] = []
    imbalance: list[float] = []
    for _ in range(iterations):
        moved = members.assign(nearest_of(centroids_kd, device))
        if moved == 0 and objective:
            break
        reseeded.append(members.refill(centroids_kd))
        centroids_kd = members.centroids(centroids_kd)
        objective.append(members.objective())
        imbalance.append(members.largest_over_mean())
        if len(objective) > 1 and not reseeded[-1] and objective[-2] - objective[-1] <= tolerance * objective[-2]:
            break
    assignment_n, distance_n, sizes_k, sums_k = _assigned(points, centroids_kd, device)
    return Clustering(
        centroids_kd=points.unshifted(centroids_kd).astype(np.float32),
        assignment_n=assignment_n,
        distance_n=distance_n,
        sizes_k=sizes_k.astype(np.int64),
        variances_k=sums_k / np.maximum(sizes_k, 1),
        objective=objective,
        reseeded=reseeded,
        imbalance=imbalance,
        trained_on=numbers_t if isinstance(numbers_t, int) else len(numbers_t),
    )


def _assigned(
    points: Points, centroids_kd: Doubles, device: torch.device | None
) -> tuple[Clusters, Floats, Doubles, Doubles]:
    """The nearest of the last centroids and the squared distance to it, then sizes and sums of distances of all."""
    clusters, near_kd, nearest = len(centroids_kd), centroids_kd.astype(np.float32), nearest_of(centroids_kd, device)
    assignment_n, distance_n = np.empty(len(points), np.int32), np.empty(len(points), np.float32)

    def work(part: slice) -> Doubles:
        assignment_p = nearest.of(points, part)
        distance_p = squared_distances(points, part, near_kd, assignment_p)
        assignment_n[part], distance_n[part] = assignment_p, distance_p
        sizes_k = np.bincount(assignment_p, minlength=clusters)
        return np.stack([sizes_k, np.bincount(assignment_p, weights=distance_p, minlength=clusters)])

    sizes_k, sums_k = sum_arrays(sum(in_parts(work, len(points), nearest.threads), np.zeros((2, clusters))))
    return assignment_n, distance_n, sizes_k, sums_k
