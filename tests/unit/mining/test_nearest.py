"""The nearest centroid against brute force, by product and by FAISS, and where FAISS runs."""

from __future__ import annotations

from typing import Any

import faiss
import numpy as np
import pytest
import torch

from cofee_dist.mining import nearest
from cofee_dist.mining.kmeans import kmeans
from cofee_dist.mining.nearest import nearest_of
from cofee_dist.mining.points import Points


@pytest.mark.parametrize("below", [0, 1000])
@pytest.mark.parametrize(("n", "clusters"), [(1, 1), (600, 23), (2100, 70)])
def test_against_brute_force(n: int, clusters: int, below: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest, "PRODUCT_BELOW", below)
    random = np.random.default_rng(0)
    points, centroids = random.normal(size=(n, 6)).astype(np.float32), random.normal(size=(clusters, 6))
    squares = ((points[:, None].astype(np.float64) - centroids) ** 2).sum(-1)
    whole = slice(0, n)
    for before in (None, random.integers(0, clusters, n).astype(np.int32), squares.argmin(1).astype(np.int32)):
        found = nearest_of(centroids).of(Points.of(points), whole, before)
        assert found.dtype == np.int32
        np.testing.assert_allclose(squares[np.arange(n), found], squares.min(1), atol=1e-5)


@pytest.mark.parametrize("below", [0, 1000])
def test_equal_points_go_to_one_of_equal_centroids(below: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest, "PRODUCT_BELOW", below)
    points = Points.of(np.random.default_rng(0).normal(size=(700, 2)).astype(np.float32) * 1e-4 + [1, 2])
    centroids = np.array([[9.0, 9.0], [1.0, 2.0], [1.0, 2.0]])
    found = nearest_of(points.shifted(centroids)).of(points, slice(0, 700))
    assert len(set(found.tolist())) == 1
    assert found[0] in (1, 2)


@pytest.mark.parametrize(("device", "on_gpu"), [("cpu", False), ("cuda", True), (None, False)])
def test_a_gpu_is_taken_for_cuda_only(device: str | None, on_gpu: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def as_gpu(faiss: Any, centroids_kd: np.ndarray, device: torch.device) -> Any:
        asked.append(device)
        index = faiss.IndexFlatL2(centroids_kd.shape[1])
        index.add(centroids_kd)
        return index

    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 1)
    monkeypatch.setattr(nearest, "_gpu_index", as_gpu)
    points = np.random.default_rng(0).normal(size=(3000, 4)).astype(np.float32)
    found = kmeans(points, 3, device=None if device is None else torch.device(device))
    assert bool(asked) == on_gpu
    assert np.array_equal(found.assignment_n, kmeans(points, 3).assignment_n)


def test_cuda_without_faiss_gpu_is_assigned_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 0)
    points = np.random.default_rng(0).normal(size=(300, 4)).astype(np.float32)
    found = kmeans(points, 3, device=torch.device("cuda"))
    assert np.array_equal(found.assignment_n, kmeans(points, 3).assignment_n)
