"""A stage on a worker of a Ray cluster: what it tells of its start, its user's mistake, and Ctrl-C."""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cofee_dist.errors import UserError
from tests.training import make_job

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]


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


def relative(job: Any, folder: Path) -> Any:
    names = ("folder", "init_model", "data")
    return replace(job, **{name: getattr(job, name).relative_to(folder) for name in names})


def press_ctrl_c(folder: Path) -> None:
    """When the stage has made a checkpoint."""
    while not list(folder.glob("checkpoints/step=*/state.json")):
        time.sleep(0.1)
    os.kill(os.getpid(), signal.SIGINT)
