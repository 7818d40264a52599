"""Two processes that hold a share of the points each find what one process with all of them finds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cofee_dist.mining.kmeans import kmeans
from cofee_dist.mining.variances import cluster_variances
from cofee_dist.mining.whitening import fit_whitening
from tests.distributed.two_processes import run_on


def points(n: int = 3001, d: int = 12) -> np.ndarray:
    rng = np.random.default_rng(3)
    return (rng.normal(size=(9, d))[rng.integers(0, 9, n)] * 4 + rng.normal(size=(n, d)) + 20).astype(np.float32)


#: What is asked of k-means: from a start of its own, on a sample, from an assignment in which a cluster has no members,
#: and from a start that leaves clusters empty.
CASES: dict[str, dict[str, Any]] = {
    "all points": {"clusters": 9},
    "a sample": {"clusters": 9, "most_points": 700},
    "an assignment": {"clusters": 9, "initial_n": np.random.default_rng(4).integers(0, 8, 3001).astype(np.int32)},
    "empty clusters": {
        "clusters": 9,
        "initial_kd": np.concatenate([points()[:5], np.full((4, 12), 1e6)]).astype(np.float32),
    },
}


def mine(share: np.ndarray, index: np.ndarray, case: dict[str, Any]) -> dict[str, np.ndarray]:
    """Everything that ranks do together, on one share."""
    case = dict(case)
    if "initial_n" in case:
        case["initial_n"] = case["initial_n"][index]
    found = kmeans(share, iterations=12, seed=5, index_n=index, **case)
    whitening = fit_whitening(share, 4)
    return {
        "index": index,
        "assignment": found.assignment_n,
        "distance": found.distance_n,
        "sizes": found.sizes_k,
        "centroids": found.centroids_kd,
        "objective": np.array(found.objective),
        "reseeded": np.array(found.reseeded),
        "imbalance": np.array(found.imbalance),
        "spread": found.variances_k,
        "variances": cluster_variances(share, found.assignment_n, case["clusters"]),
        "covariance": whitening.projection_dp @ whitening.projection_dp.T,
        "mean": whitening.mean_d,
    }


def mine_a_share(rank: int, name: str, folder: Path) -> None:
    import torch

    torch.distributed.init_process_group("gloo")
    # Uneven shares: a third and two thirds.
    index = np.flatnonzero((np.arange(len(points())) % 3 == 0) == (rank == 0))
    np.savez(folder / f"{rank}.npz", **mine(points()[index], index, CASES[name]))
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize("name", CASES)
def test_two_processes_find_the_clusters_of_one(name: str, tmp_path: Path) -> None:
    whole = mine(points(), np.arange(len(points())), CASES[name])
    run_on(2, mine_a_share, name, tmp_path)
    shares = [dict(np.load(tmp_path / f"{rank}.npz")) for rank in range(2)]
    order = np.argsort(np.concatenate([share["index"] for share in shares]))
    for own in ("assignment", "distance"):
        together = np.concatenate([share[own] for share in shares])[order]
        np.testing.assert_allclose(together, whole[own], rtol=1e-5, err_msg=own)
    assert (np.bincount(whole["assignment"]) == whole["sizes"]).all()
    for share in shares:
        for common in ("sizes", "reseeded", "imbalance"):
            np.testing.assert_array_equal(share[common], whole[common], err_msg=common)
        for common in ("centroids", "objective", "spread", "variances", "covariance", "mean"):
            np.testing.assert_allclose(share[common], whole[common], rtol=1e-5, err_msg=common)
    assert (whole["reseeded"].sum() > 0) == (name == "empty clusters")


def mine_nothing(rank: int, folder: Path) -> None:
    import torch

    torch.distributed.init_process_group("gloo")
    index = np.arange(len(points())) if rank == 0 else np.empty(0, dtype=np.int64)
    found = kmeans(points()[index], 9, seed=5, index_n=index)
    np.save(folder / f"{rank}.npy", found.sizes_k)
    torch.distributed.destroy_process_group()


def test_a_process_without_points_takes_part(tmp_path: Path) -> None:
    run_on(2, mine_nothing, tmp_path)
    expected = kmeans(points(), 9, seed=5).sizes_k
    for rank in range(2):
        np.testing.assert_array_equal(np.load(tmp_path / f"{rank}.npy"), expected)
