"""Evidence for K against scikit-learn and definitions written out."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score, silhouette_score

from cofee_dist.errors import UserError
from cofee_dist.mining.choose_k import HALVES, check_numbers, numbers_around, silhouette, stability, weigh
from cofee_dist.mining.kmeans import kmeans
from tests.unit.mining.test_kmeans import blobs


def slow_silhouette(points: np.ndarray, clusters: np.ndarray) -> float:
    distances = np.sqrt(((points[:, None].astype(np.float64) - points[None]) ** 2).sum(-1))
    widths = []
    for at, own in enumerate(clusters):
        others = np.arange(len(points)) != at
        if not (others & (clusters == own)).any():
            widths.append(0.0)
            continue
        inside = distances[at][others & (clusters == own)].mean()
        nearest = min(distances[at][clusters == k].mean() for k in set(clusters.tolist()) - {own})
        widths.append((nearest - inside) / max(inside, nearest))
    return float(np.mean(widths))


def slow_stability(points: np.ndarray, clusters: int, seed: int) -> float:
    """Adjusted Rand by counting pairs of points, over halves kept as sets."""
    random, n = np.random.default_rng([seed, len(points)]), len(points)
    found = []
    for at in range(HALVES):
        half = np.sort(random.choice(n, n // 2, replace=False))
        assigned = kmeans(points[half], clusters, seed=seed + 1 + at).assignment_n
        found.append(dict(zip(half.tolist(), assigned.tolist(), strict=True)))
    scores = []
    for one, other in combinations(found, 2):
        both = neither = first = second = 0
        for a, b in combinations(sorted(set(one) & set(other)), 2):
            same_one, same_other = one[a] == one[b], other[a] == other[b]
            both += same_one and same_other
            first += same_one and not same_other
            second += same_other and not same_one
            neither += not same_one and not same_other
        worse = (both + first) * (first + neither) + (both + second) * (second + neither)
        scores.append(2 * (both * neither - first * second) / worse)
    return float(np.mean(scores))


def test_silhouette_of_all_points_is_the_definition_and_scikit_learns() -> None:
    points, _ = blobs(120, 4, 5, seed=0, spread=2)
    clusters = kmeans(points, 6).assignment_n
    found = silhouette(points, clusters, sample=120, seed=0)
    assert found == pytest.approx(slow_silhouette(points, clusters), abs=1e-5)
    assert found == pytest.approx(silhouette_score(points, clusters), abs=1e-6)
    assert silhouette(points, clusters, sample=10**6, seed=3) == pytest.approx(found)


def test_silhouette_of_a_sample_is_near_that_of_all_and_moves_with_the_seed() -> None:
    points, truth = blobs(4000, 6, 5, seed=1, spread=1.5)
    whole = silhouette_score(points, truth)
    sampled = [silhouette(points, truth, sample=800, seed=seed) for seed in (0, 0, 1)]
    assert sampled == pytest.approx([whole] * 3, abs=0.03)
    assert sampled[0] == sampled[1] != sampled[2]


@pytest.mark.parametrize("clusters", [np.zeros(9, int), np.arange(9)])
def test_silhouette_of_one_cluster_or_of_lone_points_is_not_known(clusters: np.ndarray) -> None:
    assert silhouette(np.random.default_rng(0).normal(size=(9, 2)), clusters, 9, 0) is None


def test_half_precision_gives_the_silhouette_of_full() -> None:
    points, truth = blobs(300, 4, 3, seed=0)
    half = silhouette(points.astype(np.float16), truth, 300, 0)
    assert half == pytest.approx(silhouette(points, truth, 300, 0), abs=1e-3)


def test_stability_against_counted_pairs() -> None:
    points, _ = blobs(160, 3, 4, seed=2, spread=3)
    found = stability(points, 5, seed=4)
    assert found == pytest.approx(slow_stability(points, 5, seed=4), abs=1e-9)
    assert 0 < found < 1


def test_stability_is_one_where_there_are_as_many_blobs_and_less_in_one_gaussian() -> None:
    points, _ = blobs(1200, 8, 6, seed=3, spread=0.2)
    gaussian = np.random.default_rng(0).normal(size=(1200, 8)).astype(np.float32)
    assert stability(points, 6, seed=0) == 1
    assert stability(points, 9, seed=0) < 0.95
    assert stability(gaussian, 6, seed=0) < 0.6


def test_true_number_of_blobs_stands_out() -> None:
    points, truth = blobs(1500, 10, 7, seed=5, spread=0.5)
    found = weigh(points, [14, 4, 7, 5, 9, 7], seed=0, sample=600)
    assert [row.k for row in found] == [4, 5, 7, 9, 14]
    assert max(found, key=lambda row: row.silhouette or -1).k == 7
    assert max(found, key=lambda row: row.stability or -1).k == 7
    assert all(before.objective > after.objective for before, after in pairwise(found))
    assert adjusted_rand_score(truth, found[2].clustering.assignment_n) == 1
    offsets = points - found[2].clustering.centroids_kd[found[2].clustering.assignment_n]
    assert found[2].objective == pytest.approx(float((offsets.astype(np.float64) ** 2).sum()), rel=1e-5)


def test_same_seed_same_evidence() -> None:
    points, _ = blobs(300, 4, 3, seed=0)
    first, again = (weigh(points, [3, 5], seed=2, sample=100, most_points=200) for _ in range(2))
    assert [(r.objective, r.silhouette, r.stability) for r in first] == [
        (r.objective, r.silhouette, r.stability) for r in again
    ]
    assert [row.clustering.trained_on for row in first] == [200, 200]


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_few_points(n: int) -> None:
    points = np.random.default_rng(0).normal(size=(n, 2)).astype(np.float32)
    for row in weigh(points, range(2, n + 1), seed=0):
        assert row.stability is None or n // 2 >= row.k
        assert (row.silhouette is None) == (row.k == n)


def test_numbers_around() -> None:
    assert numbers_around(23, 10_000) == [11, 21, 23, 25, 46]
    assert numbers_around(23, 50) == [11, 21, 23, 25]
    assert numbers_around(23, 20) == [10]
    assert numbers_around(2, 10_000) == [2, 4]
    assert numbers_around(1, 3) == [2]


def test_numbers_that_cannot_be() -> None:
    check_numbers([2, 5], 5)
    with pytest.raises(UserError, match="--k 2 or more"):
        check_numbers([5, 1])
    with pytest.raises(UserError, match="5 entities cannot make 6 clusters"):
        check_numbers([2, 6], 5)
