"""What a training step takes, part by part, for micro-batches of several sizes."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from cofee_dist.batches.dataset import SpanDataset
from cofee_dist.batches.order import EpochPlan, micro_batches, plan_epoch
from cofee_dist.config import Engine as EngineConfig
from cofee_dist.train.engine import Engine
from cofee_dist.train.flops import ModelFlops, peak_flops
from cofee_dist.train.loop import StageLoss, train_step
from cofee_dist.train.memory import is_out_of_memory
from cofee_dist.train.meter import Meter
from cofee_dist.train.metrics import Metrics

#: Of a step's time; what is left is "other".
PARTS = ("data", "forward", "backward", "update")
_RUNGS = 5


@dataclass(frozen=True)
class Rung:
    """One size of micro-batch: ``metrics`` as training logs them, and milliseconds a step by part.

    Both are empty where memory ran out. ``batch_tokens``: the least that ``engine.batch_tokens`` must be for it, not
    below the config's.
    """

    micro_batch_tokens: int
    batch_tokens: int
    metrics: Metrics
    milliseconds: dict[str, float]

    @property
    def fits(self) -> bool:
        """Whether there was memory for it."""
        return bool(self.metrics)


def step_tokens(config: EngineConfig) -> int:
    """One worker's share of an optimizer step, in tokens."""
    return max(1, config.batch_tokens // max(1, config.workers))


def ladder(config: EngineConfig, max_length_tokens: int, up_to: int | None) -> Iterator[int]:
    """Sizes to try, ascending: halves of a worker's share of a step, down to one input; the config's own; its doubles.

    The doubles end with ``up_to`` tokens; if that is None they do not end.
    """
    most = step_tokens(config)
    halves = {most >> power for power in range(_RUNGS)}
    least = min(most, max_length_tokens)
    yield from sorted({min(most, config.micro_batch_tokens), *(size for size in halves if size >= least)})
    while up_to is None or 2 * most <= up_to:
        most *= 2
        yield most


def climb(
    policy: StageLoss, dataset: SpanDataset, engine: Engine, config: EngineConfig, sizes: Iterable[int], steps: int
) -> Iterator[Rung]:
    """Measure the sizes, ascending, until one is too large for the memory. Weights stay as they are.

    A step is a worker's share of the config's ``batch_tokens``; for a size beyond that, one micro-batch.
    """
    lengths = dataset.input_lengths
    for size in sizes:
        tokens = max(size, step_tokens(config))
        # The same sentences again where there are too few for steps of this size.
        times = 1 if size <= step_tokens(config) else -(-(steps + 1) * size // int(lengths.sum()))
        plan = plan_epoch(lengths, tokens, seed=0, epoch=0, examples=np.tile(np.arange(len(dataset)), times))
        metrics, milliseconds = _measure(policy, dataset, engine, config, plan, micro_batches(tokens, size, 1), steps)
        yield Rung(size, max(config.batch_tokens, size * max(1, config.workers)), metrics, milliseconds)
        if not metrics:
            return


def _measure(
    policy: StageLoss,
    dataset: SpanDataset,
    engine: Engine,
    config: EngineConfig,
    plan: EpochPlan,
    cut_into: int,
    steps: int,
) -> tuple[Metrics, dict[str, float]]:
    device, lengths = engine.device, dataset.input_lengths
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    meter = Meter(device, ModelFlops.of(engine.module), peak_flops(device, config.precision), waits=True)
    # The longest inputs first, unmeasured: they take the most memory, and the first step is the slowest anyway.
    longest = int(np.argmax([lengths[plan.step(at)].max() for at in range(len(plan))]))
    order = [longest, *(at % len(plan) for at in range(steps))]
    engine.module.train()
    try:
        for number, at in enumerate(order):
            # At a learning rate of zero an update takes its time and changes nothing.
            train_step(policy, dataset, lengths, plan.step(at), engine, cut_into, 0.0, meter, number)
            if number == 0:
                meter = Meter(device, meter.flops, meter.peak_flops, waits=True)
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        meter = Meter(device)
    if not meter.steps:
        # Here, where the error no longer holds the step's tensors.
        engine.module.zero_grad(set_to_none=True)
        gc.collect()
        if device.type == "cuda":
            torch.cuda.empty_cache()
        return {}, {}
    seconds = time.perf_counter() - meter.began
    parts = {name: meter.seconds[name] for name in PARTS}
    parts["other"] = max(0.0, seconds - sum(parts.values()))
    return meter.metrics(), {name: 1000 * took / steps for name, took in parts.items()}
