"""K-means against scikit-learn, brute force, and what may go wrong with clusters."""

from __future__ import annotations

import builtins
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans

from cofee_dist.errors import UserError
from cofee_dist.mining import blocks, nearest, threads
from cofee_dist.mining.kmeans import kmeans
from cofee_dist.mining.members import Members
from cofee_dist.mining.points import Points


def blobs(n: int, d: int, centres: int, seed: int, spread: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, centres, n)
    points = rng.normal(size=(centres, d))[truth] * 4 + rng.normal(size=(n, d)) * spread
    return points.astype(np.float32), truth


def unmoved(points: np.ndarray) -> Points:
    return Points(points.astype(np.float32), float(np.square(points, dtype=np.float64).sum()))


def slow_lloyd(points: np.ndarray, centroids: np.ndarray, iterations: int) -> tuple[np.ndarray, list[float]]:
    points = points.astype(np.float64)
    objective = []
    for _ in range(iterations):
        assignment = ((points[:, None] - centroids[None]) ** 2).sum(-1).argmin(1)
        centroids = np.stack([points[assignment == k].mean(0) for k in range(len(centroids))])
        objective.append(float(((points - centroids[assignment]) ** 2).sum()))
    return centroids, objective


@pytest.mark.parametrize("offset", [0.0, 300.0])
def test_iteration_by_iteration_against_brute_force(offset: float) -> None:
    points, _ = blobs(400, 5, 6, seed=1, spread=3)
    points += np.float32(offset)
    start = points[:6].copy()
    found = kmeans(points, 6, iterations=4, initial_kd=start, tolerance=0)
    centroids, objective = slow_lloyd(points, start.astype(np.float64), 4)
    np.testing.assert_allclose(found.objective, objective, rtol=1e-6)
    np.testing.assert_allclose(found.centroids_kd, centroids, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("n", "d", "clusters"), [(3000, 16, 7), (2000, 3, 23)])
def test_objective_of_scikit_learn_from_the_same_start(n: int, d: int, clusters: int) -> None:
    points, _ = blobs(n, d, 12, seed=2, spread=2)
    start = points[:clusters].copy()
    reference = KMeans(clusters, init=start, n_init=1, max_iter=200, tol=0, algorithm="lloyd").fit(points)
    found = kmeans(points, clusters, iterations=200, initial_kd=start, tolerance=0)
    assert float(found.distance_n.sum(dtype=np.float64)) == pytest.approx(reference.inertia_, rel=1e-3)
    assert (found.assignment_n == reference.labels_).mean() > 0.99


def test_own_start_is_as_good_as_scikit_learns() -> None:
    points, truth = blobs(4000, 8, 10, seed=3)
    reference = KMeans(10, n_init=3, random_state=0).fit(points)
    found = kmeans(points, 10, iterations=100, seed=0)
    assert float(found.distance_n.sum(dtype=np.float64)) <= reference.inertia_ * 1.1
    # Well apart as they are, blobs and clusters are one to one.
    assert len(set(zip(truth.tolist(), found.assignment_n.tolist(), strict=True))) <= 12


@given(st.integers(0, 1000), st.integers(1, 60), st.integers(1, 8), st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_what_holds_of_every_clustering(seed: int, n: int, clusters: int, d: int) -> None:
    clusters = min(clusters, n)
    # Few distinct values: many points coincide.
    points = np.random.default_rng(seed).integers(0, 4, (n, d)).astype(np.float32) + 100
    found = kmeans(points, clusters, seed=seed)
    squares = ((points[:, None].astype(np.float64) - found.centroids_kd[None]) ** 2).sum(-1)
    np.testing.assert_allclose(found.distance_n, squares.min(1), atol=1e-3)
    np.testing.assert_allclose(found.distance_n, squares[np.arange(n), found.assignment_n], atol=1e-3)
    assert found.sizes_k.sum() == n
    np.testing.assert_array_equal(found.sizes_k, np.bincount(found.assignment_n, minlength=clusters))
    for k in range(clusters):
        mine = found.distance_n[found.assignment_n == k]
        assert found.variances_k[k] == pytest.approx(mine.mean() if len(mine) else 0.0, abs=1e-4)
    # Lloyd never makes it worse, and neither does giving an empty cluster a far point.
    assert all(after <= before * (1 + 1e-9) + 1e-6 for before, after in pairwise(found.objective))


def test_same_input_same_output() -> None:
    points, _ = blobs(2000, 6, 9, seed=4, spread=3)
    one, two, other = (kmeans(points, 9, seed=seed) for seed in (5, 5, 6))
    assert np.array_equal(one.assignment_n, two.assignment_n)
    assert np.array_equal(one.centroids_kd, two.centroids_kd)
    assert one.objective == two.objective
    assert not np.array_equal(one.centroids_kd, other.centroids_kd)


def test_blocks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    points, _ = blobs(1000, 6, 5, seed=8, spread=3)
    whole = kmeans(points, 5)
    monkeypatch.setattr(blocks, "BLOCK_ROWS", 77)
    monkeypatch.setattr(nearest, "BLOCK_ROWS", 50)
    monkeypatch.setattr(threads, "PART_ROWS", 300)
    parts = kmeans(points, 5)
    assert np.array_equal(whole.assignment_n, parts.assignment_n)
    np.testing.assert_allclose(whole.objective, parts.objective, rtol=1e-9)


def test_a_warm_start_keeps_the_clusters_numbers() -> None:
    points, _ = blobs(1500, 6, 8, seed=5)
    first = kmeans(points, 8, iterations=50)
    drifted = points + np.random.default_rng(0).normal(size=points.shape).astype(np.float32) * 0.1
    again = kmeans(drifted, 8, initial_kd=first.centroids_kd)
    assert (first.assignment_n == again.assignment_n).mean() > 0.99


@pytest.mark.parametrize("most_points", [None, 400])
def test_an_assignment_keeps_the_clusters_numbers_in_another_space(most_points: int | None) -> None:
    points, _ = blobs(1500, 6, 8, seed=5)
    first = kmeans(points, 8, iterations=50)
    axes = np.linalg.qr(np.random.default_rng(1).normal(size=(6, 6)))[0]
    turned = (points @ axes * 3 - 7).astype(np.float32)
    again = kmeans(turned, 8, initial_n=first.assignment_n, most_points=most_points)
    assert (first.assignment_n == again.assignment_n).mean() > 0.99
    from_centroids = kmeans(turned, 8, initial_kd=first.centroids_kd)
    assert (first.assignment_n == from_centroids.assignment_n).mean() < 0.9


def test_a_start_whose_clusters_have_no_members_is_filled() -> None:
    points, _ = blobs(900, 6, 8, seed=5)
    found = kmeans(points, 8, initial_n=np.full(900, 3, np.int32))
    assert (found.sizes_k > 0).all()
    with pytest.raises(ValueError, match="assignment has shape"):
        kmeans(points, 8, initial_n=np.zeros(3, np.int32))


@pytest.mark.parametrize("offset", [0.0, 50.0])
def test_half_precision_and_mapped_points(offset: float, tmp_path: Path) -> None:
    points, _ = blobs(2500, 6, 5, seed=9)
    halves = (points + offset).astype(np.float16)
    expected = kmeans(halves.astype(np.float32), 5)
    np.save(tmp_path / "points.npy", halves)
    for mode in ("r", "c"):
        found = kmeans(np.load(tmp_path / "points.npy", mmap_mode=mode), 5)
        assert np.array_equal(found.assignment_n, expected.assignment_n)
        assert found.objective == expected.objective


def test_how_uneven_the_clusters_are_is_told_of_each_iteration() -> None:
    points, _ = blobs(1000, 6, 5, seed=8, spread=3)
    found = kmeans(points, 5, iterations=6, tolerance=0)
    assert len(found.imbalance) == len(found.objective) == len(found.reseeded)
    # What an iteration counts is what the one before leaves.
    before = kmeans(points, 5, iterations=len(found.imbalance) - 1, tolerance=0)
    assert found.imbalance[-1] == pytest.approx(before.sizes_k.max() / 200)


def test_an_empty_cluster_gets_the_farthest_point_and_is_reported() -> None:
    points = np.array([[0, 0], [0.1, 0], [0, 0.1], [9, 9], [9.1, 9]], dtype=np.float32)
    # No point is nearest to the last centroid.
    start = np.array([[0, 0], [1000, 1000]], dtype=np.float32)
    found = kmeans(points, 2, initial_kd=start)
    assert found.reseeded[0] == 1
    assert found.sizes_k.tolist() == [3, 2]
    assert found.assignment_n.tolist() == [0, 0, 0, 1, 1]


def test_more_clusters_than_distinct_points_leaves_some_empty() -> None:
    points = np.repeat(np.array([[0.0, 1.0], [5.0, 5.0]], dtype=np.float32), 10, axis=0)
    found = kmeans(points, 4)
    assert sorted(found.sizes_k.tolist()) == [0, 0, 10, 10]
    assert found.variances_k.tolist() == [0, 0, 0, 0]
    assert np.isfinite(found.centroids_kd).all()


def test_far_from_the_origin_distances_do_not_cancel() -> None:
    rng = np.random.default_rng(0)
    points = (rng.normal(size=(500, 4)) * 0.01 + rng.integers(0, 2, (500, 1)) + 4096).astype(np.float32)
    found = kmeans(points, 2)
    exact = ((points.astype(np.float64)[:, None] - found.centroids_kd[None]) ** 2).sum(-1).min(1)
    np.testing.assert_allclose(found.distance_n, exact, rtol=0.2, atol=1e-5)
    assert sorted(found.sizes_k.tolist()) == sorted(np.bincount((points[:, 0] > 4096.5).astype(int)).tolist())


def test_sums_are_float64() -> None:
    # In float32 the sum of these stops at 2**24 and the mean comes out wrong.
    members = Members(unmoved(np.full((200, 1), 2.0**24 + 2)), np.arange(200), 1)
    members.move(np.zeros(200, dtype=np.int32))
    assert members.centroids(np.zeros((1, 1))).item() == 2.0**24 + 2
    big = Members(unmoved(np.array([[2.0**24], [1.0], [1.0]])), np.arange(3), 1)
    big.move(np.zeros(3, dtype=np.int32))
    assert big.sums_kd.item() == 2**24 + 2


def test_moves_leave_the_sums_of_a_fresh_count() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(300, 3)).astype(np.float32)
    members = Members(unmoved(points), np.arange(300), 4)
    for _ in range(5):
        assignment = rng.integers(0, 4, 300).astype(np.int32)
        members.move(assignment)
    expected = np.stack([points[assignment == k].astype(np.float64).sum(0) for k in range(4)])
    np.testing.assert_allclose(members.sums_kd, expected, atol=1e-10)
    assert members.sizes_k.tolist() == np.bincount(assignment, minlength=4).tolist()


def test_as_many_points_as_clusters_and_fewer() -> None:
    points, _ = blobs(6, 3, 6, seed=1)
    found = kmeans(points, 6)
    assert found.sizes_k.tolist() == [1] * 6
    assert found.distance_n.max() < 1e-9
    with pytest.raises(UserError, match="6 entities cannot make 7 clusters"):
        kmeans(points, 7)


def test_what_is_not_finite_is_refused() -> None:
    points, _ = blobs(10, 3, 2, seed=1)
    points[3, 1] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        kmeans(points, 2)
    with pytest.raises(ValueError, match="shape"):
        kmeans(np.zeros((5, 3), np.float32), 2, initial_kd=np.zeros((3, 3), np.float32))


def test_without_faiss_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *arguments: Any, **settings: Any) -> Any:
        if name == "faiss":
            raise ImportError(name)
        return real(name, *arguments, **settings)

    monkeypatch.delitem(sys.modules, "faiss", raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UserError, match=r"pip install 'cofee-dist\[cpu\]'"):
        kmeans(np.zeros((5, 3), np.float32), 2)
