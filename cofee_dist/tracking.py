"""MLflow: one parent run for a pipeline, a child for each stage; or nothing. The only file that imports mlflow."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cofee_dist.artifacts import Manifest, read_json, write_json
from cofee_dist.config import Config
from cofee_dist.errors import UserError

_RUNS_FILE = "mlflow.json"
_PARENT = "pipeline"
_MAX_PARAMETER_CHARS = 6000


def tracking_uri(config: Config) -> str | None:
    """The URI that the config means: ``sqlite`` is a file beside the runs; None is no tracking."""
    if config.tracking.uri == "sqlite":
        return f"sqlite:///{Path(config.runs).resolve() / 'mlflow.db'}"
    return config.tracking.uri


class Tracker:
    """The MLflow runs of a pipeline, their ids kept in its folder.

    After a restart the same runs go on. What is run again with another config gets a run of its own: MLflow's
    parameters are for good.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        uri = tracking_uri(config)
        self._client = _client(uri) if uri is not None else None
        self._path = config.run_folder / _RUNS_FILE
        self._runs: dict[str, dict[str, str]] = read_json(self._path) if self._path.exists() else {}
        self._experiment = self._experiment_id() if self._client is not None else ""

    def begin(self, stage: str | None, made_from: str) -> None:
        """Take up the run of a stage (None: the parent), or create it; ``made_from`` is the fingerprint."""
        if self._client is None:
            return
        known = self._runs.get(stage or _PARENT)
        if known is not None and known["made_from"] == made_from and self._exists(known["run"]):
            return
        tags = {"mlflow.runName": f"{self._config.name}/{stage}" if stage else self._config.name}
        if stage is not None:
            tags["mlflow.parentRunId"] = str(self.run_id(None))
        run = self._client.create_run(self._experiment, tags=tags).info.run_id
        self._runs[stage or _PARENT] = {"run": run, "made_from": made_from}
        write_json(self._path, self._runs)

    def run_id(self, stage: str | None) -> str | None:
        """The run that ``begin`` took up; None without tracking."""
        return self._runs[stage or _PARENT]["run"] if self._client is not None else None

    def parameters(self, stage: str | None, parameters: Mapping[str, Any]) -> None:
        """Log parameters of a run."""
        run = self.run_id(stage)
        if self._client is not None and run is not None:
            from mlflow.entities import Param

            found = [Param(key, str(value)[:_MAX_PARAMETER_CHARS]) for key, value in parameters.items()]
            for at in range(0, len(found), 100):
                self._client.log_batch(run, params=found[at : at + 100])

    def metrics(self, stage: str | None, metrics: Mapping[str, float], step: int = 0) -> None:
        """Log numbers of a run at a step."""
        run = self.run_id(stage)
        if run is not None:
            log_metrics(tracking_uri(self._config), run, metrics, step)

    def finished(self, stage: str, manifest: Manifest) -> None:
        """Close a stage's run: its counts as metrics, its inputs as data sets with their digests."""
        run = self.run_id(stage)
        if self._client is None or run is None:
            return
        from mlflow.entities import Dataset, DatasetInput

        self.parameters(stage, flat(manifest.config) | {"fingerprint": manifest.fingerprint})
        numbers = {key: float(value) for key, value in flat(manifest.counts).items() if isinstance(value, int | float)}
        self.metrics(stage, {**numbers, "seconds": manifest.seconds})
        inputs = [
            DatasetInput(Dataset(name=name[-500:], digest=digest[:36], source_type="local", source=name))
            for name, digest in manifest.inputs.items()
        ]
        if inputs:
            self._client.log_inputs(run, datasets=inputs)
        self._client.set_terminated(run, "FINISHED")

    def artifacts(self, stage: str | None, path: Path, under: str | None = None) -> None:
        """Log a file or a folder (a model: safetensors and JSON, never a pickle)."""
        run = self.run_id(stage)
        if self._client is None or run is None:
            return
        if path.is_dir():
            self._client.log_artifacts(run, str(path), under)
        else:
            self._client.log_artifact(run, str(path), under)

    def close(self, status: str) -> None:
        """End the parent run: FINISHED, FAILED or KILLED."""
        if self._client is not None and _PARENT in self._runs:
            self._client.set_terminated(self._runs[_PARENT]["run"], status)

    def _exists(self, run: str) -> bool:
        from mlflow.exceptions import MlflowException

        try:
            assert self._client is not None
            self._client.get_run(run)
        except MlflowException:
            return False
        return True

    def _experiment_id(self) -> str:
        from mlflow.exceptions import MlflowException

        assert self._client is not None
        name = self._config.tracking.experiment
        try:
            found = self._client.get_experiment_by_name(name)
            if found is not None:
                return str(found.experiment_id)
            local = self._config.tracking.uri == "sqlite"
            location = (Path(self._config.runs).resolve() / "mlartifacts").as_uri() if local else None
            return str(self._client.create_experiment(name, artifact_location=location))
        except MlflowException as error:
            raise UserError(
                f"MLflow does not answer: {error.message[:200]}",
                where=tracking_uri(self._config),
                fix="set tracking.uri to a server that runs, to 'sqlite', or to null",
            ) from error


def log_metrics(uri: str | None, run_id: str | None, metrics: Mapping[str, float], step: int) -> None:
    """Log numbers to a run by its id; a worker has no more than that."""
    if uri is None or run_id is None:
        return
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    found = [Metric(key, float(value), now, step) for key, value in metrics.items()]
    _client(uri).log_batch(run_id, metrics=found)


def _client(uri: str) -> Any:
    # MLflow gives its loggers a level of their own when imported.
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")
    if uri.startswith("sqlite:///"):
        folder = Path(uri.removeprefix("sqlite:///")).parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"cannot make the folder of MLflow's file: {error.strerror}", where=folder) from error
    from mlflow import MlflowClient

    return MlflowClient(uri)


def tracked_name(name: str) -> str:
    """A name as MLflow takes it: letters, digits and a few signs ("– FET" becomes "minus_FET")."""
    return re.sub(r"[^\w\-./:]+", "_", name.replace("–", "minus"))


def flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A tree as MLflow's flat names: ``{"a": {"b": 1}}`` gives ``{"a.b": 1}``."""
    found: dict[str, Any] = {}
    for key, value in tree.items():
        name = f"{prefix}{tracked_name(key)}"
        if isinstance(value, Mapping):
            found |= flat(value, f"{name}.")
        else:
            found[name] = value
    return found
