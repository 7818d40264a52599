"""Workers and drivers of a real Ray cluster are killed; the job ends with the weights and labels of one left alone."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cofee_dist.artifacts import read_json
from cofee_dist.labels.ledger import iterations, read_iteration
from cofee_dist.train.metrics import read_metrics
from tests.distributed.killing import Kill, KillingJob
from tests.distributed.two_processes import run_on
from tests.training import make_job, weights_of

pytestmark = [pytest.mark.deepspeed, pytest.mark.chaos]
ROOT = Path(__file__).resolve().parents[2]
TRAIN = "cofee_dist.train"
#: So that workers find the tests, and this package where this process found it.
ENVIRONMENT = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "DS_ACCELERATOR": "cpu"}

#: When, the stage, the call, and on which rank.
WORKERS = {
    "in a step": ("esi", f"{TRAIN}.loop", "train_step", 5, 1),
    "while a checkpoint is written": ("nee", f"{TRAIN}.checkpoint", "write_json", 4, 0),
    "in re-labelling": ("nee", f"{TRAIN}.stage_nee", "pick", 2, 1),
    "in clustering": ("fet", f"{TRAIN}.stage_fet", "kmeans", 2, 0),
}


def job_of(folder: Path, stage: str) -> Any:
    zero2 = str(ROOT / "cluster/deepspeed/zero2.json")
    return make_job(folder, stage, name="deepspeed", workers=2, deepspeed_config=zero2)


def left_alone(rank: int, job: Any) -> None:
    from cofee_dist.train.worker import run_stage

    run_stage(job)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Each stage as two processes finish it that nothing happens to, without Ray."""
    jobs: dict[str, Any] = {}

    def of(stage: str) -> Any:
        if stage not in jobs:
            jobs[stage] = job_of(tmp_path_factory.mktemp(stage), stage)
            run_on(2, left_alone, jobs[stage])
        return jobs[stage]

    return of


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """A Ray cluster of two cores."""
    import ray

    ray.init(num_cpus=2, log_to_driver=False, logging_level="ERROR", runtime_env={"env_vars": ENVIRONMENT})
    yield
    ray.shutdown()


def assert_the_same(job: Any, whole: Any) -> None:
    left, right = weights_of(job.folder / "model"), weights_of(whole.folder / "model")
    assert left.keys() == right.keys()
    for name, value in right.items():
        assert torch.equal(left[name], value), name
    assert read_json(job.folder / "result.json") == read_json(whole.folder / "result.json")
    steps = [[line["step"] for line in read_metrics(each.folder / "metrics.jsonl")] for each in (job, whole)]
    assert steps[0] == steps[1] != []
    assert iterations(job.folder / "labels") == iterations(whole.folder / "labels")
    for iteration in iterations(whole.folder / "labels"):
        assert read_iteration(job.folder / "labels", iteration).equals(
            read_iteration(whole.folder / "labels", iteration)
        )
    for path in sorted((whole.folder / "clusters").glob("*.npz")):
        with np.load(path) as clusters, np.load(job.folder / "clusters" / path.name) as found:
            for name in clusters.files:
                np.testing.assert_array_equal(found[name], clusters[name])


@pytest.mark.parametrize("when", WORKERS)
def test_a_worker_is_killed(when: str, cluster: None, expected: Any, tmp_path: Path) -> None:
    from cofee_dist.train.ray_worker import fit

    stage, *call = WORKERS[when]
    job = job_of(tmp_path, stage)
    marker = tmp_path / "killed"
    fit(KillingJob(job, Kill(*call, marker)))
    assert marker.exists()
    assert_the_same(job, expected(stage))


def test_the_driver_is_killed(cluster: None, expected: Any, tmp_path: Path) -> None:
    from cofee_dist.train.ray_worker import fit

    job = job_of(tmp_path, "nee")
    (tmp_path / "job.pickle").write_bytes(pickle.dumps(job))
    command = [sys.executable, "-m", "tests.distributed.test_chaos", str(tmp_path)]
    driver = subprocess.run(command, cwd=ROOT, env=os.environ | ENVIRONMENT, timeout=300, check=False)
    assert driver.returncode == -signal.SIGKILL
    assert (tmp_path / "killed").exists()
    assert not (job.folder / "result.json").exists()
    fit(job)
    assert_the_same(job, expected("nee"))


def drive(folder: Path) -> None:
    """A driver with a cluster of its own, which a worker of it kills."""
    from cofee_dist.train.ray_worker import fit

    job = pickle.loads((folder / "job.pickle").read_bytes())
    fit(KillingJob(job, Kill(f"{TRAIN}.loop", "train_step", 8, 0, folder / "killed", victim=os.getpid())))


if __name__ == "__main__":
    drive(Path(sys.argv[1]))
