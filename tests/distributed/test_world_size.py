"""A checkpoint is taken up by another number of processes, which go on as if nothing had changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cofee_dist.batches.dataset import build_dataset
from cofee_dist.config import Engine
from tests.distributed.test_gradients import FOUR, QUESTIONS, ROOT, STAGE, Policy, assert_same
from tests.distributed.two_processes import run_on
from tests.encoders import tiny_model, wordpiece_tokenizer
from tests.training import made_up


def steps(engine: Any, numbers: range) -> None:
    """The updates of these numbers, 20 examples each."""
    from cofee_dist.train.loop import train_step

    data = build_dataset(wordpiece_tokenizer(), made_up(40), QUESTIONS, 64)
    engine.module.train()
    for number in numbers:
        step = np.arange(number * 16, number * 16 + 16)
        train_step(Policy(), data, data.input_lengths, step, engine, FOUR, 1e-2)


def on_deepspeed(rank: int, zero: int, numbers: range, load: bool, folder: Path) -> None:
    from cofee_dist.train.deepspeed_engine import DeepSpeedEngine

    config = Engine(name="deepspeed", device="cpu", deepspeed_config=str(ROOT / f"cluster/deepspeed/zero{zero}.json"))
    engine = DeepSpeedEngine(tiny_model(dropout=0.0, seed=7 if load else 0), config, STAGE)
    if load:
        engine.load(folder)
    steps(engine, numbers)
    engine.save(folder / "again" if load else folder)
    state = engine.full_state()
    if rank == 0:
        torch.save(state, folder / "state.pt")


@pytest.fixture(scope="module")
def uninterrupted() -> dict[str, torch.Tensor]:
    """The oracle: five updates on the plain engine."""
    from cofee_dist.train.engine import TorchEngine

    engine = TorchEngine(tiny_model(dropout=0.0), Engine(device="cpu"), STAGE)
    steps(engine, range(5))
    return engine.full_state()


@pytest.mark.deepspeed
@pytest.mark.parametrize(("before", "after"), [(2, 1), (1, 2)])
@pytest.mark.parametrize("zero", [0, 1, 2, 3])
def test_going_on_with_another_number_of_processes(zero, before, after, uninterrupted, tmp_path):
    run_on(before, on_deepspeed, zero, range(3), False, tmp_path)
    run_on(after, on_deepspeed, zero, range(3, 5), True, tmp_path)
    assert_same(torch.load(tmp_path / "state.pt", weights_only=True), uninterrupted)
