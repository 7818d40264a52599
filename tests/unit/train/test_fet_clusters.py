"""FET's clusters from one epoch to the next: their ids stay comparable, and what k-means did is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cofee_dist.artifacts import read_json
from cofee_dist.config import Fet
from cofee_dist.train.metrics import read_metrics
from cofee_dist.train.stage_fet import clusters_path
from cofee_dist.train.worker import run_stage
from tests.training import make_job


@pytest.mark.parametrize("pca_dimensions", [None, 5])
def test_ids_stay_comparable_while_the_model_hardly_moves(pca_dimensions: int | None, tmp_path: Path) -> None:
    settings = Fet(epochs=3, learning_rate=1e-6, clusters=4, pca_dimensions=pca_dimensions)
    job = replace(make_job(tmp_path, "fet"), settings=settings)
    run_stage(job)
    lines = [line for line in read_metrics(job.folder / "metrics.jsonl") if "validation_f1" in line]
    shares = [line.get("moved_share") for line in lines]
    assert shares[0] is None
    assert len(shares) == 3
    assert all(0 <= share < 0.05 for share in shares[1:])


def test_every_iteration_of_k_means_is_told(tmp_path: Path) -> None:
    job = make_job(tmp_path, "fet")
    run_stage(job)
    told = read_json(clusters_path(job.folder, 0).with_suffix(".json"))
    assert len(told["objective"]) == len(told["imbalance"]) == len(told["reseeded"]) > 0
    assert all(1 <= value <= len(told["sizes"]) for value in told["imbalance"])
