"""The one loop that trains every stage."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cofee_dist.batches.collate import Batch, collate
from cofee_dist.batches.dataset import SpanDataset
from cofee_dist.batches.order import deal, micro_batches, plan_epoch, sample_negatives
from cofee_dist.config import Engine as EngineConfig
from cofee_dist.config import Stage
from cofee_dist.errors import UserError
from cofee_dist.model.span_extractor import SpanOutput
from cofee_dist.train.checkpoint import Checkpoints
from cofee_dist.train.engine import Engine, learning_rate_at
from cofee_dist.train.finite import StepCheck
from cofee_dist.train.flops import ModelFlops, peak_flops
from cofee_dist.train.meter import Meter
from cofee_dist.train.metrics import Metrics, MetricsLog
from cofee_dist.train.startup import StartUp

_LOG_EVERY_STEPS = 10


@dataclass(frozen=True)
class StepTotals:
    """What a loss is divided by: counts over the whole optimizer step, all ranks and micro-batches."""

    positions: int
    entities: int


class StageLoss(Protocol):
    """What a step asks of a stage."""

    name: str

    def loss(self, output: SpanOutput, batch: Batch, totals: StepTotals) -> dict[str, Tensor]:
        """This micro-batch's share of the losses; ``loss`` is the one to minimise."""


class StagePolicy(StageLoss, Protocol):
    """What a stage decides: the labels of an epoch, the loss, and what follows an epoch."""

    def dataset(self, epoch: int) -> SpanDataset:
        """The epoch's examples; called again after a resume in the middle of the epoch, with the same result."""

    def end_epoch(self, epoch: int) -> tuple[bool, Metrics]:
        """Validate, keep the best model, make the next labels. Returns whether to go on, and what to log."""

    def state(self) -> dict[str, Any]:
        """What a resumed process must know beside model, optimizer and place in the data; JSON-able."""

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a ``state()``."""

    def finish(self) -> dict[str, Any]:
        """See that the stage's model is saved; what the manifest shall tell of the stage."""


@dataclass
class Position:
    """The place in the data: ``step`` counts within the epoch, ``global_step`` since the stage began."""

    epoch: int = 0
    step: int = 0
    global_step: int = 0
    finished: bool = False


@dataclass(frozen=True)
class TrainingLoop:
    """Trains a stage.

    The same (seed, data) gives the same weights, bit for bit on a CPU, however often the process was killed: the
    order is a function of (seed, epoch), dropout of (seed, stage, step, micro-batch), and the place is in the
    checkpoint. Any number of workers takes the same steps; with the same micro-batches (``batches.order``) they also
    draw the same dropout, and only the order in which gradients are summed differs.
    """

    policy: StagePolicy
    engine: Engine
    stage: Stage
    config: EngineConfig
    checkpoints: Checkpoints
    log: MetricsLog
    seed: int
    starting: StartUp = field(default_factory=StartUp)

    def run(self) -> Position:
        """Go to the stage's end, from its newest checkpoint where there is one."""
        position, policy = Position(), self.policy
        if state := self.checkpoints.restore():
            position = Position(**state["position"])
            policy.restore(state["policy"])
        self.log.rewind(position.global_step)
        while position.epoch < self.stage.epochs and not position.finished:
            self._epoch(policy.dataset(position.epoch), position)
            go_on, metrics = policy.end_epoch(position.epoch)
            position.epoch, position.step, position.finished = position.epoch + 1, 0, not go_on
            self.log(position.global_step, {"epoch": position.epoch, **metrics})
            self._save(position)
        return position

    def _epoch(self, dataset: SpanDataset, position: Position) -> None:
        engine, config, policy = self.engine, self.config, self.policy
        self.starting.until("first_labels")
        meter = self._meter()
        with meter.part("data"):
            lengths = dataset.input_lengths
            ratio, types = self.stage.negatives_per_positive, len(dataset.prompts)
            examples = sample_negatives(dataset.entity_counts > 0, types, ratio, self.seed, position.epoch)
            plan = plan_epoch(lengths, config.batch_tokens, self.seed, position.epoch, examples)
        if len(plan) == 0:
            raise UserError(
                f"stage {policy.name} has no sentences to train on", fix="give it more text, or fewer filters"
            )
        epochs = self.stage.epochs
        parts = micro_batches(config.batch_tokens, config.micro_batch_tokens, engine.world_size)
        engine.module.train()
        while position.step < len(plan):
            step = plan.step(position.step)
            dropout = partial(_seed_dropout, self.seed, policy.name, position.global_step)
            # Not the global step: epochs may differ in length (sampled negatives, labels picked anew).
            rate = learning_rate_at(position.epoch * len(plan) + position.step, len(plan) * epochs, self.stage)
            number = position.global_step + 1
            norm = train_step(policy, dataset, lengths, step, engine, parts, rate, meter, number, dropout)
            self.starting.finish("first_step")
            position.step += 1
            position.global_step = number
            if position.global_step % _LOG_EVERY_STEPS == 0 or position.step == len(plan):
                progress = {"progress": (position.epoch + position.step / len(plan)) / epochs}
                norms = {} if norm is None else {"gradient_norm": norm}
                self.log(position.global_step, {**meter.metrics(), "learning_rate": rate, **norms, **progress})
                meter = self._meter()
            # At the end of an epoch too: a kill while it is judged, re-labelled or clustered costs no step.
            if position.global_step % config.checkpoint_every_steps == 0 or position.step == len(plan):
                self._save(position)

    def _meter(self) -> Meter:
        device, module = self.engine.device, self.engine.module
        return Meter(device, ModelFlops.of(module), peak_flops(device, self.config.precision))

    def _save(self, position: Position) -> None:
        state = {"position": asdict(position), "policy": self.policy.state()}
        self.checkpoints.save(position.global_step, state)


def train_step(
    policy: StageLoss,
    dataset: SpanDataset,
    lengths: NDArray[np.int64],
    step: NDArray[np.int64],
    engine: Engine,
    parts: int,
    learning_rate: float,
    meter: Meter | None = None,
    number: int = 0,
    seed_dropout: Callable[[int], None] | None = None,
) -> float | None:
    """One optimizer step over the examples ``step``, of which this rank takes its share. Returns the gradient norm.

    Each loss is divided by the step's global count, so the gradients do not depend on how it was cut or dealt.
    ``parts`` is how many micro-batches all ranks have of it together, a multiple of the ranks.
    ``number`` is what the step is called where a loss or gradient is not finite: UserError on all ranks, no update.
    ``seed_dropout`` is called before each micro-batch with its number in the step, counted over all ranks.
    """
    meter = meter if meter is not None else Meter(engine.device)
    with meter.part("data"):
        totals = StepTotals(
            positions=int(dataset.sentence_lengths_of(step).sum()),
            entities=int((dataset.splits[step + 1] - dataset.splits[step]).sum()),
        )
        shares = deal(step, lengths, parts, engine.rank, engine.world_size)
    minimised = []
    for turn, share in enumerate(shares):
        if seed_dropout is not None:
            seed_dropout(turn * engine.world_size + engine.rank)
        with meter.part("data"):
            # A rank without examples goes through the same collectives, with a loss of zero.
            batch = collate(dataset, share if len(share) else step[:1]).to(engine.device)
        with meter.part("forward"):
            with engine.autocast():
                output = engine.forward(batch.input_ids_bt, batch.attention_mask_bt, batch.token_type_ids_bt)
            losses = policy.loss(output, batch, totals)
            if not len(share):
                losses = {name: value * 0 for name, value in losses.items()}
        with meter.part("backward"):
            engine.backward(losses["loss"])
        minimised.append(losses["loss"].detach())
        meter.add_losses(losses)
        if len(share):
            meter.add_batch(batch, lengths[share], engine.module.packed)
    meter.steps += 1
    check = StepCheck(policy.name, number, learning_rate, engine, dataset, shares)
    with meter.part("update"):
        check.losses(minimised)
        norm = engine.step(learning_rate)
    check.gradient(norm)
    return norm


def _seed_dropout(seed: int, stage: str, step: int, micro_batch: int) -> None:
    digest = hashlib.sha256(f"{seed}/{stage}/{step}/{micro_batch}".encode()).digest()
    torch.manual_seed(int.from_bytes(digest[:8], "big") >> 1)
