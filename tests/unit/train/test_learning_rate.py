"""The learning rate where epochs differ in length: it falls from warm-up to the stage's end, and resumes."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cofee_dist.batches.dataset import SpanDataset, build_dataset
from cofee_dist.config import Engine, Nee
from cofee_dist.train.checkpoint import Checkpoints
from cofee_dist.train.engine import TorchEngine
from cofee_dist.train.loop import TrainingLoop
from cofee_dist.train.metrics import MetricsLog
from cofee_dist.train.stage_esi import mrc_loss
from tests.encoders import tiny_model, wordpiece_tokenizer
from tests.training import made_up

#: Sentences of each epoch: shorter ones, longer ones, up and down.
LENGTHS = {"shorter": (120, 120, 120, 60, 60, 60), "longer": (30, 30, 60, 120), "uneven": (90, 30, 60, 33, 90)}
TYPES = {"PER": "Find persons", "LOC": "Find places"}


class KilledError(BaseException):
    """Not an Exception: nothing may catch it."""


class Recording(TorchEngine):
    """Notes the rate of every update, and may die before one."""

    def __init__(self, stage: Nee, kill_before: int | None = None) -> None:
        super().__init__(tiny_model(dropout=0.0), Engine(device="cpu"), stage)
        self.rates: list[float] = []
        self._kill_before = kill_before

    def step(self, learning_rate: float) -> float | None:
        if len(self.rates) == self._kill_before:
            raise KilledError
        self.rates.append(learning_rate)
        return super().step(learning_rate)


class Policy:
    """Epochs of so many sentences."""

    name = "test"

    def __init__(self, sizes: tuple[int, ...]) -> None:
        self._sizes = sizes

    def dataset(self, epoch: int) -> SpanDataset:
        return build_dataset(wordpiece_tokenizer(), made_up(self._sizes[epoch]), TYPES, 64)

    def loss(self, output: Any, batch: Any, totals: Any) -> dict[str, Any]:
        return {"loss": mrc_loss(output, batch, totals)}

    def end_epoch(self, epoch: int) -> tuple[bool, dict[str, Any]]:
        return True, {}

    def state(self) -> dict[str, Any]:
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        pass


def rates_of(folder: Path, sizes: tuple[int, ...], share: float, kill_before: int | None = None) -> list[float]:
    stage = Nee(epochs=len(sizes), learning_rate=1e-3, warmup_share=share)
    engine = Recording(stage, kill_before)
    config = Engine(device="cpu", batch_tokens=100, micro_batch_tokens=100, checkpoint_every_steps=5)
    log = MetricsLog(folder / "metrics.jsonl", active=True)
    try:
        with Checkpoints(folder / "checkpoints", engine) as checkpoints:
            TrainingLoop(Policy(sizes), engine, stage, config, checkpoints, log, seed=0).run()  # type: ignore[arg-type]
    except KilledError:
        assert len(engine.rates) == kill_before
    return engine.rates


@pytest.mark.parametrize("case", LENGTHS)
def test_the_rate_falls_until_the_last_step(tmp_path: Path, case: str) -> None:
    sizes = LENGTHS[case]
    rates = rates_of(tmp_path, sizes, share=0.1)
    assert len(rates) > 40
    top = int(np.argmax(rates))
    assert rates[top] == 1e-3
    assert all(before < after for before, after in pairwise(rates[: top + 1]))
    # A warm-up is whole steps: seen from epochs of two lengths it may differ by one of the shorter's.
    rounding = 1e-3 / (len(sizes) * len(rates) * min(sizes) / sum(sizes) * 0.9)
    assert all(after < before + rounding for before, after in pairwise(rates[top:]))
    assert all(rate > 0 for rate in rates)
    # An epoch is an equal share of the stage, however long.
    steps = np.cumsum([0, *sizes[:-1]]) * len(rates) / sum(sizes)
    for epoch, at in enumerate(steps[1:].round().astype(int), start=1):
        assert rates[at] == pytest.approx(1e-3 * (1 - epoch / len(sizes)) / 0.9, abs=1e-4)


def test_a_resumed_stage_has_the_same_rates(tmp_path: Path) -> None:
    sizes = LENGTHS["uneven"]
    whole = rates_of(tmp_path / "whole", sizes, share=0.2)
    # Within the fourth epoch, past a checkpoint.
    killed_at = len(whole) * 3 // 4
    before = rates_of(tmp_path / "killed", sizes, 0.2, killed_at)
    after = rates_of(tmp_path / "killed", sizes, 0.2)
    assert before == whole[:killed_at]
    assert 0 < len(after) < len(whole)
    assert after == whole[-len(after) :]
    assert len(before) + len(after) > len(whole)
