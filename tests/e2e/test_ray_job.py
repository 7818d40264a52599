"""``ray job submit -- python pipelines/pretrain.py``: the whole job on a real Ray cluster, with one worker and two."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cofee_dist.artifacts import read_json
from cofee_dist.labels.ledger import iterations, read_iteration, spans
from cofee_dist.train.metrics import read_metrics
from tests.e2e.test_pipeline import tiny_world
from tests.spark.processes import Processes, free_ports, until

pytestmark = [pytest.mark.spark, pytest.mark.ray, pytest.mark.deepspeed, pytest.mark.timeout(1200)]
ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
TRAINED = ("esi", "nee", "fet")
STAGES = ("corpus", "labels", "base", *TRAINED, "evaluation")
#: A step has two micro-batches, so that one worker and two draw the same dropout; it learns enough to pick labels.
SETTINGS = {
    "engine.name": "deepspeed",
    "engine.batch_tokens": 512,
    "engine.micro_batch_tokens": 256,
    "stages.esi.epochs": 8,
    "stages.esi.learning_rate": 1e-2,
    "stages.nee.epochs": 8,
    "stages.nee.learning_rate": 1e-2,
    "stages.nee.epochs_before_picking": 4,
    "stages.nee.patience": 4,
    "stages.fet.learning_rate": 3e-3,
    "evaluation.ablations": "false",
    "tracking.uri": "null",
}

Done = subprocess.CompletedProcess[str]


@dataclass
class RayCluster:
    """A head of two cores on loopback, which lets in only who has its token; and a tiny world to train on."""

    address: str
    environment: dict[str, str]
    world: Path

    def submit(self, runs: Path | str, workers: int, *options: str, program: str | Path = "") -> Done:
        """``ray job submit`` a pre-training and wait for its end; the code is 0 if the job succeeded."""
        settings = {**SETTINGS, "engine.workers": workers, "runs": runs}
        changed = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
        program = program or ROOT / "pipelines" / "pretrain.py"
        job = ["python", str(program), "--config", str(self.world / "run.yaml"), *changed]
        command = [str(BIN / "ray"), "job", "submit", "--address", self.address, *options, "--", *job]
        return subprocess.run(command, env=self.environment, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RayCluster]:
    # Sockets lie in Ray's folder, and a path of pytest's would be too long for them.
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        processes = Processes(Path(folder))
        try:
            yield started(processes, tiny_world(tmp_path_factory.mktemp("world")))
        finally:
            processes.end()


def started(processes: Processes, world: Path) -> RayCluster:
    token = secrets.token_hex(16)
    port, dashboard, client = free_ports(3)
    variables = {
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": token,
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    options = {
        "--num-cpus": 2,
        "--node-ip-address": "127.0.0.1",
        "--port": port,
        "--dashboard-host": "127.0.0.1",
        "--dashboard-port": dashboard,
        "--dashboard-agent-listen-port": 0,
        "--ray-client-server-port": client,
        "--object-store-memory": 100 * 2**20,
        "--temp-dir": processes.folder / "ray",
    }
    given = [str(part) for option in options.items() for part in option]
    head = processes.start([str(BIN / "ray"), "start", "--head", "--block", *given], "head", **variables)
    address = f"http://127.0.0.1:{dashboard}"
    request = urllib.request.Request(f"{address}/api/version", headers={"Authorization": f"Bearer {token}"})

    def answers() -> bool:
        assert head.poll() is None, (processes.folder / "head.log").read_text()
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    until(answers)
    return RayCluster(address, os.environ | variables, world)


@pytest.fixture(scope="module")
def job(cluster: RayCluster) -> Done:
    """What the job said that made the run of two workers."""
    return cluster.submit(cluster.world / "two", 2)


@pytest.fixture(scope="module")
def two(cluster: RayCluster, job: Done) -> Path:
    """The run of two workers."""
    assert job.returncode == 0, job.stdout + job.stderr
    return cluster.world / "two" / "tiny"


def test_a_job_runs_the_three_stages_on_two_workers(job: Done, two: Path) -> None:
    assert "succeeded" in job.stderr + job.stdout
    report = read_json(two / "report.json")
    assert [system["name"] for system in report["systems"]] == ["Matching", "CoFEE-MRC", "– FET"]
    assert report["systems"][1]["f1"] > 0
    assert "CoFEE-MRC" in job.stdout
    for stage in STAGES:
        assert read_json(two / stage / "manifest.json")["fingerprint"]
    for stage in TRAINED:
        assert read_json(two / stage / "manifest.json")["counts"]["startup"]["workers"] > 0
        assert len(list((two / stage / "ray").iterdir())) == 1


def test_the_job_again_skips_every_stage(cluster: RayCluster, two: Path) -> None:
    """This time with a working folder, from which it takes program and package."""
    before = {stage: (two / stage / "manifest.json").read_bytes() for stage in STAGES}
    again = cluster.submit(two.parent, 2, "--working-dir", ".", program="pipelines/pretrain.py")
    assert again.returncode == 0, again.stdout + again.stderr
    assert again.stdout.count(" done ") == len(STAGES)
    assert before == {stage: (two / stage / "manifest.json").read_bytes() for stage in STAGES}


def test_runs_in_a_working_folder_that_ray_removes_are_refused(cluster: RayCluster) -> None:
    done = cluster.submit("runs", 2, "--working-dir", ".", program="pipelines/pretrain.py")
    assert done.returncode != 0
    assert "error: runs is 'runs', which in a Ray job" in done.stdout
    assert "Traceback" not in done.stdout.partition("error: ")[0]


@pytest.fixture(scope="module")
def one(cluster: RayCluster, two: Path) -> Path:
    """The run of one worker on the same corpus."""
    run = cluster.world / "one" / "tiny"
    for stage in STAGES[:3]:
        shutil.copytree(two / stage, run / stage)
    done = cluster.submit(run.parent, 1)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(" done ") == 3
    return run


def counts(run: Path, stage: str) -> dict[str, Any]:
    """What a stage tells, but for the times."""
    told = read_json(run / stage / "manifest.json")["counts"]
    return {key: value for key, value in told.items() if not key.startswith("startup")}


@pytest.mark.parametrize("stage", TRAINED)
def test_one_worker_and_two_take_the_same_steps_to_the_same_scores(one: Path, two: Path, stage: str) -> None:
    left, right = counts(one, stage), counts(two, stage)
    assert left["validation_f1"] == right["validation_f1"] > 0
    for name in ("steps", "epochs", "best_epoch", "best_iteration", "entities", "clusters", "reseeded"):
        assert left.get(name) == right.get(name), name
    lines = [list(read_metrics(run / stage / "metrics.jsonl")) for run in (one, two)]
    for before, after in zip(*lines, strict=True):
        assert before["step"] == after["step"]
        for name in before.keys() & {"validation_f1", "validation_p", "validation_r", "labels", "learning_rate"}:
            assert before[name] == after[name], (before["step"], name)


def test_one_worker_and_two_pick_the_same_labels(one: Path, two: Path) -> None:
    ledgers = [run / "nee" / "labels" for run in (one, two)]
    assert iterations(ledgers[0]) == iterations(ledgers[1])
    picked = 0
    for iteration in iterations(ledgers[0]):
        left, right = (spans(read_iteration(ledger, iteration)) for ledger in ledgers)
        assert left.drop_columns("score").equals(right.drop_columns("score")), iteration
        picked += left.column("source").to_pylist().count("picked")
    assert picked > 0


def test_one_worker_and_two_find_the_same_clusters(one: Path, two: Path) -> None:
    paths = [sorted((run / "fet" / "clusters").glob("*.npz")) for run in (one, two)]
    assert [path.name for path in paths[0]] == [path.name for path in paths[1]] != []
    for left, right in zip(*paths, strict=True):
        with np.load(left) as before, np.load(right) as after:
            np.testing.assert_array_equal(before["assignment_n"], after["assignment_n"])


def test_one_worker_and_two_find_the_same_entities(one: Path, two: Path) -> None:
    left, right = (read_json(run / "evaluation" / "scores.json") for run in (one, two))
    assert left.keys() == right.keys() == {"Matching", "CoFEE-MRC", "– FET"}
    for system, score in left.items():
        assert timeless(score) == timeless(right[system]), system
        assert score["f1"] > 0


def timeless(score: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in score.items() if key != "seconds"}
