"""One worker and two take the same steps, with dropout, and leave the same labels, clusters and scores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cofee_dist.artifacts import read_json
from cofee_dist.labels.ledger import iterations, read_iteration, spans
from cofee_dist.train.metrics import read_metrics
from tests.distributed.two_processes import run_on
from tests.training import make_job, weights_of

STAGES = ("esi", "nee", "fet")
ROOT = Path(__file__).resolve().parents[2]
#: Gradients are summed in another order, and Adam magnifies that where a second moment is small.
TOLERANCE = 2e-4
#: Weights that differ so little leave a small gradient (of a loss that has fallen far) less alike.
NORM_TOLERANCE = 1e-2

pytestmark = pytest.mark.deepspeed


def run_all(rank: int, jobs: list[Any]) -> None:
    from cofee_dist.train.worker import run_stage

    for job in jobs:
        run_stage(job)


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> dict[int, dict[str, Any]]:
    """Every stage by one worker and by two. A step has two micro-batches."""
    made: dict[int, dict[str, Any]] = {}
    zero2 = str(ROOT / "cluster/deepspeed/zero2.json")
    engine = {"name": "deepspeed", "deepspeed_config": zero2, "batch_tokens": 150, "micro_batch_tokens": 75}
    for workers in (1, 2):
        folder = tmp_path_factory.mktemp(f"workers{workers}")
        made[workers] = {stage: make_job(folder / stage, stage, **engine, workers=workers) for stage in STAGES}
        run_on(workers, run_all, list(made[workers].values()))
    return made


@pytest.mark.parametrize("stage", STAGES)
def test_same_steps_and_scores(stage: str, jobs: dict[int, dict[str, Any]]) -> None:
    one, two = (list(read_metrics(jobs[workers][stage].folder / "metrics.jsonl")) for workers in (1, 2))
    assert [line["step"] for line in one] == [line["step"] for line in two] != []
    for left, right in zip(one, two, strict=True):
        for name in left.keys() & {"validation_f1", "validation_p", "validation_r", "labels", "learning_rate"}:
            assert left[name] == right[name], (left["step"], name)
        for name in left.keys() & {"loss", "mrc_loss", "cluster_loss"}:
            assert left[name] == pytest.approx(right[name], abs=TOLERANCE), (left["step"], name)
        if "gradient_norm" in left.keys() | right.keys():
            assert left["gradient_norm"] == pytest.approx(right["gradient_norm"], rel=NORM_TOLERANCE), left["step"]
    assert sum("gradient_norm" in line for line in one) > 1
    one, two = (read_json(jobs[workers][stage].folder / "result.json") for workers in (1, 2))
    assert one["validation_f1"] == two["validation_f1"]
    assert one["steps"] == two["steps"] > 10


@pytest.mark.parametrize("stage", STAGES)
def test_same_weights(stage: str, jobs: dict[int, dict[str, Any]]) -> None:
    one, two = (weights_of(jobs[workers][stage].folder / "model") for workers in (1, 2))
    for name, value in one.items():
        if name.endswith("key.bias"):
            continue  # Softmax takes no notice of it: its gradient is rounding error, which Adam makes large.
        torch.testing.assert_close(
            value, two[name], rtol=0, atol=TOLERANCE, msg=lambda told, name=name: f"{name} {told}"
        )


def test_same_labels(jobs: dict[int, dict[str, Any]]) -> None:
    one, two = (jobs[workers]["nee"].folder / "labels" for workers in (1, 2))
    assert iterations(one) == iterations(two)
    assert len(iterations(one)) > 2
    picked = 0
    for iteration in iterations(one):
        left, right = (spans(read_iteration(ledger, iteration)) for ledger in (one, two))
        assert left.drop_columns("score").equals(right.drop_columns("score"))
        np.testing.assert_allclose(left.column("score"), right.column("score"), atol=TOLERANCE)
        picked += left.column("source").to_pylist().count("picked")
    assert picked > 0


def test_same_clusters(jobs: dict[int, dict[str, Any]]) -> None:
    one, two = (sorted((jobs[workers]["fet"].folder / "clusters").glob("*.npz")) for workers in (1, 2))
    assert [path.name for path in one] == [path.name for path in two] != []
    for left, right in zip(one, two, strict=True):
        with np.load(left) as before, np.load(right) as after:
            np.testing.assert_array_equal(before["assignment_n"], after["assignment_n"])
            np.testing.assert_allclose(before["weights_k"], after["weights_k"], atol=TOLERANCE)
