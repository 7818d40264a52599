from __future__ import annotations

import time
from pathlib import Path

import pytest

from cofee_dist.train import worker
from cofee_dist.train.startup import STARTUP, StartUp, read_startup
from tests.training import make_job


def test_every_second_has_its_part(tmp_path: Path) -> None:
    starting = StartUp(launched=1000.0, path=tmp_path / STARTUP)
    starting.until("workers", 1007.0)
    starting.until("imports", 1006.0)  # Another machine's clock.
    starting.until("model", 1009.5)
    assert starting.seconds == {"workers": 7.0, "imports": 0.0, "model": 2.5}
    before = time.time()
    starting.finish("first_step")
    told = read_startup(tmp_path / STARTUP, 1000.0)
    assert before - 1000 <= told["startup_seconds"] + 0.01
    assert told["startup_seconds"] == pytest.approx(sum(told["startup"].values()), abs=0.01)
    assert list(told["startup"]) == ["workers", "imports", "model", "first_step"]
    assert read_startup(tmp_path / STARTUP, 2000.0) == {}

    starting.until("more")
    starting.finish("more")
    assert "more" not in starting.seconds
    again = StartUp(launched=1000.0, path=tmp_path / STARTUP)
    again.finish("after a lost worker")
    assert read_startup(tmp_path / STARTUP, 1000.0) == told


def test_a_stage_leaves_its_start_up(tmp_path: Path) -> None:
    job = make_job(tmp_path, "fet")
    worker.run_stage(job)
    ended = time.time()
    told = read_startup(job.folder / STARTUP, job.launched)
    assert set(told["startup"]) == {"model", "engine", "data", "first_labels", "first_step"}
    # Validation and the first clusters of FET come before its first step.
    assert told["startup"]["first_labels"] > 0
    assert 0 < told["startup_seconds"] <= ended - job.launched
