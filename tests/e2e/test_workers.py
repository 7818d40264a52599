"""A stage on a worker of a Ray cluster: what it tells of its start, and a mistake that only the user can mend."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cofee_dist.errors import UserError
from tests.training import make_job

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]


def test_a_worker_tells_its_start_up_and_its_users_mistake(tmp_path: Path) -> None:
    from cofee_dist.train.ray_worker import fit

    job = make_job(tmp_path, "esi", workers=1)
    result = fit(job)
    parts = result["startup"]
    assert list(parts) == ["workers", "imports", "model", "engine", "data", "first_labels", "first_step"]
    assert result["startup_seconds"] == pytest.approx(sum(parts.values()), abs=0.01)
    assert parts["workers"] > 0
    assert result["steps"] > 0

    steep = job.settings.model_copy(update={"learning_rate": 1e30})
    with pytest.raises(UserError, match=r"stage esi, step \d+: the (loss|gradient) is not finite") as caught:
        fit(replace(job, settings=steep, folder=tmp_path / "steep"))
    assert "page" in str(caught.value)
    assert "learning_rate" in str(caught.value)
