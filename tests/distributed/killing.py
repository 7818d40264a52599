"""Jobs whose worker or driver is killed with SIGKILL at a certain call, once."""

from __future__ import annotations

import importlib
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Kill:
    """Kill at the ``call``-th call of ``module.name`` on ``rank``, unless ``marker`` says that it was done before.

    ``victim`` is a process id; 0 is the worker itself.
    """

    module: str
    name: str
    call: int
    rank: int
    marker: Path
    victim: int = 0


class KillingJob:
    """Pickles as a job does; where it is unpickled, which is in a worker, the kill is armed."""

    def __init__(self, job: Any, kill: Kill) -> None:
        self.job, self.kill = job, kill

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["job"], name)

    def __reduce__(self) -> Any:
        return _armed, (self.job, self.kill)


def _armed(job: Any, kill: Kill) -> Any:
    if int(os.environ.get("RANK", "-1")) in (-1, kill.rank):
        module = importlib.import_module(kill.module)
        setattr(module, kill.name, _dying(getattr(module, kill.name), kill))
    return job


def _dying(function: Any, kill: Kill) -> Any:
    calls = 0

    def call(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == kill.call and int(os.environ["RANK"]) == kill.rank and not kill.marker.exists():
            kill.marker.touch()
            os.kill(kill.victim or os.getpid(), signal.SIGKILL)
        return function(*arguments, **named)

    return call
