"""MLflow on sqlite: one parent, a child for each stage, taken up again after a restart."""

from __future__ import annotations

import pytest

from cofee_dist.artifacts import Manifest
from cofee_dist.config import Tracking
from cofee_dist.errors import UserError
from cofee_dist.tracking import Tracker, flat, log_metrics, tracking_uri
from tests.training import tiny_config


@pytest.fixture
def config(tmp_path):
    return tiny_config(tmp_path).model_copy(update={"tracking": Tracking()})


def test_runs_metrics_inputs_and_artifacts(config, tmp_path):
    from mlflow import MlflowClient

    tracker = Tracker(config)
    tracker.begin(None, "c0")
    tracker.begin("esi", "f00")
    tracker.parameters(None, flat(config.model_dump(mode="json")))
    parent, child = tracker.run_id(None), tracker.run_id("esi")
    log_metrics(tracking_uri(config), child, {"loss": 0.5}, step=10)
    log_metrics(tracking_uri(config), child, {"loss": 0.25}, step=20)
    counts = {"validation_f1": 0.75, "dropped_entities": {"inside a piece": 2}}
    tracker.finished("esi", Manifest("esi", "f00", {"epochs": 5}, {"dump.xml": "d1"}, counts, seconds=3.0))
    (tmp_path / "report.json").write_text("{}")
    tracker.artifacts(None, tmp_path / "report.json")
    tracker.close("FINISHED")

    client = MlflowClient(tracking_uri(config))
    run = client.get_run(child)
    assert run.data.tags["mlflow.parentRunId"] == parent
    assert run.info.status == "FINISHED"
    assert [(point.step, point.value) for point in client.get_metric_history(child, "loss")] == [(10, 0.5), (20, 0.25)]
    assert run.data.metrics["validation_f1"] == 0.75
    assert run.data.metrics["dropped_entities.inside_a_piece"] == 2
    assert run.data.params["epochs"] == "5"
    assert [(found.dataset.name, found.dataset.digest) for found in run.inputs.dataset_inputs] == [("dump.xml", "d1")]
    assert client.get_run(parent).data.params["engine.batch_tokens"] == "150"
    assert [found.path for found in client.list_artifacts(parent)] == ["report.json"]


def test_a_restart_goes_on_with_the_same_runs(config):
    first = begun(config, "f0")
    assert begun(config, "f0") == first
    other = begun(config, "f1")
    assert other[0] == first[0]
    assert other[1] != first[1], "a stage run again with another config has a run of its own"


def begun(config, made_from):
    tracker = Tracker(config)
    tracker.begin(None, "c0")
    tracker.begin("nee", made_from)
    return tracker.run_id(None), tracker.run_id("nee")


def test_without_a_uri_nothing_is_tracked(tmp_path):
    tracker = Tracker(tiny_config(tmp_path))
    tracker.begin(None, "c0")
    tracker.begin("esi", "f0")
    assert tracker.run_id("esi") is None
    tracker.metrics("esi", {"loss": 1.0})
    tracker.close("FINISHED")
    assert not list(tmp_path.iterdir())


def test_a_uri_that_cannot_be_is_the_users_mistake(config, tmp_path):
    (tmp_path / "file").write_text("x")
    wrong = config.model_copy(update={"tracking": Tracking(uri=f"sqlite:///{tmp_path}/file/mlflow.db")})
    with pytest.raises(UserError, match="MLflow"):
        Tracker(wrong).begin(None, "c0")
