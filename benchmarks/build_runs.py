"""A build of the corpus as a user starts it, and what a command with all that it started has used."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import yaml
from made_names import TYPES

_POLL_SECONDS = 0.1


@dataclass
class Usage:
    """What a command took: seconds of CPU and by the clock, and the most bytes that a process of each kind held."""

    cpu: float = 0.0
    clock: float = 0.0
    peak_bytes: dict[str, int] = field(default_factory=lambda: {"driver": 0, "JVM": 0, "worker": 0})


def build_command(scratch: Path, dump: Path, gazetteers: Path) -> list[str]:
    """`cofee build-corpus` from the beginning, into ``scratch/runs/corpus``; lists of a folder with a file a type."""
    shutil.rmtree(scratch / "runs", ignore_errors=True)
    types = {name: {"question": name, "gazetteers": [str(gazetteers / f"{name}.txt")]} for name in TYPES}
    config = {
        "name": "corpus",
        "runs": str(scratch / "runs"),
        "task": {"types": types},
        "corpus": {"dumps": [str(dump)]},
        "labels": {"ambiguity": "drop"},
        "encoder": {"scratch": {}},
        "tracking": {"uri": None},
    }
    path = scratch / "run.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return [sys.executable, "-m", "cofee_dist.cli", "build-corpus", "--config", str(path)]


def measure(command: list[str], cores: set[int] | None = None) -> Usage:
    """Run a command, held to ``cores`` if some are given."""
    began = time.perf_counter()
    process = subprocess.Popen(
        command,
        preexec_fn=(lambda: os.sched_setaffinity(0, cores)) if cores else None,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    used = Usage()
    watcher = threading.Thread(target=_watch, args=(process.pid, used), daemon=True)
    watcher.start()
    _, said = process.communicate()
    used.clock = time.perf_counter() - began
    watcher.join()
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{said.decode()[-2000:]}")
    return used


def _watch(pid: int, used: Usage) -> None:
    """Sum what each process had used when it was last seen: nobody waits for the JVM, so the kernel adds nothing up."""
    seen: dict[tuple[int, float], float] = {}
    with suppress(psutil.Error):
        root = psutil.Process(pid)
        while root.is_running() and root.status() != psutil.STATUS_ZOMBIE:
            for process in (root, *root.children(recursive=True)):
                with suppress(psutil.Error):
                    kind = "driver" if process.pid == pid else "worker" if "python" in process.name() else "JVM"
                    seen[process.pid, process.create_time()] = sum(process.cpu_times()[:2])
                    used.peak_bytes[kind] = max(used.peak_bytes[kind], process.memory_info().rss)
            used.cpu = sum(seen.values())
            time.sleep(_POLL_SECONDS)
