"""Checkpoints of a stage: complete when their state is there, written last; the newest complete one counts."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from cofee_dist.artifacts import read_json, write_json
from cofee_dist.ranks import barrier
from cofee_dist.train.engine import Engine

_KEPT = 2
_STATE = "state.json"


class Checkpoints:
    """The folder ``step=N`` for each checkpoint, each rank's shard in it and one ``state.json``."""

    def __init__(self, folder: Path, engine: Engine) -> None:
        self._folder, self._engine = folder, engine
        self._step: int | None = None

    def save(self, step: int, state: dict[str, Any]) -> None:
        """Write every rank's shard, then the state, then remove what is older than the last two.

        Of a step that is saved already the weights are the same: it gets a new state.
        """
        folder = self._folder / f"step={step}"
        if step == self._step:
            if self._engine.rank == 0:
                write_json(folder / _STATE, state)
            barrier()
            return
        self._step = step
        if self._engine.rank == 0 and folder.exists():
            shutil.rmtree(folder)
        barrier()
        self._engine.save(folder)
        barrier()
        if self._engine.rank == 0:
            write_json(folder / _STATE, state)
            for old in self._complete()[:-_KEPT]:
                # State first: a kill in the middle leaves an incomplete checkpoint, not a broken one.
                (old / _STATE).unlink()
                shutil.rmtree(old)
        barrier()

    def restore(self) -> dict[str, Any] | None:
        """Load the newest complete checkpoint into the engine and return its state; None where there is none."""
        complete = self._complete()
        if not complete:
            return None
        state: dict[str, Any] = read_json(complete[-1] / _STATE)
        self._engine.load(complete[-1])
        self._step = _number(complete[-1])
        return state

    def remove(self) -> None:
        """Delete all checkpoints: the stage is finished and its model saved."""
        barrier()
        if self._engine.rank == 0:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _complete(self) -> list[Path]:
        found = [folder for folder in self._folder.glob("step=*") if (folder / _STATE).exists()]
        return sorted(found, key=_number)


def _number(folder: Path) -> int:
    return int(folder.name.removeprefix("step="))
