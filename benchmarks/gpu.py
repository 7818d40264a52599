"""What does one GPU do? Tokens a second and the share of its peak, by attention kernel, compilation, batch, precision.

    python -m benchmarks.gpu                                # BERT-base in bf16; some ten minutes
    python -m benchmarks.gpu --sizes 16384 --compile off    # a minute or two
    python -m benchmarks.gpu --device cpu --tiny            # the same code on a CPU, to see that it runs

Wants torch and transformers beside the project, and a driver; flash-attn and faiss-gpu are measured where they are
installed. Sentences are made up, of English Wikipedia's lengths, unless a source is given (see
benchmarks/training_input.py). Training is ``train_step`` with a step of one micro-batch, sizes doubling until memory
runs out. The loop, re-labelling and embedding are held against bare passes over inputs that lie ready on the device,
k-means on the GPU against ours and scikit-learn's on the CPU. What fails is told in its place, and the rest goes on.
Writes benchmarks/out/gpu.json after each part.
"""

from __future__ import annotations

import argparse
import gc
import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from rich.console import Console
from rich.table import Table

from benchmarks.training_input import SHAPES, fitting, make_model, sentences_of, shape_of
from benchmarks.training_systems import (
    BareLoop,
    Embedding,
    Extraction,
    OurLoop,
    Run,
    Work,
    engine_of,
    same_batches,
)
from cofee_dist.artifacts import write_json
from cofee_dist.batches.dataset import SpanDataset
from cofee_dist.batches.order import plan_epoch
from cofee_dist.config import Engine as EngineConfig
from cofee_dist.mining.kmeans import kmeans
from cofee_dist.mining.nearest import load_faiss
from cofee_dist.model.span_extractor import SpanExtractor
from cofee_dist.pipeline.models import quiet_transformers
from cofee_dist.train.engine import device_of
from cofee_dist.train.flops import ModelFlops, peak_flops
from cofee_dist.train.memory import is_out_of_memory

OUT = Path(__file__).resolve().parent / "out"
MAX_LENGTH = 150
ATTENTIONS = ("eager", "sdpa", "flash_attention_2")
_KMEANS_ITERATIONS = 20


def main() -> None:
    arguments = parsed()
    quiet_transformers()
    sentences = sentences_of(arguments.source, "esi", min_anchors=1, made_up=arguments.made_up)
    texts = [sentence.text for sentence in sentences]
    model = make_model(None, "tiny" if arguments.tiny else arguments.shape, texts, "esi", MAX_LENGTH)
    dataset, _ = fitting(model, sentences, "esi", MAX_LENGTH)
    bench = Bench(model, dataset, arguments)
    found: dict[str, Any] = {
        "machine": machine(bench.device),
        "encoder": shape_of(model),
        "input": {
            "source": "made up" if arguments.source is None else arguments.source.name,
            "mean input, tokens": float(dataset.input_lengths.mean()),
        },
    }
    for name, part in {
        "training": bench.training,
        "precision": bench.precisions,
        "against bare passes": bench.bare,
        "k-means": bench.kmeans,
    }.items():
        found[name] = list(part())
        write_json(OUT / "gpu.json", found)
    found["goals"] = goals(found)
    write_json(OUT / "gpu.json", found)
    for table in tables(found):
        Console().print(table)


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, nargs="?")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--shape", choices=tuple(SHAPES), default="bert-base")
    parser.add_argument("--tiny", action="store_true", help="a one-layer encoder and few points")
    parser.add_argument("--sizes", type=int, nargs="+", default=[2**power for power in range(12, 19)])
    parser.add_argument("--attention", nargs="+", choices=ATTENTIONS, default=list(ATTENTIONS))
    parser.add_argument("--compile", choices=("both", "on", "off"), default="both")
    parser.add_argument("--packed", action="store_true", help="engine.packed, too, where it goes")
    parser.add_argument("--precision", choices=("bf16", "fp16", "fp32"), default="bf16")
    parser.add_argument("--steps", type=int, default=20, help="of a run")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--made-up", type=int, default=40_000, help="sentences, where there is no source")
    arguments = parser.parse_args()
    if arguments.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("error: torch sees no GPU\n  --device cpu --tiny runs the same code without one")
    return arguments


def machine(device: torch.device) -> dict[str, Any]:
    """Where it ran."""
    found: dict[str, Any] = {
        "device": "cpu",
        "cores": len(os.sched_getaffinity(0)),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }
    if device.type == "cuda":
        capability = torch.cuda.get_device_properties(device)
        found |= {
            "device": torch.cuda.get_device_name(device),
            "memory_gb": capability.total_memory / 1e9,
            "cuda": torch.version.cuda,
            "bf16_peak_tflops": (peak_flops(device, "bf16") or 0.0) / 1e12 or None,
        }
    if shutil.which("nvidia-smi"):
        command = ["nvidia-smi", "--query-gpu=driver_version,power.limit,clocks.max.sm", "--format=csv,noheader"]
        told = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip().splitlines()
        found["driver, power limit, clock"] = told[0] if told else None
    return found


class Bench:
    """The parts; each gives a row for each case."""

    def __init__(self, model: SpanExtractor, dataset: SpanDataset, arguments: argparse.Namespace) -> None:
        self.model, self.dataset, self.arguments = model, dataset, arguments
        self.device = device_of(EngineConfig(device=arguments.device))

    def training(self) -> Iterator[dict[str, Any]]:
        """Every attention, with and without compilation, or packed, by the size of the batch."""
        ways = {"both": [(False, False), (True, False)], "on": [(True, False)], "off": [(False, False)]}
        for attention in self.arguments.attention:
            packed = [(False, True)] if self.arguments.packed and attention != "eager" else []
            for compile_it, pack in ways[self.arguments.compile] + packed:
                case = {"attention": attention, "compile": compile_it, "packed": pack}
                yield from self._sizes({**case, "precision": self.arguments.precision}, self.arguments.sizes)

    def precisions(self) -> Iterator[dict[str, Any]]:
        """The precisions, at one size and with the attention that transformers takes by itself."""
        for precision in ("fp32", "bf16", *(("fp16",) if self.device.type == "cuda" else ())):
            yield from self._sizes({"attention": "auto", "compile": False, "precision": precision}, [self._middle()])

    def bare(self) -> Iterator[dict[str, Any]]:
        """Loop, re-labelling and embedding, each in turns with a bare pass over the same inputs."""
        config = self._config(self._middle(), attention="auto", precision=self.arguments.precision)
        work = self._work(config)

        def loop() -> tuple[Any, Any]:
            return OurLoop(work), BareLoop(work, same_batches(work))

        def extraction() -> tuple[Any, Any]:
            ours = Extraction(replace(work, steps=()))
            return ours, ours.bare

        def embedding() -> tuple[Any, Any]:
            ours = Embedding(replace(work, steps=()))
            return ours, ours.bare

        for make in (loop, extraction, embedding):
            yield {"what": make.__name__, **self._told(lambda make=make: self._pair(*make()))}

    def kmeans(self) -> Iterator[dict[str, Any]]:
        """Seconds of Lloyd's algorithm from the same centroids, for as many iterations."""
        points, clusters = (2_000, 5) if self.arguments.tiny else (1_000_000, 100)
        random = np.random.default_rng(0)
        centres = random.normal(size=(60, 128)).astype(np.float32)
        points_nd = centres[random.integers(0, 60, points)]
        points_nd += random.normal(size=points_nd.shape, scale=1.5).astype(np.float32)
        start_kd = points_nd[random.choice(points, clusters, replace=False)].copy()
        cases: dict[str, Callable[[], float]] = {
            "ours, CPU": lambda: _ours(points_nd, start_kd, torch.device("cpu")),
            "scikit-learn": lambda: _scikit_learn(points_nd, start_kd),
        }
        if self.device.type == "cuda":
            cases["ours, GPU"] = lambda: _ours(points_nd, start_kd, self.device)
            cases["faiss.Kmeans, GPU"] = lambda: _faiss(points_nd, start_kd)
        for name, find in cases.items():
            told = self._told(lambda find=find: self._seconds(find))
            yield {"what": name, "points": points, "clusters": clusters, **told}

    def _seconds(self, find: Callable[[], float]) -> dict[str, Any]:
        find()
        seconds = []
        for _ in range(self.arguments.runs):
            began = time.perf_counter()
            objective = find()
            seconds.append(time.perf_counter() - began)
        return {"seconds": statistics.median(seconds), "objective": objective}

    def _sizes(self, case: dict[str, Any], sizes: list[int]) -> Iterator[dict[str, Any]]:
        """One engine for all sizes, until one is too large."""
        engine = None
        for size in sizes:
            config = self._config(size, **case)
            told = self._told(lambda config=config, engine=engine: self._rate(self._work(config), engine))
            engine = told.pop("engine", None)
            yield {**case, "batch_tokens": size, **told}
            if "failed" in told:
                break
        del engine
        torch._dynamo.reset()
        self._free()

    def _rate(self, work: Work, engine: Any) -> dict[str, Any]:
        loop = OurLoop(work, engine or engine_of(work))
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        began = time.perf_counter()
        loop.run()
        first = time.perf_counter() - began
        runs = [loop.run() for _ in range(self.arguments.runs)]
        rate = statistics.median(run.tokens / run.seconds for run in runs)
        arithmetic = ModelFlops.of(loop.engine.module)(work.dataset.input_lengths[np.concatenate(work.steps)])
        per_second = arithmetic / work.tokens * rate
        peak = peak_flops(self.device, work.config.precision)
        return {
            "engine": loop.engine,
            "tokens_per_second": rate,
            "tflops_per_second": per_second / 1e12,
            "utilisation": None if peak is None else per_second / peak,
            "first run, seconds": first,
            "peak memory, GB": self._peak(),
        }

    def _pair(self, ours: Any, peer: Any) -> dict[str, Any]:
        rounds: list[tuple[Run, Run]] = [(ours.run(), peer.run()) for _ in range(self.arguments.runs + 1)][1:]
        return {
            "tokens_per_second": statistics.median(mine.tokens / mine.seconds for mine, _ in rounds),
            "of the bare pass": statistics.median(
                (mine.tokens / mine.seconds) / (bare.tokens / bare.seconds) for mine, bare in rounds
            ),
        }

    def _told(self, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """What was measured, or why it was not."""
        try:
            return measure()
        except Exception as error:
            told = "out of memory" if is_out_of_memory(error) else f"{type(error).__name__}: {error}".splitlines()[0]
        # Here, where the error no longer holds the tensors.
        self._free()
        return {"failed": told[:300]}

    def _config(self, size: int, **case: Any) -> EngineConfig:
        return EngineConfig(device=self.arguments.device, batch_tokens=size, micro_batch_tokens=size, **case)

    def _work(self, config: EngineConfig) -> Work:
        plan = plan_epoch(self.dataset.input_lengths, config.batch_tokens, 0, 0)
        steps = tuple(plan.step(at % len(plan)) for at in range(self.arguments.steps))
        return Work(self.model, self.dataset, steps, config)

    def _middle(self) -> int:
        sizes: list[int] = self.arguments.sizes
        return min(sizes, key=lambda size: abs(size - 16_384))

    def _peak(self) -> float | None:
        return torch.cuda.max_memory_allocated(self.device) / 1e9 if self.device.type == "cuda" else None

    def _free(self) -> None:
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()


def _ours(points_nd: np.ndarray, start_kd: np.ndarray, device: torch.device) -> float:
    if device.type == "cuda" and not load_faiss().get_num_gpus():
        raise RuntimeError("the FAISS that is installed is not faiss-gpu: ours would assign on the CPU")
    clusters = len(start_kd)
    found = kmeans(points_nd, clusters, _KMEANS_ITERATIONS, initial_kd=start_kd, tolerance=0, device=device)
    return found.objective[-1]


def _scikit_learn(points_nd: np.ndarray, start_kd: np.ndarray) -> float:
    from sklearn.cluster import KMeans

    model = KMeans(len(start_kd), init=start_kd, n_init=1, max_iter=_KMEANS_ITERATIONS, tol=0, algorithm="lloyd")
    return float(model.fit(points_nd).inertia_)


def _faiss(points_nd: np.ndarray, start_kd: np.ndarray) -> float:
    faiss = load_faiss()
    if not faiss.get_num_gpus():
        raise RuntimeError("the FAISS that is installed is not faiss-gpu")
    given = {"niter": _KMEANS_ITERATIONS, "max_points_per_centroid": len(points_nd), "gpu": True}
    model = faiss.Kmeans(points_nd.shape[1], len(start_kd), **given)
    model.train(points_nd, init_centroids=start_kd)
    return float(model.obj[-1])


def goals(found: dict[str, Any]) -> list[dict[str, Any]]:
    """What is claimed; a value is None where nothing was measured."""
    shares = {row["what"]: row.get("of the bare pass") for row in found["against bare passes"]}
    seconds = {row["what"]: row.get("seconds") for row in found["k-means"]}
    on_gpu, on_cpu = seconds.get("ours, GPU"), seconds["ours, CPU"]
    best = max((row.get("utilisation") or 0.0 for row in found["training"]), default=0.0)
    table = (
        ("share of the dense peak, the best of all", best or None, 0.4),
        ("our loop, share of a bare loop", shares["loop"], 1 / 1.05),
        ("re-labelling, share of a bare forward", shares["extraction"], 0.9),
        ("embedding, share of a bare forward", shares["embedding"], 0.9),
        ("k-means, times ours on the CPU", on_cpu / on_gpu if on_cpu and on_gpu else None, 20.0),
    )
    return [
        {"name": name, "value": value, "goal": goal, "met": None if value is None else value >= goal}
        for name, value, goal in table
    ]


def tables(found: dict[str, Any]) -> Iterator[Table]:
    """A table for each part."""
    for part in ("training", "precision", "against bare passes", "k-means", "goals"):
        rows = found[part]
        columns = list(dict.fromkeys(key for row in rows for key in row))
        table = Table(*columns, title=f"{part}: {found['machine']['device']}", title_justify="left")
        for row in rows:
            table.add_row(*(_shown(row.get(column)) for column in columns))
        yield table


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
    return "" if value is None else str(value)


if __name__ == "__main__":
    main()
