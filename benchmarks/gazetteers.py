"""What do long word lists cost? `cofee build-corpus` with 1,000,000 entries against the same with the real lists.

    python benchmarks/gazetteers.py DUMP.xml.bz2 GAZETTEERS                  # 50 MB of XML, three runs each
    python benchmarks/gazetteers.py DUMP.xml.bz2 GAZETTEERS --entries 100000 --megabytes 10 --runs 1
    python benchmarks/gazetteers.py DUMP.xml.bz2 GAZETTEERS --read-only --entries 10000000

Lists and dumps of any length are made of those given (see made_names.py, large_dump.py). A command's cost is its CPU
seconds with those of its children (the JVM, the Python workers); the manifests tell how long the labels stage alone
took. Memory is the largest resident one of the driver, which reads the lists, of its JVM and of a worker. With
--read-only the lists are only read, in a fresh process, as the driver does. Writes benchmarks/out/gazetteers.json
(gazetteers-read.json).
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from build_runs import build_command, measure
from large_dump import large_dump
from made_names import TYPES, article_sentences, longer_lists, write_lists
from rich.console import Console
from rich.table import Table

from cofee_dist.artifacts import read_json, write_json

OUT = Path(__file__).resolve().parent / "out"
SCRATCH = OUT / "gazetteers"
GOAL = 0.25
_READ = """
import sys, time
from cofee_dist.config import EntityType, Labels, Task
from cofee_dist.labels.gazetteer import read_gazetteers
from cofee_dist.labels.gazetteer_files import check_entries
types = {p.split("/")[-1]: EntityType(question="?", gazetteers=(p,)) for p in sys.argv[1:]}
memory = lambda: 1024 * int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0])
before = memory()
t = time.process_time()
for one in types.values(): check_entries(one.gazetteers[0])
checked = time.process_time() - t
found = read_gazetteers(Task(types=types), Labels())
print(len(found.names), checked, time.process_time() - t - checked, before, memory())
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dump", type=Path, help="a small bz2 dump in English")
    parser.add_argument("gazetteers", type=Path, help="folder with PER.txt, LOC.txt, ORG.txt")
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--megabytes", type=int, default=50, help="of XML")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--read-only", action="store_true", help="only read the lists, without Spark")
    arguments = parser.parse_args()
    lists = longer_lists(arguments.gazetteers, article_sentences(arguments.dump), arguments.entries)
    folder = write_lists(lists, SCRATCH / f"{arguments.entries}-entries")
    del lists
    if arguments.read_only:
        read_only(folder)
        return
    dump = large_dump(arguments.dump, SCRATCH, arguments.megabytes)
    runs: dict[str, list[dict[str, float]]] = {"real lists": [], "long lists": []}
    for run in range(arguments.runs):
        for name, gazetteers in (("real lists", arguments.gazetteers), ("long lists", folder)):
            runs[name].append(_measured(dump, gazetteers))
            shown = ", ".join(f"{key} {value:,.1f}" for key, value in runs[name][-1].items())
            print(f"run {run + 1}, {name}: {shown}", flush=True)
    medians = {
        name: {key: statistics.median(one[key] for one in of_name) for key in of_name[0]}
        for name, of_name in runs.items()
    }
    short, long = medians["real lists"], medians["long lists"]
    result = {
        "entries": arguments.entries,
        "megabytes": arguments.megabytes,
        "runs": runs,
        "medians": medians,
        "added_share": long["cpu_seconds"] / short["cpu_seconds"] - 1,
        "goal": GOAL,
    }
    write_json(OUT / "gazetteers.json", result)
    Console().print(table(result))


def _measured(dump: Path, gazetteers: Path) -> dict[str, float]:
    """CPU and wall seconds of a build, those of its labels stage, and the largest memory by kind of process (MB)."""
    used = measure(build_command(SCRATCH, dump, gazetteers))
    stage = read_json(SCRATCH / "runs" / "corpus" / "labels" / "manifest.json")
    return {
        "cpu_seconds": used.cpu,
        "seconds": used.clock,
        "labels_stage_seconds": stage["seconds"],
        "labels": sum(stage["counts"]["labels"].values()),
        **{f"{kind}_mb": peak / 1e6 for kind, peak in used.peak_bytes.items()},
    }


def read_only(folder: Path) -> None:
    """Read the lists as the driver does, in a process of its own."""
    paths = [str(folder / f"{name}.txt") for name in TYPES]
    told = subprocess.run([sys.executable, "-c", _READ, *paths], capture_output=True, text=True, check=True).stdout
    entries, checked, read, before, peak = map(float, told.split())
    result = {
        "entries": int(entries),
        "check_seconds": checked,
        "read_seconds": read,
        "bytes_before": before,
        "peak_bytes": peak,
    }
    write_json(OUT / "gazetteers-read.json", result)
    print(
        f"{entries:,.0f} entries: looked through in {checked:.1f} s, read in {read:.1f} s (CPU), "
        f"memory {before / 1e6:,.0f} MB before, {peak / 1e6:,.0f} MB at most"
    )


def table(result: dict[str, Any]) -> Table:
    """A row for the real lists, one for the long ones, and what these add."""
    title = f"build-corpus on {result['megabytes']} MB of XML; long lists have {result['entries']:,} entries"
    shown = Table("lists", "CPU, s", "wall, s", "labels stage, s", "driver, MB", "JVM, MB", "worker, MB", title=title)
    for name, row in result["medians"].items():
        times = (f"{row[key]:.1f}" for key in ("cpu_seconds", "seconds", "labels_stage_seconds"))
        shown.add_row(name, *times, *(f"{row[f'{kind}_mb']:,.0f}" for kind in ("driver", "JVM", "worker")))
    shown.add_section()
    shown.add_row("added", f"{result['added_share']:.1%}")
    shown.add_row("goal", f"under {GOAL:.0%}")
    return shown


if __name__ == "__main__":
    main()
