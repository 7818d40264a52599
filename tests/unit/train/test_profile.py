"""The ladder of micro-batches: its sizes, its measurements, and where it ends."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from cofee_dist.batches.dataset import build_dataset
from cofee_dist.config import Engine
from cofee_dist.train.engine import TorchEngine
from cofee_dist.train.profile import PARTS, climb, ladder
from tests.distributed.test_gradients import QUESTIONS, STAGE, Policy
from tests.encoders import tiny_model, wordpiece_tokenizer
from tests.training import made_up


@pytest.mark.parametrize(
    ("batch", "micro", "workers", "sizes"),
    [
        (2048, 2048, 0, [256, 512, 1024, 2048]),
        (2048, 300, 1, [256, 300, 512, 1024, 2048]),
        (4096, 2048, 4, [256, 512, 1024]),
        (100, 2048, 0, [100]),
        (2048, 64, 0, [64, 256, 512, 1024, 2048]),
    ],
)
def test_sizes(batch: int, micro: int, workers: int, sizes: list[int]) -> None:
    config = Engine(name="deepspeed", batch_tokens=batch, micro_batch_tokens=micro, workers=workers)
    assert ladder(config, 150) == sizes


def test_the_climb_measures_until_memory_runs_out() -> None:
    data = build_dataset(wordpiece_tokenizer(), made_up(60), QUESTIONS, 64)
    config = Engine(device="cpu", batch_tokens=300, micro_batch_tokens=75)
    engine = TorchEngine(tiny_model(dropout=0.0), config, STAGE)
    seen: list[int] = []

    def limited(module: Any, given: Any, output: Any) -> None:
        seen.append(given[0].numel())
        if given[0].numel() > 160:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    engine.module.register_forward_hook(limited)
    before = engine.full_state()
    rungs = list(climb(Policy(), data, engine, config, [40, 150, 300, 600], steps=3))

    assert [(rung.micro_batch_tokens, rung.fits) for rung in rungs] == [(40, True), (150, True), (300, False)]
    assert max(seen) <= 300
    after = engine.full_state()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert all(parameter.grad is None for parameter in engine.module.parameters())
    for rung in rungs[:2]:
        assert set(rung.milliseconds) == {*PARTS, "other"}
        assert min(rung.milliseconds[name] for name in PARTS) > 0
        tokens = rung.metrics["tokens_per_second"] * sum(rung.milliseconds.values()) * 3 / 1000
        # Three steps of at most 300 tokens, padding included; the clock is read again for the second sum.
        assert 0 < tokens <= 900 * 1.1
    assert rungs[0].metrics["padding_share"] <= rungs[1].metrics["padding_share"]


def test_other_errors_are_not_taken_for_memory() -> None:
    data = build_dataset(wordpiece_tokenizer(), made_up(5), QUESTIONS, 64)
    engine = TorchEngine(tiny_model(), Engine(device="cpu"), STAGE)

    def broken(*_: Any) -> None:
        raise RuntimeError("shapes differ")

    engine.module.register_forward_hook(broken)
    with pytest.raises(RuntimeError, match="shapes"):
        list(climb(Policy(), data, engine, Engine(device="cpu"), [100], steps=1))
