"""What is not finite on one rank stops them all, before the update, and names that rank's sentences."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from cofee_dist.batches.collate import Batch
from cofee_dist.batches.dataset import build_dataset
from cofee_dist.batches.order import deal
from cofee_dist.config import Engine
from cofee_dist.errors import UserError
from tests.distributed.test_gradients import FOUR, QUESTIONS, ROOT, STAGE, Policy
from tests.distributed.two_processes import run_on
from tests.encoders import tiny_model, wordpiece_tokenizer
from tests.training import made_up


class Broken(Policy):
    """A loss, or only its gradient, that is not finite for one example; every other one is as it was."""

    name = "nee"

    def __init__(self, example: int, gradient_only: bool) -> None:
        self.example, self.gradient_only = example, gradient_only

    def loss(self, output: Any, batch: Batch, totals: Any) -> dict[str, Tensor]:
        loss = super().loss(output, batch, totals)["loss"]
        if self.example not in batch.examples_b.tolist():
            return {"loss": loss}
        if self.gradient_only:
            # The root of zero is zero; its slope is not finite.
            return {"loss": loss + (output.start_logits_bt2.sum() * 0).abs().sqrt()}
        return {"loss": loss * float("nan")}


def stopped(engine: Any, example: int, gradient_only: bool) -> dict[str, Any]:
    """One good step, then one with the broken example: the message, and whether the weights moved."""
    from cofee_dist.train.loop import train_step

    data = build_dataset(wordpiece_tokenizer(), made_up(20), QUESTIONS, 64)
    engine.module.train()
    start = engine.full_state()
    train_step(Broken(-1, gradient_only), data, data.input_lengths, np.arange(20), engine, FOUR, 1e-2, number=1)
    before = engine.full_state()
    with pytest.raises(UserError) as caught:
        train_step(
            Broken(example, gradient_only), data, data.input_lengths, np.arange(20), engine, FOUR, 1e-2, number=2
        )
    after = engine.full_state()
    return {
        "message": str(caught.value),
        "moved before": any(not torch.equal(start[name], before[name]) for name in start),
        "moved": [name for name in before if not torch.equal(before[name], after[name])],
    }


def stopped_on_deepspeed(rank: int, zero: int, example: int, gradient_only: bool, folder: Path) -> None:
    from cofee_dist.train.deepspeed_engine import DeepSpeedEngine

    config = Engine(name="deepspeed", device="cpu", deepspeed_config=str(ROOT / f"cluster/deepspeed/zero{zero}.json"))
    found = stopped(DeepSpeedEngine(tiny_model(dropout=0.0), config, STAGE), example, gradient_only)
    (folder / f"{rank}.json").write_text(json.dumps(found))


def shares_of(rank: int) -> list[np.ndarray]:
    data = build_dataset(wordpiece_tokenizer(), made_up(20), QUESTIONS, 64)
    return deal(np.arange(20), data.input_lengths, FOUR, rank, 2)


@pytest.mark.deepspeed
@pytest.mark.parametrize(("zero", "gradient_only"), [(0, False), (0, True), (1, True), (2, False), (3, True)])
def test_both_ranks_stop_without_an_update(zero: int, gradient_only: bool, tmp_path: Path) -> None:
    share = shares_of(1)[1]
    run_on(2, stopped_on_deepspeed, zero, int(share[0]), gradient_only, tmp_path)
    found = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)]
    for one in found:
        assert one["moved before"]
        assert not one["moved"]
    assert found[0]["message"] == found[1]["message"]
    message = found[0]["message"]
    assert message.startswith("stage nee, step 2: the " + ("gradient" if gradient_only else "loss"))
    assert "learning_rate (0.01 in this step)" in message
    lines = [line.strip() for line in message.splitlines() if line.strip().startswith("rank ")]
    sentences = made_up(20)
    told = lines[-1]
    assert told.startswith("rank 1: ")
    if not gradient_only:
        assert len(lines) == 1
        for row in range(20):
            assert (f"page {sentences[row].page_id} sentence 0 " in told) == (row in share // 2), row
        assert "built engines" in told or "lived in" in told


@pytest.mark.parametrize("gradient_only", [False, True])
def test_the_plain_engine_stops_too(gradient_only: bool) -> None:
    from cofee_dist.train.engine import TorchEngine

    found = stopped(TorchEngine(tiny_model(dropout=0.0), Engine(device="cpu"), STAGE), 4, gradient_only)
    assert found["moved before"]
    assert not found["moved"]
    assert "page 2 sentence 0" in found["message"]
