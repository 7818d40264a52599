"""What does a dump cost? `cofee build-corpus` against bz2 alone and WikiExtractor (--links), in the same run.

WikiExtractor runs as it comes, which reads the dump twice, for templates first, and once more without templates: ours
keeps those that carry running text, by a table.

    python benchmarks/corpus.py DUMP.xml.bz2 GAZETTEERS      # 10, 50 and 250 MB of XML, three runs each
    python benchmarks/corpus.py DUMP.xml.bz2 GAZETTEERS --sizes 10 50 --runs 1

Large dumps are made of the one given. Every command is held to one core, ours runs once more on two. It is the whole
of it, with Spark's start, anchors, sentences, filter and typing. Costs are CPU seconds of a command and all that it
started, but for the gain of two cores, which is by the clock. What a start costs and what a megabyte costs are told
apart by a straight line through the sizes. Writes benchmarks/out/corpus.json.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from build_runs import Usage, build_command, measure
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
        "WikiExtractor --links --no-templates": (lambda dump: [*_wikiextractor(dump), "--no-templates"], {0}),
        "cofee build-corpus": (lambda dump: build_command(SCRATCH, dump, arguments.gazetteers), {0}),
        "cofee build-corpus, two cores": (lambda dump: build_command(SCRATCH, dump, arguments.gazetteers), {0, 1}),
    }
    runs: dict[str, dict[int, list[Usage]]] = {name: {size: [] for size in dumps} for name in commands}
    for run in range(arguments.runs):
        for size, dump in dumps.items():
            for name, (command, cores) in commands.items():
                used = measure(command(dump), cores)
                runs[name][size].append(used)
                print(f"run {run + 1}, {size} MB, {name}: {used.cpu:.1f} s of CPU, {used.clock:.1f} s", flush=True)
    result = summary(runs)
    write_json(OUT / "corpus.json", result)
    memory = result["worker_memory_bytes"] / 1e6
    Console().print(table(result), f"peak memory of a Python worker: {memory:,.0f} MB")


def _wikiextractor(dump: Path) -> list[str]:
    output = SCRATCH / "wikiextractor"
    shutil.rmtree(output, ignore_errors=True)
    command = [sys.executable, "-m", "wikiextractor.WikiExtractor", "--links", "--processes", "1"]
    return [*command, "--quiet", "--output", str(output), str(dump)]


def summary(runs: dict[str, dict[int, list[Usage]]]) -> dict[str, Any]:
    """Medians of CPU seconds, and for each command start (s) and cost (s/MB) by least squares over the sizes."""
    systems: dict[str, dict[str, Any]] = {}
    for name, by_size in runs.items():
        cpu = {size: statistics.median(used.cpu for used in of_size) for size, of_size in by_size.items()}
        clock = {size: statistics.median(used.clock for used in of_size) for size, of_size in by_size.items()}
        start, cost = _line(cpu)
        systems[name] = {
            "runs": {size: [asdict(used) for used in of_size] for size, of_size in by_size.items()},
            "cpu": cpu,
            "clock": clock,
            "start": start,
            "per_mb": cost,
            "clock_per_mb": _line(clock)[1],
        }
    builds = [
        used for name, by in runs.items() if name.startswith("cofee") for of_size in by.values() for used in of_size
    ]
    ours, two = systems["cofee build-corpus"], systems["cofee build-corpus, two cores"]
    return {
        "systems": systems,
        "times WikiExtractor's speed": systems["WikiExtractor --links"]["per_mb"] / ours["per_mb"],
        "times its speed without templates": systems["WikiExtractor --links --no-templates"]["per_mb"] / ours["per_mb"],
        "times bz2's CPU": ours["per_mb"] / systems["bz2 alone"]["per_mb"],
        "two cores against one": ours["clock_per_mb"] / two["clock_per_mb"],
        "worker_memory_bytes": max(used.peak_bytes["worker"] for used in builds),
    }


def _line(seconds: dict[int, float]) -> tuple[float, float]:
    """Seconds at the start, and for each megabyte."""
    cost, start = np.polyfit(list(seconds), list(seconds.values()), 1) if len(seconds) > 1 else (float("nan"), 0.0)
    return float(start), float(cost)


def table(result: dict[str, Any]) -> Table:
    """A row a command, and what the claims are about."""
    columns = ("command", "start, s", "MB a CPU second", *(f"{size} MB, s" for size in _sizes(result)))
    shown = Table(*columns, title="CPU seconds")
    for name, system in result["systems"].items():
        times = (f"{seconds:.1f}" for seconds in system["cpu"].values())
        shown.add_row(name, f"{system['start']:.1f}", f"{1 / system['per_mb']:.1f}", *times)
    shown.add_section()
    ratios = ("times WikiExtractor's speed", "times its speed without templates", "times bz2's CPU")
    for name in (*ratios, "two cores against one"):
        shown.add_row(name, "", f"{result[name]:.2f}")
    return shown


def _sizes(result: dict[str, Any]) -> list[int]:
    return list(next(iter(result["systems"].values()))["cpu"])


if __name__ == "__main__":
    main()
