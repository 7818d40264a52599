"""Whitening against scikit-learn's PCA."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.preprocessing import normalize

from cofee_dist.errors import UserError
from cofee_dist.mining import blocks
from cofee_dist.mining.whitening import fit_whitening


def correlated(n: int, d: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + 50).astype(np.float32)


@pytest.mark.parametrize("dimensions", [1, 4, 10])
def test_against_scikit_learn(dimensions: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK_ROWS", 64)
    points = correlated(500, 10)
    reference = PCA(dimensions, whiten=True, svd_solver="full").fit(points.astype(np.float64))
    expected = normalize(reference.transform(points.astype(np.float64)))
    found = fit_whitening(points, dimensions).apply(points)
    assert found.dtype == np.float32
    # The sign of an axis is anyone's choice.
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=1e-4)
    np.testing.assert_allclose(found @ found.T, expected @ expected.T, atol=1e-4)


def test_new_points_go_the_same_way() -> None:
    points = correlated(300, 6)
    fitted = fit_whitening(points, 3)
    np.testing.assert_array_equal(fitted.apply(points)[7:9], fitted.apply(points[7:9]))


def test_points_that_span_less_give_fewer_dimensions() -> None:
    points = correlated(100, 3)
    flat = np.hstack([points, points[:, :1] * 2])
    found = fit_whitening(flat, 4).apply(flat)
    assert found.shape == (100, 3)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


def test_the_mean_itself_stays_finite() -> None:
    points = np.array([[-1, 0], [1, 0], [0, 0]], dtype=np.float32)
    assert fit_whitening(points, 1).apply(points)[2].tolist() == [0]


def test_the_users_mistakes() -> None:
    with pytest.raises(UserError, match="3 dimensions to 4"):
        fit_whitening(correlated(20, 3), 4)
    with pytest.raises(UserError, match="all entity embeddings are the same"):
        fit_whitening(np.ones((20, 3), np.float32), 2)
