"""What holds a job on a real Ray cluster is killed; it ends with the weights and labels of one left alone."""

from __future__ import annotations

import itertools
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cofee_dist.artifacts import read_json
from cofee_dist.labels.ledger import iterations, read_iteration
from cofee_dist.train.metrics import read_metrics
from tests.distributed.killing import Kill, KillingJob, WaitingJob
from tests.distributed.two_processes import run_on
from tests.encoders import tiny_model
from tests.training import make_job, weights_of

pytestmark = [pytest.mark.deepspeed, pytest.mark.chaos, pytest.mark.timeout(900)]
ROOT = Path(__file__).resolve().parents[2]
TRAIN = "cofee_dist.train"
#: So that workers find the tests, and this package where this process found it.
ENVIRONMENT = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "DS_ACCELERATOR": "cpu"}

#: When, the stage, the call, and on which rank.
WORKERS = {
    "in a step": ("esi", f"{TRAIN}.loop", "train_step", 5, 1),
    "before a checkpoint is complete": ("nee", f"{TRAIN}.checkpoint", "write_json", 4, 0),
    "in re-labelling": ("nee", f"{TRAIN}.stage_nee", "pick", 2, 1),
    # The second iteration of the second clustering: the first one takes five.
    "in clustering": ("fet", "cofee_dist.mining.members", "Members.assign", 7, 0),
}


def job_of(folder: Path, stage: str, **engine: Any) -> Any:
    zero2 = str(ROOT / "cluster/deepspeed/zero2.json")
    return make_job(folder, stage, name="deepspeed", workers=2, deepspeed_config=zero2, **engine)


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
def cluster() -> Iterator[Any]:
    """A Ray cluster of two nodes with a core each, and a head that trains nothing."""
    import ray
    from ray._common.utils import reset_ray_address
    from ray.cluster_utils import Cluster

    # A lost node is noticed in five seconds; Ray's own setting takes three times as long.
    noticed = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 1000}
    nodes = Cluster(True, head_node_args={"num_cpus": 0, "include_dashboard": False, "_system_config": noticed})
    # Of the test process alone: whoever starts Ray on this machine would join this cluster otherwise.
    reset_ray_address()
    for _ in range(2):
        nodes.add_node(num_cpus=1)
    ray.init(nodes.address, log_to_driver=False, logging_level="ERROR", runtime_env={"env_vars": ENVIRONMENT})
    yield nodes
    ray.shutdown()
    nodes.shutdown()


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
def test_a_worker_is_killed(when: str, cluster: Any, expected: Any, tmp_path: Path) -> None:
    from cofee_dist.train.ray_worker import fit

    stage, *call = WORKERS[when]
    job = job_of(tmp_path, stage)
    marker = tmp_path / "killed"
    fit(KillingJob(job, Kill(*call, marker)))
    assert marker.exists()
    assert_the_same(job, expected(stage))


def test_a_worker_is_killed_in_the_middle_of_a_file(cluster: Any, expected: Any, tmp_path: Path) -> None:
    """Its second checkpoint has a torn shard and never gets complete; the first one is taken up."""
    from cofee_dist.train.ray_worker import fit

    job = job_of(tmp_path, "esi")
    marker = tmp_path / "killed"
    fit(KillingJob(job, Kill(f"{TRAIN}.shard", "torch.save", 2, 1, marker, torn=True)))
    torn = Path(marker.read_text())
    assert (torn.suffix, job.folder / "checkpoints" in torn.parents) == (".pt", True)
    assert_the_same(job, expected("esi"))


@pytest.mark.parametrize("all_of_it", [False, True], ids=["the driver", "the whole cluster"])
def test_what_holds_the_job_is_killed(all_of_it: bool, cluster: Any, expected: Any, tmp_path: Path) -> None:
    """The same job goes on: on the cluster that the driver had joined, or on another than the driver's own."""
    from cofee_dist.train.ray_worker import fit

    job = job_of(tmp_path, "nee")
    (tmp_path / "job.pickle").write_bytes(pickle.dumps(job))
    environment = os.environ | ENVIRONMENT | ({} if all_of_it else {"RAY_ADDRESS": cluster.address})
    command = [sys.executable, "-m", "tests.distributed.test_chaos", str(tmp_path)]
    driver = subprocess.run(command, cwd=ROOT, env=environment, timeout=800, check=False)
    assert driver.returncode == -signal.SIGKILL
    assert (tmp_path / "killed").exists()
    assert not (job.folder / "result.json").exists()
    fit(job)
    assert_the_same(job, expected("nee"))


def drive(folder: Path) -> None:
    """A driver that a worker kills, with its cluster if that is its own."""
    from cofee_dist.train.ray_worker import fit

    job = pickle.loads((folder / "job.pickle").read_bytes())
    own = "RAY_ADDRESS" not in os.environ
    fit(KillingJob(job, Kill(f"{TRAIN}.loop", "train_step", 8, 0, folder / "killed", victim=os.getpid(), tree=own)))


def test_a_machine_is_lost_and_another_one_comes(cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An elastic group goes on with the one worker that is left, and with two again when there is another node."""
    from cofee_dist.train import ray_worker

    monkeypatch.setattr(ray_worker, "GROWTH_INTERVAL_SECONDS", 2.0)
    whole, job = (job_of(tmp_path / name, "esi", min_workers=1) for name in ("whole", "job"))
    for each in (whole, job):
        # Dropout is drawn for each rank, and would not be the same with another number of them.
        tiny_model(dropout=0.0).save_pretrained(each.init_model)
    run_on(2, left_alone, whole)

    killed, log = tmp_path / "killed", tmp_path / "worlds"
    kill = Kill(f"{TRAIN}.loop", "train_step", 5, 1, killed, tree=True)
    with ThreadPoolExecutor(1) as beside:
        fitted = beside.submit(ray_worker.fit, KillingJob(WaitingJob(job, log, wait_at=8), kill))
        while not fitted.done() and not (log.exists() and log.read_text().endswith(" 1\n")):
            time.sleep(0.2)
        cluster.add_node(num_cpus=1)
        fitted.result()
    assert killed.exists()

    made = [tuple(map(int, line.split())) for line in log.read_text().splitlines()]
    assert [world for world, _ in itertools.groupby(world for _, world in made)] == [2, 1, 2]
    assert [step for step, world in made if world == 1] == [5, 6, 7, 8]
    assert [line["step"] for line in read_metrics(job.folder / "metrics.jsonl")] == [
        line["step"] for line in read_metrics(whole.folder / "metrics.jsonl")
    ]
    assert read_json(job.folder / "result.json")["steps"] == read_json(whole.folder / "result.json")["steps"]
    left, right = weights_of(job.folder / "model"), weights_of(whole.folder / "model")
    assert left.keys() == right.keys()
    for name, value in right.items():
        # One rank adds up in another order than two: float32 rounding, carried on by Adam.
        torch.testing.assert_close(
            left[name], value, rtol=1e-4, atol=2e-5, msg=lambda text, name=name: f"{name}: {text}"
        )


if __name__ == "__main__":
    drive(Path(sys.argv[1]))
