"""Eq. 9 against its formula."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cofee_dist.mining import blocks
from cofee_dist.mining.variances import cluster_variances


@given(st.integers(0, 10_000), st.integers(1, 30), st.integers(1, 6), st.sampled_from(["mean", "sum"]))
@settings(max_examples=50, deadline=None)
def test_eq9_against_the_formula(seed: int, n: int, k: int, reduction: Literal["mean", "sum"]) -> None:
    rng = np.random.default_rng(seed)
    points, cluster = rng.normal(size=(n, 3)) + 100, rng.integers(0, k, n)
    expected = []
    for c in range(k):
        members = points[cluster == c]
        squares = [((x - members.mean(0)) ** 2).sum() for x in members]
        expected.append(sum(squares) / (len(squares) if reduction == "mean" and squares else 1))
    np.testing.assert_allclose(cluster_variances(points, cluster, k, reduction), expected, atol=1e-9)


def test_eq9_in_blocks_equals_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    points, cluster = rng.normal(size=(50, 4)).astype(np.float32), rng.integers(0, 3, 50)
    whole = cluster_variances(points, cluster, 3)
    monkeypatch.setattr(blocks, "BLOCK_ROWS", 7)
    np.testing.assert_allclose(cluster_variances(points, cluster, 3), whole)
