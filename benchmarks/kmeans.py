"""Is k-means over all ranks as fast as scikit-learn's Lloyd, and do two ranks share the work?

    python benchmarks/kmeans.py                                  # 1,000,000 points of 128 dimensions, K 23 and 100
    python benchmarks/kmeans.py --points 200000 --runs 1

Ours, scikit-learn's and `faiss.Kmeans` (on all points) take turns, from the same centroids and for as many iterations,
with every core and with one thread; then ours on two processes with one thread each. Points come from a mixture of 60
wide Gaussians. Every run is a process of its own. Its peak memory is told without what Python and the libraries take,
and with the points themselves, which lie in a mapped file where one rank has all. A ratio is the median over rounds, in
each of which both ran. Writes benchmarks/out/kmeans.json.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from cofee_dist.artifacts import write_json

OUT = Path(__file__).resolve().parent / "out"
ITERATIONS = 20
SYSTEMS = ("ours", "scikit-learn", "faiss.Kmeans")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--dimensions", type=int, default=128)
    parser.add_argument("--clusters", type=int, nargs="+", default=[23, 100])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        print(json.dumps(run(**json.loads(arguments.worker))))
        return
    cores = len(os.sched_getaffinity(0))
    found: dict[str, Any] = {"points": arguments.points, "dimensions": arguments.dimensions, "cores": cores}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "points.npy"
        np.save(path, mixture(arguments.points, arguments.dimensions))
        for clusters in arguments.clusters:
            turns = [(system, threads, 1) for threads in sorted({cores, 1}, reverse=True) for system in SYSTEMS]
            turns += [("ours", 1, 2)]
            runs: dict[str, list[dict[str, float]]] = {}
            for _ in range(arguments.runs):
                for system, threads, ranks in turns:
                    name = named(system, threads, ranks)
                    runs.setdefault(name, []).append(measure(system, path, clusters, threads, ranks))
                    print(clusters, name, runs[name][-1], flush=True)
            found[f"K {clusters}"] = {"systems": medians(runs), "goals": goals(runs, cores)}
    write_json(OUT / "kmeans.json", found)
    for clusters in arguments.clusters:
        Console().print(table(clusters, found[f"K {clusters}"]))


def named(system: str, threads: int, ranks: int = 1) -> str:
    """What a system is called in the tables."""
    return f"{system}, {ranks} rank{'s' * (ranks > 1)} x {threads} thread{'s' * (threads > 1)}"


def mixture(points: int, dimensions: int) -> np.ndarray:
    """Overlapping groups, as entity embeddings are."""
    random = np.random.default_rng(0)
    centres = random.normal(size=(60, dimensions)).astype(np.float32)
    made = random.normal(size=(points, dimensions), scale=1.5).astype(np.float32)
    made += centres[random.integers(0, len(centres), points)]
    return made


def measure(system: str, path: Path, clusters: int, threads: int, ranks: int) -> dict[str, float]:
    """Seconds (the slowest rank's) by the clock and of the CPU, objective and peak memory (the largest rank's)."""
    environment = {**os.environ, **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))}
    environment |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": str(ranks)}
    processes = []
    for rank in range(ranks):
        told = json.dumps({"system": system, "path": str(path), "clusters": clusters, "rank": rank, "ranks": ranks})
        command = [sys.executable, str(Path(__file__).resolve()), "--worker", told]
        environment["RANK"] = str(rank)
        processes.append(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE))
    said = [process.communicate()[0] for process in processes]
    if any(process.returncode for process in processes):
        raise SystemExit(f"{system} failed")
    results = [json.loads(answer) for answer in said]
    return {name: max(result[name] for result in results) for name in results[0]}


def free_port() -> int:
    """Where ranks can meet."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def run(system: str, path: str, clusters: int, rank: int, ranks: int) -> dict[str, float]:
    """One system in this process."""
    import torch

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    find = {"ours": _ours, "scikit-learn": _scikit_learn, "faiss.Kmeans": _faiss}[system]
    if ranks > 1:
        torch.distributed.init_process_group("gloo")
    whole = np.load(path, mmap_mode="c")
    few = mixture(50 * clusters, whole.shape[1])
    find(few[rank::ranks], few[:clusters], np.arange(rank, len(few), ranks))  # libraries load, threads start
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far is forgotten
    before = _memory("VmRSS")
    index = np.arange(rank, len(whole), ranks)
    points = np.ascontiguousarray(whole[index] if ranks > 1 else whole)
    start = np.ascontiguousarray(whole[np.random.default_rng(1).choice(len(whole), clusters, replace=False)])
    del whole
    if ranks > 1:
        torch.distributed.barrier()
    began, cpu_began = time.perf_counter(), time.process_time()
    objective = find(points, start, index)
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu_began
    peak = _memory("VmHWM") - before
    return {
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "objective": objective,
        "peak_bytes": peak,
        "points_bytes": points.nbytes,
    }


def _memory(name: str) -> int:
    """Bytes, by Linux; getrusage's peak would begin with that of the parent process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


def _ours(points: np.ndarray, start: np.ndarray, index: np.ndarray) -> float:
    from cofee_dist.mining.kmeans import kmeans

    return kmeans(points, len(start), ITERATIONS, initial_kd=start, tolerance=0, index_n=index).objective[-1]


def _scikit_learn(points: np.ndarray, start: np.ndarray, _: np.ndarray) -> float:
    from sklearn.cluster import KMeans

    model = KMeans(len(start), init=start, n_init=1, max_iter=ITERATIONS, tol=0, algorithm="lloyd")
    return float(model.fit(points).inertia_)


def _faiss(points: np.ndarray, start: np.ndarray, _: np.ndarray) -> float:
    import faiss

    model = faiss.Kmeans(points.shape[1], len(start), niter=ITERATIONS, max_points_per_centroid=len(points))
    model.train(points, init_centroids=start)
    return float(model.obj[-1])


def medians(runs: dict[str, list[dict[str, float]]]) -> dict[str, dict[str, float]]:
    """Of each system's runs."""
    return {
        name: {key: statistics.median(result[key] for result in of_name) for key in of_name[0]}
        for name, of_name in runs.items()
    }


def goals(runs: dict[str, list[dict[str, float]]], cores: int) -> list[dict[str, Any]]:
    """What is claimed: the value, what it shall be, and whether it is."""

    def ratio(one: str, other: str, key: str = "seconds") -> float:
        pairs = zip(runs[one], runs[other], strict=True)
        return statistics.median(mine[key] / others[key] for mine, others in pairs)

    rows: list[tuple[str, float, str, float]] = []
    for threads in sorted({1, cores}):
        told = f"{threads} thread{'s' * (threads > 1)}"
        rows.append(
            (
                f"times scikit-learn's speed, {told}",
                ratio(named("scikit-learn", threads), named("ours", threads)),
                ">=",
                1,
            )
        )
    ours, peer, on_two = named("ours", 1), named("scikit-learn", 1), named("ours", 1, 2)
    memory = statistics.median(run["peak_bytes"] / run["points_bytes"] for run in runs[named("ours", cores)])
    rows += [
        ("objective against scikit-learn's", ratio(ours, peer, "objective"), "<=", 1.01),
        ("objective of two ranks against one's", ratio(on_two, ours, "objective"), "<=", 1.01),
        ("two ranks, times the speed of one", ratio(ours, on_two), ">=", 1.6),
        ("peak memory over the points'", memory, "<=", 2),
    ]
    return [
        {
            "name": name,
            "value": value,
            "goal": f"{sign} {goal}",
            "met": bool(value >= goal if sign == ">=" else value <= goal),
        }
        for name, value, sign, goal in rows
    ]


def table(clusters: int, found: dict[str, Any]) -> Table:
    """A row a system, and the goals."""
    shown = Table("", "seconds", "CPU", "objective", "peak MB", title=f"K {clusters}, {ITERATIONS} iterations")
    for name, of in found["systems"].items():
        seconds, cpu_seconds = f"{of['seconds']:.2f}", f"{of['cpu_seconds']:.2f}"
        shown.add_row(name, seconds, cpu_seconds, f"{of['objective']:.5g}", f"{of['peak_bytes'] / 1e6:,.0f}")
    shown.add_section()
    for claim in found["goals"]:
        met = "met" if claim["met"] else "not met"
        shown.add_row(claim["name"], f"{claim['value']:.3f}", "", claim["goal"], met)
    return shown


if __name__ == "__main__":
    main()
