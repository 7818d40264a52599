"""What does a dump cost? `cofee build-corpus` against bz2 alone and WikiExtractor (--links), in the same run.

    python benchmarks/corpus.py DUMP.xml.bz2 GAZETTEERS      # 10, 50 and 250 MB of XML, three runs each
    python benchmarks/corpus.py DUMP.xml.bz2 GAZETTEERS --sizes 10 50 --runs 1

Large dumps are made of the one given. Every command is held to one core, so that its seconds are CPU seconds; ours
runs once more on two. It is the whole of it, with Spark's start, anchors, sentences, filter and typing. What a start
costs and what a megabyte costs are told apart by a straight line through the sizes. Writes benchmarks/out/corpus.json.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import yaml
from large_dump import large_dump
from rich.console import Console
from rich.table import Table

from cofee_dist.artifacts import write_json

OUT = Path(__file__).resolve().parent / "out"
SCRATCH = OUT / "corpus"
BZ2 = "import bz2, sys\nfor _ in iter(lambda f=bz2.open(sys.argv[1]): f.read(2**20), b''): pass"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dump", type=Path, help="a small bz2 dump in English")
    parser.add_argument("gazetteers", type=Path, help="folder with PER.txt, LOC.txt, ORG.txt")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10, 50, 250], help="megabytes of XML")
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    dumps = {size: large_dump(arguments.dump, SCRATCH, size) for size in arguments.sizes}
    commands: dict[str, tuple[Callable[[Path], list[str]], set[int]]] = {
        "bz2 alone": (lambda dump: [sys.executable, "-c", BZ2, str(dump)], {0}),
        "WikiExtractor --links": (_wikiextractor, {0}),
        "cofee build-corpus": (lambda dump: _ours(dump, arguments.gazetteers), {0}),
        "cofee build-corpus, two cores": (lambda dump: _ours(dump, arguments.gazetteers), {0, 1}),
    }
    seconds: dict[str, dict[int, list[float]]] = {name: {size: [] for size in dumps} for name in commands}
    memory = 0
    for run in range(arguments.runs):
        for size, dump in dumps.items():
            for name, (command, cores) in commands.items():
                took, peak = measure(command(dump), cores)
                seconds[name][size].append(took)
                if name.startswith("cofee"):
                    memory = max(memory, peak)
                print(f"run {run + 1}, {size} MB, {name}: {took:.1f} s", flush=True)
    result = summary(seconds, memory)
    write_json(OUT / "corpus.json", result)
    Console().print(table(result), f"peak memory of a Python worker: {memory / 1e6:,.0f} MB")


def _wikiextractor(dump: Path) -> list[str]:
    output = SCRATCH / "wikiextractor"
    shutil.rmtree(output, ignore_errors=True)
    command = [sys.executable, "-m", "wikiextractor.WikiExtractor", "--links", "--no-templates", "--processes", "1"]
    return [*command, "--quiet", "--output", str(output), str(dump)]


def _ours(dump: Path, gazetteers: Path) -> list[str]:
    shutil.rmtree(SCRATCH / "runs", ignore_errors=True)
    types = {
        name: {"question": name, "gazetteers": [str(gazetteers / f"{name}.txt")]} for name in ("PER", "LOC", "ORG")
    }
    config = {
        "name": "corpus",
        "runs": str(SCRATCH / "runs"),
        "task": {"types": types},
        "corpus": {"dumps": [str(dump)]},
        "labels": {"ambiguity": "drop"},
        "encoder": {"scratch": {}},
        "tracking": {"uri": None},
    }
    path = SCRATCH / "run.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return [sys.executable, "-m", "cofee_dist.cli", "build-corpus", "--config", str(path)]


def measure(command: list[str], cores: set[int]) -> tuple[float, int]:
    """Seconds of a command held to ``cores``, and the largest resident memory in bytes of a Spark Python worker."""
    began = time.perf_counter()
    process = subprocess.Popen(
        command,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    peak = [0]
    watcher = threading.Thread(target=_watch, args=(process.pid, peak), daemon=True)
    watcher.start()
    _, said = process.communicate()
    took = time.perf_counter() - began
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{said.decode()[-2000:]}")
    return took, peak[0]


def _watch(pid: int, peak: list[int]) -> None:
    try:
        root = psutil.Process(pid)
        while root.is_running() and root.status() != psutil.STATUS_ZOMBIE:
            for child in root.children(recursive=True):
                try:
                    # The JVM names pyspark too, in its class path.
                    if "python" in child.name() and "pyspark" in " ".join(child.cmdline()):
                        peak[0] = max(peak[0], child.memory_info().rss)
                except psutil.Error:
                    continue
            time.sleep(0.5)
    except psutil.Error:
        return


def summary(seconds: dict[str, dict[int, list[float]]], memory: int) -> dict[str, Any]:
    """Medians, and for each command start (s) and cost (s/MB) by least squares over the sizes."""
    systems = {}
    for name, by_size in seconds.items():
        medians = {size: statistics.median(runs) for size, runs in by_size.items()}
        cost, start = np.polyfit(list(medians), list(medians.values()), 1) if len(medians) > 1 else (0.0, 0.0)
        systems[name] = {"runs": by_size, "medians": medians, "start": float(start), "per_mb": float(cost)}
    ours, two = systems["cofee build-corpus"], systems["cofee build-corpus, two cores"]
    return {
        "systems": systems,
        "times WikiExtractor's speed": systems["WikiExtractor --links"]["per_mb"] / ours["per_mb"],
        "times bz2's CPU": ours["per_mb"] / systems["bz2 alone"]["per_mb"],
        "two cores against one": ours["per_mb"] / two["per_mb"],
        "worker_memory_bytes": memory,
    }


def table(result: dict[str, Any]) -> Table:
    """A row a command, and what the claims are about."""
    shown = Table("command", "start, s", "MB/s after it", *(f"{size} MB, s" for size in _sizes(result)))
    for name, system in result["systems"].items():
        speed = f"{1 / system['per_mb']:.1f}" if system["per_mb"] else "–"
        shown.add_row(name, f"{system['start']:.1f}", speed, *(f"{s:.1f}" for s in system["medians"].values()))
    shown.add_section()
    for name in ("times WikiExtractor's speed", "times bz2's CPU", "two cores against one"):
        shown.add_row(name, "", f"{result[name]:.2f}")
    return shown


def _sizes(result: dict[str, Any]) -> list[int]:
    return list(next(iter(result["systems"].values()))["medians"])


if __name__ == "__main__":
    main()
