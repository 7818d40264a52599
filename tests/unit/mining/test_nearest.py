"""The nearest centroid against brute force, by product and by FAISS."""

from __future__ import annotations

import numpy as np
import pytest

from cofee_dist.mining import nearest
from cofee_dist.mining.nearest import nearest_centroids


@pytest.mark.parametrize("below", [0, 1000])
@pytest.mark.parametrize(("n", "clusters"), [(1, 1), (600, 23), (2100, 70), (0, 3)])
def test_against_brute_force(n: int, clusters: int, below: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest, "PRODUCT_BELOW", below)
    random = np.random.default_rng(0)
    points, centroids = random.normal(size=(n, 6)).astype(np.float32), random.normal(size=(clusters, 6))
    squares = ((points[:, None].astype(np.float64) - centroids) ** 2).sum(-1)
    found = nearest_centroids(points, centroids)
    assert found.dtype == np.int64
    np.testing.assert_allclose(squares[np.arange(n), found], squares.min(1), atol=1e-5)


@pytest.mark.parametrize("below", [0, 1000])
def test_equal_points_go_to_one_of_equal_centroids(below: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest, "PRODUCT_BELOW", below)
    points = np.repeat(np.array([[1.0, 2.0]], dtype=np.float32), 700, axis=0)
    found = nearest_centroids(points, np.array([[9.0, 9.0], [1.0, 2.0], [1.0, 2.0]]))
    assert len(set(found.tolist())) == 1
    assert found[0] in (1, 2)
