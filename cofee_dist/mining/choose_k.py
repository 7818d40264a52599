"""How many clusters? K-means for several K, and what speaks for each: objective, silhouette, stability.

The paper gives K (23 for E-commerce) and searches K - 2 to K + 2 on validation F1; these numbers need no training.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cofee_dist.errors import UserError
from cofee_dist.mining.blocks import Integers
from cofee_dist.mining.kmeans import Clustering, kmeans

#: Points whose silhouette is computed unless told otherwise: time and memory grow with its square.
SAMPLE = 4000
#: Halves of the points that are clustered and compared in pairs.
HALVES = 3


@dataclass(frozen=True)
class Evidence:
    """What speaks for one K.

    ``objective``: sum of all points' squared distances to their centroids. ``silhouette`` and ``stability``: of the
    functions of these names, None where they are not defined.
    """

    clustering: Clustering
    objective: float
    silhouette: float | None
    stability: float | None

    @property
    def k(self) -> int:
        """The number of clusters asked for."""
        return len(self.clustering.sizes_k)


def numbers_around(clusters: int, total: int) -> list[int]:
    """K/2, K - 2, K, K + 2 and 2K, from 2 to half the points: more could not be clustered in a half of them."""
    most = max(2, total // 2)
    wanted = (clusters // 2, clusters - 2, clusters, clusters + 2, 2 * clusters)
    return sorted({min(max(2, number), most) for number in wanted})


def check_numbers(numbers: Sequence[int], total: int | None = None) -> None:
    """UserError for a K below 2, or above the number of points where that is known."""
    for number in numbers:
        if number < 2:
            raise UserError(f"{number} is no number of clusters to compare", fix="give --k 2 or more")
        if total is not None and number > total:
            raise UserError(f"{total} entities cannot make {number} clusters", fix=f"give at most {total}")


def weigh(
    points_nd: NDArray[Any],
    numbers: Sequence[int],
    seed: int,
    sample: int = SAMPLE,
    iterations: int = 25,
    most_points: int | None = None,
    device: torch.device | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> list[Evidence]:
    """Cluster the points into each of the numbers of clusters, ascending.

    Args:
        points_nd: float32 or float16 (n, d), as k-means shall see them.
        numbers: the K to try, each from 2 to n.
        seed: of k-means, of the silhouette's sample and of the halves.
        sample: see ``silhouette``.
        iterations: of k-means, at most.
        most_points: see ``kmeans``.
        device: see ``kmeans``.
        tell: is told what is being done.
    """
    found = []
    for number in sorted(set(numbers)):
        tell(f"K = {number}: k-means over {len(points_nd):,} entities")
        clustering = kmeans(points_nd, number, iterations, seed, most_points=most_points, device=device)
        tell(f"K = {number}: silhouette")
        width = silhouette(points_nd, clustering.assignment_n, sample, seed)
        tell(f"K = {number}: stability")
        agreement = stability(points_nd, number, seed, iterations, most_points, device)
        objective = float(clustering.distance_n.sum(dtype=np.float64))
        found.append(Evidence(clustering, objective, width, agreement))
    return found


def silhouette(points_nd: NDArray[Any], cluster_n: NDArray[np.integer[Any]], sample: int, seed: int) -> float | None:
    """Mean silhouette of a sample of the points, by scikit-learn (Rousseeuw 1987): -1 to 1, the higher the better.

    A point's is (b - a) / max(a, b): a is its mean Euclidean distance to the other members of its cluster, b to the
    members of the nearest other one. Distances are those within the sample, which depends on ``seed`` and on how
    many points there are, so that it is the same for every K. None where the sample has one cluster only, or no two
    points of one cluster.
    """
    from sklearn.metrics import silhouette_score

    n = len(points_nd)
    chosen_s = np.arange(n) if sample >= n else np.sort(np.random.default_rng(seed).choice(n, sample, replace=False))
    labels_s = cluster_n[chosen_s]
    if not 1 < len(np.unique(labels_s)) < len(labels_s):
        return None
    return float(silhouette_score(points_nd[chosen_s].astype(np.float32), labels_s))


def stability(
    points_nd: NDArray[Any],
    clusters: int,
    seed: int,
    iterations: int = 25,
    most_points: int | None = None,
    device: torch.device | None = None,
) -> float | None:
    """How far clusterings of different halves agree: 1 if wholly, 0 as by chance (after Ben-Hur et al. 2002).

    ``HALVES`` random halves are drawn independently, each without replacement, and each is clustered from a
    k-means++ start of a seed of its own. Every two are compared on the points that both hold, about a quarter of all,
    by the adjusted Rand index (Hubert and Arabie 1985); the mean over the pairs is returned. The halves are the same
    for every K. None where a half has fewer points than clusters, or no two halves share two points.
    """
    from sklearn.metrics import adjusted_rand_score

    n = len(points_nd)
    random = np.random.default_rng([seed, n])
    halves: list[Integers] = [np.sort(random.choice(n, n // 2, replace=False)) for _ in range(HALVES)]
    if n // 2 < clusters:
        return None
    found = [
        kmeans(
            points_nd[half], clusters, iterations, seed + 1 + at, most_points=most_points, device=device
        ).assignment_n
        for at, half in enumerate(halves)
    ]
    scores = []
    for one, other in combinations(range(HALVES), 2):
        shared, in_one, in_other = np.intersect1d(halves[one], halves[other], return_indices=True)
        if len(shared) > 1:
            scores.append(adjusted_rand_score(found[one][in_one], found[other][in_other]))
    return float(np.mean(scores)) if scores else None
