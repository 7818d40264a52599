"""A stage's metrics as JSON lines: the curves of the report, the progress bar and MLflow read the same numbers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

Metrics = dict[str, float]


class MetricsLog:
    """Appends to ``metrics.jsonl`` and hands on to ``forward``; only an active one (rank 0's) writes."""

    def __init__(self, path: Path, active: bool, forward: Callable[[Metrics, int], None] | None = None) -> None:
        self._path, self._active, self._forward = path, active, forward

    def rewind(self, step: int) -> None:
        """Cut off the lines after a step: a resumed process does those steps again."""
        if not self._active:
            return
        kept = [line for line in read_metrics(self._path) if line["step"] <= step]
        self._path.parent.mkdir(parents=True, exist_ok=True)
        partial = self._path.with_suffix(".partial")
        partial.write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")
        partial.replace(self._path)

    def __call__(self, step: int, metrics: Metrics) -> None:
        """Log numbers at an optimizer step (counted from the stage's start)."""
        if not self._active:
            return
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **metrics}) + "\n")
        if self._forward is not None:
            self._forward(metrics, step)


def read_metrics(path: Path) -> list[Metrics]:
    """The lines so far; a last line that is being written is left out."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n") and line.strip()]
