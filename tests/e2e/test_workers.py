"""A stage on a worker of a Ray cluster: what it tells of its start, its user's mistake, Ctrl-C, a kill, a long wait."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cofee_dist.artifacts import read_json
from cofee_dist.config import Engine
from cofee_dist.errors import UserError
from cofee_dist.labels.ledger import iterations, read_iteration
from tests.distributed.killing import Kill, KillingJob
from tests.training import make_job, weights_of

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module", autouse=True)
def one_cluster() -> Iterator[None]:
    """Of this process's own, begun by the first ``fit``; its workers find the tests, and this package."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        yield
    import ray

    ray.shutdown()


def test_a_worker_tells_its_start_up_and_its_users_mistake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cofee_dist.train.ray_worker import fit

    before = signal.getsignal(signal.SIGINT)
    # Paths may be relative to where the command was given.
    monkeypatch.chdir(tmp_path)
    job = relative(make_job(tmp_path / "job", "esi", workers=1), tmp_path)
    result = fit(job)
    parts = result["startup"]
    assert list(parts) == ["workers", "imports", "model", "engine", "data", "first_labels", "first_step"]
    assert result["startup_seconds"] == pytest.approx(sum(parts.values()), abs=0.01)
    assert parts["workers"] > 0
    assert result["steps"] > 0

    steep = job.settings.model_copy(update={"learning_rate": 1e30})
    with pytest.raises(UserError, match=r"stage esi, step \d+: the (loss|gradient) is not finite") as caught:
        fit(replace(job, settings=steep, folder=Path("steep")))
    assert "page" in str(caught.value)
    assert "learning_rate" in str(caught.value)

    endless = job.settings.model_copy(update={"epochs": 100_000})
    interrupted = replace(job, settings=endless, folder=Path("interrupted"))
    threading.Thread(target=press_ctrl_c, args=(tmp_path / "interrupted",), daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        fit(interrupted)
    assert list(Path("interrupted/checkpoints").glob("step=*/state.json"))
    assert signal.getsignal(signal.SIGINT) is before


def test_a_killed_worker_is_replaced_and_the_stage_ends_as_one_left_alone(tmp_path: Path) -> None:
    from cofee_dist.train.ray_worker import fit
    from cofee_dist.train.worker import run_stage

    whole = make_job(tmp_path / "whole", "nee", cpu_threads=1)
    run_stage(whole)
    job, killed = make_job(tmp_path / "job", "nee", workers=1, cpu_threads=1), tmp_path / "killed"
    fit(KillingJob(job, Kill("cofee_dist.train.stage_nee", "pick", 2, 0, killed)))
    assert killed.exists()
    left, right = weights_of(job.folder / "model"), weights_of(whole.folder / "model")
    assert all(left[name].equal(right[name]) for name in right)
    assert read_json(job.folder / "result.json") == read_json(whole.folder / "result.json")
    assert iterations(job.folder / "labels") == iterations(whole.folder / "labels") != []
    for iteration in iterations(whole.folder / "labels"):
        assert read_iteration(job.folder / "labels", iteration).equals(
            read_iteration(whole.folder / "labels", iteration)
        )


def test_what_a_group_waits_for_is_told_once(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    from cofee_dist.train import ray_worker

    engine = Engine(name="deepspeed", workers=4096)
    with pytest.raises(UserError, match="4096 workers with 1 CPU each do not fit this machine"):
        ray_worker._scaling(engine)
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    monkeypatch.setattr(ray_worker, "_GRACE_SECONDS", 0.5)
    with caplog.at_level(logging.WARNING, "cofee_dist"):
        assert ray_worker._scaling(engine).num_workers == 4096
        assert ray_worker._scaling(Engine(workers=1)).num_workers == 1
    (told,) = [record.getMessage() for record in caplog.records if record.name.startswith("cofee_dist")]
    assert told.startswith("waiting for 4096 workers with 1 CPU each: the cluster has room for ")


def relative(job: Any, folder: Path) -> Any:
    names = ("folder", "init_model", "data")
    return replace(job, **{name: getattr(job, name).relative_to(folder) for name in names})


def press_ctrl_c(folder: Path) -> None:
    """When the stage has made a checkpoint."""
    while not list(folder.glob("checkpoints/step=*/state.json")):
        time.sleep(0.1)
    os.kill(os.getpid(), signal.SIGINT)
