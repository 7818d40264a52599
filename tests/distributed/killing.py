"""Jobs whose worker, machine, driver or cluster is killed with SIGKILL at a certain call, once."""

from __future__ import annotations

import importlib
import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Kill:
    """Kill at the ``call``-th call of ``module.name`` on ``rank``, unless ``marker`` says that it was done before.

    ``name`` may be a class's method. ``victim`` is a process id, killed with all that it started if ``tree``; 0 is the
    worker itself, and with ``tree`` its node, as where a machine is lost. ``torn``: the call has written half of the
    file that is its second argument, whose name goes into the marker.
    """

    module: str
    name: str
    call: int
    rank: int
    marker: Path
    victim: int = 0
    tree: bool = False
    torn: bool = False


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
        owner: Any = importlib.import_module(kill.module)
        *owners, name = kill.name.split(".")
        for part in owners:
            owner = getattr(owner, part)
        setattr(owner, name, _dying(getattr(owner, name), kill))
    return job


def _dying(function: Any, kill: Kill) -> Any:
    calls = 0

    def call(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == kill.call and int(os.environ["RANK"]) == kill.rank and not kill.marker.exists():
            kill.marker.touch()
            if kill.torn:
                function(*arguments, **named)
                os.truncate(arguments[1], os.path.getsize(arguments[1]) // 2)
                kill.marker.write_text(str(arguments[1]))
            if kill.tree:
                kill_tree(kill.victim or os.getppid())
            os.kill(kill.victim or os.getpid(), signal.SIGKILL)
        return function(*arguments, **named)

    return call


def kill_tree(victim: int) -> None:
    """Kill a process and all that it started; whoever calls is one of them, and the last."""
    import psutil

    parent = psutil.Process(victim)
    for process in (parent, *parent.children(recursive=True)):
        if process.pid != os.getpid():
            with suppress(psutil.NoSuchProcess):
                process.kill()
    os.kill(os.getpid(), signal.SIGKILL)


class WaitingJob:
    """A job that writes the world's size of each step to ``log`` and, alone before step ``wait_at``, waits for others.

    It is to be ended in that wait, since a group grows by starting anew.
    """

    def __init__(self, job: Any, log: Path, wait_at: int) -> None:
        self.job, self.log, self.wait_at = job, log, wait_at

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["job"], name)

    def __reduce__(self) -> Any:
        return _waiting, (self.job, self.log, self.wait_at)


def _waiting(job: Any, log: Path, wait_at: int) -> Any:
    from cofee_dist.train import loop

    train_step = loop.train_step

    def call(*arguments: Any) -> Any:
        number, world = arguments[8], os.environ["WORLD_SIZE"]
        if os.environ["RANK"] == "0":
            with log.open("a") as file:
                file.write(f"{number} {world}\n")
        if world == "1" and number == wait_at:
            time.sleep(240)
            raise TimeoutError("the group did not grow")
        return train_step(*arguments)

    loop.train_step = call
    return job
