"""Where k-means begins: greedy k-means++ on a sample of the points of all ranks."""

from __future__ import annotations

import numpy as np

from cofee_dist.mining.blocks import Doubles, Integers
from cofee_dist.mining.points import Points
from cofee_dist.ranks import gather_rows

#: k-means++ sees at most so many points for each cluster.
_SEEDING_POINTS = 256


def seed_centroids(
    points: Points, index_n: Integers, numbers_t: Integers | int, clusters: int, random: np.random.Generator
) -> Doubles:
    """Greedy k-means++ (Arthur and Vassilvitskii 2007): each new centroid is the best of a few draws.

    The sample is chosen by the points' numbers and comes to every rank, which then find the same centroids.

    Args:
        points: this rank's.
        index_n: their numbers.
        numbers_t: the numbers of all ranks' points; N for 0 to N - 1.
        clusters: K.
        random: in the same state on every rank.
    """
    total = numbers_t if isinstance(numbers_t, int) else len(numbers_t)
    size = min(total, _SEEDING_POINTS * clusters)
    sampled = np.flatnonzero(np.isin(index_n, random.choice(numbers_t, size, replace=False)))
    sample_sd = gather_rows(index_n[sampled], points.read(sampled))[1].astype(np.float64)
    squares_s = np.square(sample_sd).sum(1)

    def distances_to(chosen_c: Integers) -> Doubles:
        products_cs = sample_sd[chosen_c] @ sample_sd.T
        return np.maximum(squares_s[chosen_c, None] + squares_s[None, :] - 2 * products_cs, 0.0)

    chosen = [int(random.integers(size))]
    nearest_s = distances_to(np.array(chosen))[0]
    draws = 2 + int(np.log(clusters))
    for _ in range(clusters - 1):
        total = nearest_s.sum()
        # Once every distinct point is a centroid, any point will do: its cluster stays empty.
        share_s = nearest_s / total if total > 0 else None
        candidates_c = random.choice(size, draws, p=share_s)
        after_cs = np.minimum(distances_to(candidates_c), nearest_s)
        best = int(after_cs.sum(1).argmin())
        chosen.append(int(candidates_c[best]))
        nearest_s = after_cs[best]
    return sample_sd[chosen]
