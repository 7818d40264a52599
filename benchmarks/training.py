"""How fast is training? Our loop against the Hugging Face Trainer, against padding to 150 and against a bare loop.

    python -m benchmarks.training                           # the English dump of ../shared/data, or made-up sentences
    python -m benchmarks.training SOURCE --encoder FOLDER   # a dump, a run's folder of sentences, or a text file
    python -m benchmarks.training --stage nee --min-anchors 1 --device cuda --precision bf16 --batch-tokens 16384
    python -m benchmarks.training --packed                  # engine.packed, too
    python -m benchmarks.training --tiny --steps 2 --runs 1 # a quick look

All take turns over a few optimizer steps, drawn from a whole epoch's plan, on the same model: MiniLM's shape with
random weights unless --encoder names one. The Trainer gets as many examples a step as ours has in the mean, in random
order, padded to the longest of a batch, and once more grouped by length. The bare loop gets our very batches, laid out
before the clock starts: forward, loss, backward, clipping, fused AdamW; at last both once more with DeepSpeed, ZeRO-1.
Re-labelling (``extract_spans``; and as the stage NEE does it, from ledger to ledger) and embedding
(``embed_entities``) are held against bare forward passes over inputs that lie ready. Speeds are medians of real tokens
a second; a ratio is the median over rounds, in each of which both ran. Padding and waiting of ranks are counted over a
whole epoch's plan. Writes benchmarks/out/training.json.
"""

from __future__ import annotations

import argparse
import copy
import os
import statistics
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
import transformers
from rich.console import Console
from rich.table import Table

from benchmarks.training_input import QUESTIONS, SHAPES, fitting, make_model, sentences_of, shape_of
from benchmarks.training_stages import BareDeepSpeed, OurLoopOnDeepSpeed, Picking
from benchmarks.training_systems import (
    BareLoop,
    Embedding,
    Extraction,
    HuggingFaceTrainer,
    OurLoop,
    Run,
    Work,
    padded_batches,
    same_batches,
)
from cofee_dist.artifacts import write_json
from cofee_dist.batches.dataset import SpanDataset
from cofee_dist.batches.order import deal, length_batches, micro_batches, plan_epoch
from cofee_dist.config import Engine as EngineConfig
from cofee_dist.model.span_extractor import SpanExtractor
from cofee_dist.pipeline.models import quiet_transformers
from cofee_dist.train.encoder_options import set_up_encoder
from cofee_dist.train.engine import device_of

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "benchmarks" / "out"
DUMP = ROOT.parent / "shared" / "data" / "dumps" / "enwiki-106-articles.xml.bz2"
#: Length of an input at most, and that to which all are padded in the comparison.
MAX_LENGTH = 150
#: Forward passes are short: so many times the training's tokens.
_FORWARD = 3
_RANKS = (1, 8, 32)


class System(Protocol):
    """Something to measure."""

    def run(self) -> Run:
        """Do it once."""


def main() -> None:
    arguments = parsed()
    if arguments.threads is not None:
        torch.set_num_threads(arguments.threads)
    quiet_transformers()
    sentences = sentences_of(arguments.source, arguments.stage, arguments.min_anchors, made_up=arguments.made_up)
    model = make_model(
        arguments.encoder,
        "tiny" if arguments.tiny else arguments.shape,
        [one.text for one in sentences],
        arguments.stage,
        MAX_LENGTH,
    )
    dataset, kept = fitting(model, sentences, arguments.stage, MAX_LENGTH)
    config = EngineConfig(
        device=arguments.device,
        precision=arguments.precision,
        attention=arguments.attention,
        batch_tokens=arguments.batch_tokens,
        micro_batch_tokens=arguments.micro_batch_tokens or arguments.batch_tokens,
    )
    work = work_of(model, dataset, config, arguments.steps)
    found: dict[str, Any] = {
        "machine": machine(work.device),
        "engine": config.model_dump(mode="json"),
        "encoder": shape_of(model),
        "input": {
            "source": "made up" if arguments.source is None else arguments.source.name,
            "stage": arguments.stage,
            "sentences": len(kept),
            "left out, too long": len(sentences) - len(kept),
            "mean input, tokens": float(dataset.input_lengths.mean()),
            "measured steps": len(work.steps),
        },
        "padding": padding(dataset, config),
    }
    with tempfile.TemporaryDirectory() as folder:
        measured = systems(work, kept, Path(folder))
        if arguments.packed:
            measured |= packed_systems(work, kept)
        found["systems"] = speeds(measured, arguments.runs)
    # After the Trainer, which would take the process group that DeepSpeed leaves behind for a launcher's.
    found["systems"] |= speeds(systems_on_deepspeed(work), arguments.runs)
    found["goals"] = goals(found["systems"], found["padding"])
    write_json(OUT / "training.json", found)
    Console().print(*tables(found))


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, nargs="?", default=DUMP if DUMP.exists() else None)
    parser.add_argument("--encoder", type=Path)
    parser.add_argument("--shape", choices=tuple(SHAPES), default="minilm", help="of a random encoder")
    parser.add_argument("--stage", choices=sorted(QUESTIONS), default="esi")
    parser.add_argument("--min-anchors", type=int, default=4)
    parser.add_argument("--made-up", type=int, default=20_000, help="sentences, where there is no source")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--precision", choices=("fp32", "bf16", "fp16"), default="fp32")
    parser.add_argument("--attention", choices=("auto", "sdpa", "eager", "flash_attention_2"), default="auto")
    parser.add_argument("--packed", action="store_true", help="engine.packed beside padded inputs")
    parser.add_argument("--batch-tokens", type=int, default=2048)
    parser.add_argument("--micro-batch-tokens", type=int)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--tiny", action="store_true", help="a one-layer encoder")
    return parser.parse_args()


def machine(device: torch.device) -> dict[str, Any]:
    """Where it ran."""
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "cores": len(os.sched_getaffinity(0)),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }


def work_of(model: SpanExtractor, dataset: SpanDataset, config: EngineConfig, steps: int) -> Work:
    """The first steps of an epoch, and the model with its encoder set up as all systems shall have it."""
    set_up_encoder(model, config, device_of(config))
    plan = plan_epoch(dataset.input_lengths, config.batch_tokens, 0, 0)
    return Work(model, dataset, tuple(plan.step(at) for at in range(min(steps, len(plan)))), config)


def systems(work: Work, sentences: list[Any], folder: Path) -> dict[str, System]:
    """What is measured, by name; ``folder`` is for a ledger."""
    few, some = work_of_some(work, sentences)
    extraction, embedding = Extraction(few), Embedding(few)
    return {
        "our loop": OurLoop(work),
        "bare loop, our batches": BareLoop(work, same_batches(work)),
        "Trainer": HuggingFaceTrainer(work, grouped=False),
        "Trainer, grouped by length": HuggingFaceTrainer(work, grouped=True),
        f"bare loop, padded to {MAX_LENGTH}": BareLoop(work, padded_batches(work, MAX_LENGTH)),
        "re-labelling": extraction,
        "re-labelling by the stage": Picking(extraction, some, folder),
        "its bare forward": extraction.bare,
        "embedding": embedding,
        "its bare forward, entities": embedding.bare,
    }


def packed_systems(work: Work, sentences: list[Any]) -> dict[str, System]:
    """Ours with packed inputs, to hold against themselves with padded ones."""
    config = work.config.model_copy(update={"packed": True})
    packed = replace(work, model=copy.deepcopy(work.model), config=config)
    set_up_encoder(packed.model, config, work.device)
    return {
        "our loop, packed": OurLoop(packed),
        "re-labelling, packed": Extraction(work_of_some(packed, sentences)[0]),
    }


def systems_on_deepspeed(work: Work) -> dict[str, System]:
    """Our loop and a bare one with DeepSpeed in the place of torch's engine."""
    return {
        "our loop, DeepSpeed": OurLoopOnDeepSpeed(work),
        "bare loop, DeepSpeed": BareDeepSpeed(work, same_batches(work)),
    }


def work_of_some(work: Work, sentences: list[Any]) -> tuple[Work, list[Any]]:
    """The first sentences, as many as a measured forward pass shall go through."""
    lengths = work.dataset.input_lengths.reshape(len(sentences), -1).sum(1)
    size = int(np.searchsorted(np.cumsum(lengths), _FORWARD * work.tokens)) + 1
    stage = "esi" if len(work.dataset.types) == 1 else "nee"
    dataset, kept = fitting(work.model, sentences[:size], stage, MAX_LENGTH)
    return Work(work.model, dataset, (), work.config), kept


def speeds(measured: dict[str, System], runs: int) -> dict[str, Any]:
    """Real tokens a second of each, run in turns; a first round is not counted."""
    rates: dict[str, list[float]] = {name: [] for name in measured}
    for number in range(runs + 1):
        for name, system in measured.items():
            run = system.run()
            if number:
                rates[name].append(run.tokens / run.seconds)
            print(
                f"{number or 'warm-up'} {name}: {run.seconds:.2f} s, {run.tokens / run.seconds:,.0f} tokens/s",
                flush=True,
            )
    return {name: {"tokens_per_second": statistics.median(of), "runs": of} for name, of in rates.items()}


def padding(dataset: SpanDataset, config: EngineConfig) -> dict[str, float]:
    """Shares of the computed positions that are padding, in a whole epoch; with ranks, those in which they wait too.

    Each rank has ``batch_tokens`` of a step; in a round all wait for the largest micro-batch.
    """
    lengths = dataset.input_lengths
    batches = length_batches(np.arange(len(dataset)), lengths, config.micro_batch_tokens)
    found = {"re-labelling": 1 - lengths.sum() / sum(len(batch) * lengths[batch].max() for batch in batches)}
    for ranks in _RANKS:
        plan = plan_epoch(lengths, ranks * config.batch_tokens, 0, 0)
        cut_into = micro_batches(ranks * config.batch_tokens, config.micro_batch_tokens, ranks)
        padded = waited = 0
        for at in range(len(plan)):
            shares = [deal(plan.step(at), lengths, cut_into, rank, ranks) for rank in range(ranks)]
            for parts in zip(*shares, strict=True):
                sizes = [len(part) * int(lengths[part].max(initial=0)) for part in parts]
                padded, waited = padded + sum(sizes), waited + ranks * max(sizes)
        name = f"{ranks} rank{'s' * (ranks > 1)}"
        found[f"training, {name}"] = 1 - lengths.sum() / padded
        if ranks > 1:
            found[f"training, {name}, with waiting"] = 1 - lengths.sum() / waited
    return {name: float(share) for name, share in found.items()}


def goals(measured: dict[str, Any], shares: dict[str, float]) -> list[dict[str, Any]]:
    """What is claimed: the value, what it shall be at least (or at most), and whether it is."""

    def times(name: str, peer: str) -> float:
        pairs = zip(measured[name]["runs"], measured[peer]["runs"], strict=True)
        return statistics.median(rate / of_peer for rate, of_peer in pairs)

    padded = f"bare loop, padded to {MAX_LENGTH}"
    table: list[tuple[str, float, str, float | None]] = [
        ("times the Trainer's speed", times("our loop", "Trainer"), ">=", 1.5),
        ("times the Trainer's, grouped by length", times("our loop", "Trainer, grouped by length"), ">=", None),
        (f"times the speed padded to {MAX_LENGTH}", times("our loop", padded), ">=", 3.0),
        ("overhead over the bare loop", times("bare loop, our batches", "our loop") - 1, "<=", 0.05),
        ("overhead under DeepSpeed", times("bare loop, DeepSpeed", "our loop, DeepSpeed") - 1, "<=", 0.05),
        ("re-labelling, share of a bare forward", times("re-labelling", "its bare forward"), ">=", 0.9),
        ("the stage's re-labelling", times("re-labelling by the stage", "its bare forward"), ">=", 0.9),
        ("embedding, share of a bare forward", times("embedding", "its bare forward, entities"), ">=", 0.9),
        ("padding of training", shares["training, 1 rank"], "<=", 0.05),
        ("padding of re-labelling", shares["re-labelling"], "<=", 0.05),
        *(
            (f"{name}, packed, times padded", times(f"{name}, packed", name), ">=", None)
            for name in ("our loop", "re-labelling")
            if f"{name}, packed" in measured
        ),
    ]
    return [
        {
            "name": name,
            "value": value,
            "goal": None if goal is None else f"{sign} {goal}",
            "met": None if goal is None else bool(value >= goal if sign == ">=" else value <= goal),
        }
        for name, value, sign, goal in table
    ]


def tables(found: dict[str, Any]) -> list[Table]:
    """Speeds, padding and goals."""
    given = found["input"]
    title = f"{found['machine']['device']}, {found['engine']['precision']}; {given['source']}, {given['stage']}"
    speed = Table("", "tokens/s", "slowest to fastest", title=title, title_justify="left")
    for name, result in found["systems"].items():
        runs = result["runs"]
        speed.add_row(name, f"{result['tokens_per_second']:,.0f}", f"{min(runs):,.0f} – {max(runs):,.0f}")
    shares = Table("padding of the positions computed", "", title_justify="left")
    for name, share in found["padding"].items():
        shares.add_row(name, f"{share:.1%}")
    claims = Table("", "value", "goal", "", title_justify="left")
    for claim in found["goals"]:
        met = {True: "met", False: "not met", None: ""}[claim["met"]]
        claims.add_row(claim["name"], f"{claim['value']:.3f}", claim["goal"] or "", met)
    return [speed, shares, claims]


if __name__ == "__main__":
    main()
