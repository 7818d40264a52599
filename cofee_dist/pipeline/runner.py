"""Runs a stage unless it is finished with the same config and inputs; tells the person and MLflow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cofee_dist.artifacts import Manifest, StageFolder
from cofee_dist.config import Config
from cofee_dist.pipeline.progress import RunProgress, StageProgress
from cofee_dist.tracking import Tracker

Build = Callable[[Path, StageProgress], Mapping[str, Any]]


class Runner:
    """The stages of one run: ``stage`` builds one, or finds it built."""

    def __init__(self, config: Config, progress: RunProgress, tracker: Tracker) -> None:
        self.config, self._progress, self.tracker = config, progress, tracker
        self.manifests: dict[str, Manifest] = {}

    def stage(
        self,
        name: str,
        config: Mapping[str, Any],
        inputs: Mapping[str, str],
        build: Build,
        tell: Callable[[Mapping[str, Any]], str],
        way: Mapping[str, Any] | None = None,
    ) -> Path:
        """Have a stage's folder filled.

        Args:
            name: of the stage and its folder below the run's.
            config: the part of the config that decides what comes out; with ``inputs`` it is the fingerprint.
            inputs: path or upstream stage to digest.
            build: fills the folder and returns counts; called only where no finished folder fits.
            tell: counts to the few words that stand behind the stage's name.
            way: what, if it changes, begins an unfinished stage anew and leaves a finished one as it is.
        """
        folder = StageFolder(self.config.run_folder / name, name, config, inputs, way)
        manifest = folder.manifest
        if manifest is not None:
            self._progress.skipped(name, tell(manifest.counts))
        else:
            folder.begin()
            self.tracker.begin(name, folder.fingerprint)
            with self._progress.stage(name) as shown:
                counts = build(folder.path, shown)
            manifest = folder.finish(counts)
            self.tracker.finished(name, manifest)
            self._progress.finished(name, manifest.seconds, tell(counts))
        self.manifests[name] = manifest
        return folder.path

    def say(self, name: str, text: str) -> None:
        """Tell what is no stage."""
        self._progress.say(name, text)

    def leave_out(self, name: str, why: str) -> None:
        """Tell that this run has no such stage."""
        self._progress.left_out(name, why)

    def fingerprint(self, name: str) -> str:
        """Of a stage that was built or found: what the next stage depends on."""
        return self.manifests[name].fingerprint
