"""How fast are gazetteer entries found in raw text? Our matcher against bare ahocorasick_rs, in the same run.

    python benchmarks/matcher.py DUMP.xml.bz2 GAZETTEERS               # 1,000,000 entries, 50 MB of text, 5 runs
    python benchmarks/matcher.py DUMP.xml.bz2 GAZETTEERS --entries 100000 --megabytes 10

Entries are the real lists filled up with made-up names (see made_names.py), text is the dump's own sentences, repeated.
Both take turns, so that both meet the same load; seconds are CPU seconds of one thread. Bare ahocorasick_rs gets what
it likes best, long pieces of text, and does less: its hits start and end inside of words, and it does not tell the
sentence, normalise, or lead back to the text as given. Memory is that of a fresh process before and after the build.
Writes benchmarks/out/matcher.json.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import pyarrow as pa
from ahocorasick_rs import AhoCorasick, MatchKind
from made_names import article_sentences, longer_lists
from rich.console import Console
from rich.table import Table

from cofee_dist.artifacts import write_json
from cofee_dist.config import Labels
from cofee_dist.labels.gazetteer import Gazetteer, build_gazetteer
from cofee_dist.labels.host_labeller import HostLabeller
from cofee_dist.labels.matcher import Matcher
from cofee_dist.schemas import KEY, LABELS

OUT = Path(__file__).resolve().parent / "out"
OURS, BARE, EACH = "our matcher", "bare ahocorasick_rs", "bare ahocorasick_rs, a sentence a call"
RATIO = "of the bare automaton's speed"
GOALS = {"MB/s": 25, "build seconds": 30}
_PIECE = 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dump", type=Path, help="a small bz2 dump in English")
    parser.add_argument("gazetteers", type=Path, help="folder with PER.txt, LOC.txt, ORG.txt")
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--megabytes", type=int, default=50)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--workers", type=int, default=4, help="of one host, which share an automaton")
    parser.add_argument("--ignore-case", action="store_true", help="of ours; the bare automaton never does")
    arguments = parser.parse_args()
    once = article_sentences(arguments.dump)
    gazetteer = build_gazetteer(
        longer_lists(arguments.gazetteers, once, arguments.entries), Labels(ignore_case=arguments.ignore_case)
    )
    builds: dict[str, Callable[[Gazetteer], Any]] = {OURS: Matcher, BARE: _bare}
    built = {name: _in_a_fresh_process(build, gazetteer) for name, build in builds.items()}
    shared = one_host(gazetteer, arguments.workers)
    size_once = sum(len(text.encode()) for text in once)
    texts = once * max(1, round(arguments.megabytes * 1e6 / size_once))
    megabytes = size_once * (len(texts) // len(once)) / 1e6
    speeds, hits = measure(gazetteer, texts, megabytes, arguments.runs)
    result = {
        "entries": len(gazetteer.entries),
        "megabytes": megabytes,
        "sentences": len(texts),
        "ascii_share": sum(map(str.isascii, once)) / len(once),
        "build": built,
        "one host": shared,
        "megabytes_per_second": {
            name: {"runs": runs, "median": statistics.median(runs)} for name, runs in speeds.items()
        },
        "hits": hits,
        RATIO: statistics.median(ours / bare for ours, bare in zip(speeds[OURS], speeds[BARE], strict=True)),
        "goals": GOALS,
    }
    write_json(OUT / "matcher.json", result)
    Console().print(table(result))


def measure(
    gazetteer: Gazetteer, texts: list[str], megabytes: float, runs: int
) -> tuple[dict[str, list[float]], dict[str, int]]:
    """Megabytes a CPU second in each run, and the hits, of each way to search."""
    ours, bare = Matcher(gazetteer), _bare(gazetteer)
    whole = "\n".join(texts)
    pieces = [whole[at : at + _PIECE] for at in range(0, len(whole), _PIECE)]
    ways: dict[str, Callable[[], int]] = {
        OURS: lambda: len(ours.find_hits(texts).row),
        BARE: lambda: sum(len(bare.find_matches_as_indexes(piece)) for piece in pieces),
        EACH: lambda: sum(len(bare.find_matches_as_indexes(text)) for text in texts),
    }
    speeds: dict[str, list[float]] = {name: [] for name in ways}
    hits = {}
    for _ in range(runs):
        for name, search in ways.items():
            began = time.thread_time()
            hits[name] = search()
            speeds[name].append(megabytes / (time.thread_time() - began))
    return speeds, hits


def one_host(gazetteer: Gazetteer, workers: int) -> dict[str, float]:
    """Workers of one host that share a process: until the first and the last is served, and all their memory.

    Memory is proportional (PSS): pages that several processes share are counted once.
    """
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        gazetteer.write(Path(folder))
        key, began, served = uuid4().hex, time.perf_counter(), []
        row = {"page_id": 1, "sentence_index": 0, "text": "Nothing to see in New York"}
        batch = pa.RecordBatch.from_pylist([row], schema=pa.schema(LABELS)).select([*KEY, "text"])
        for _ in range(workers):
            stack.enter_context(HostLabeller(Path(folder), key)).label(batch)
            served.append(time.perf_counter() - began)
        processes = [one for one in psutil.process_iter(["cmdline"]) if folder in (one.info["cmdline"] or [])]
        memory = sum(process.memory_full_info().pss for process in processes)
        # It would go by itself, but not before the measurements are over.
        for process in processes:
            process.kill()
    return {"workers": workers, "first_seconds": served[0], "all_seconds": served[-1], "bytes": memory}


def _bare(gazetteer: Gazetteer) -> AhoCorasick:
    return AhoCorasick(list(gazetteer.entries), matchkind=MatchKind.LeftmostLongest, store_patterns=False)


def _in_a_fresh_process(build: Callable[[Gazetteer], Any], gazetteer: Gazetteer) -> dict[str, float]:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_built, build, gazetteer).result()


def _built(build: Callable[[Gazetteer], Any], gazetteer: Gazetteer) -> dict[str, float]:
    """CPU seconds of a build, and how much more memory the process holds after it and held at most."""
    process = psutil.Process()
    before, began = process.memory_info().rss, time.process_time()
    made = build(gazetteer)
    took, after = time.process_time() - began, process.memory_info().rss
    del made
    peak = int(next(line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line).split()[1])
    return {"seconds": took, "bytes": after - before, "peak_bytes": peak * 1024 - before}


def table(result: dict[str, Any]) -> Table:
    """A row for each way to search."""
    shown = Table(
        "search", "build, s", "memory, MB", "peak, MB", "MB/s", "hits", title=f"{result['entries']:,} entries"
    )
    for name, speed in result["megabytes_per_second"].items():
        built = result["build"].get(name)
        cells = (
            [f"{built['seconds']:.1f}", *(f"{built[key] / 1e6:,.0f}" for key in ("bytes", "peak_bytes"))]
            if built
            else ["", "", ""]
        )
        shown.add_row(name, *cells, f"{speed['median']:.1f}", f"{result['hits'][name]:,}")
    host = result["one host"]
    cells = f"{host['all_seconds']:.1f}", f"{host['bytes'] / 1e6:,.0f}"
    shown.add_row(f"{host['workers']} workers of one host (wall s, PSS)", *cells)
    shown.add_section()
    shown.add_row("goal", f"{GOALS['build seconds']}", "", "", f"{GOALS['MB/s']}")
    shown.add_row(RATIO, "", "", "", f"{result[RATIO]:.2f}")
    return shown


if __name__ == "__main__":
    main()
