"""Where a run would lie in a Ray job."""

from __future__ import annotations

import json

import pytest

from cofee_dist.errors import UserError
from cofee_dist.train.ray_job import check_runs

WITH_FOLDER = {"runtime_env": {"working_dir": "gcs://_ray_pkg_0a1b.zip", "env_vars": {"A": "1"}}, "metadata": {}}
WITHOUT = {"runtime_env": {"env_vars": {"A": "1"}}, "metadata": {}}


def job(config):
    return {"RAY_JOB_CONFIG_JSON_ENV_VAR": json.dumps(config)}


def test_a_folder_that_ray_removes_is_refused():
    with pytest.raises(UserError, match=r"'runs/x'.* copy of it that Ray removes") as caught:
        check_runs("runs/x", job(WITH_FOLDER))
    assert "absolute path on storage that every machine sees" in str(caught.value)


@pytest.mark.parametrize(
    ("runs", "environment"),
    [
        ("/mnt/runs", job(WITH_FOLDER)),
        ("runs", job(WITHOUT)),
        ("runs", job({"runtime_env": None, "metadata": {}})),
        ("runs", {}),
    ],
)
def test_others_are_not(runs, environment):
    check_runs(runs, environment)
