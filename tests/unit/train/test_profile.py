"""The ladder of micro-batches: its sizes, its measurements, and where it ends."""

from __future__ import annotations

from itertools import islice
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
    ("batch", "micro", "workers", "up_to", "sizes"),
    [
        (2048, 2048, 0, 2048, [256, 512, 1024, 2048]),
        (2048, 300, 1, 8191, [256, 300, 512, 1024, 2048, 4096]),
        (4096, 2048, 4, 1, [256, 512, 1024]),
        (100, 2048, 0, 400, [100, 200, 400]),
        (2048, 64, 0, 4096, [64, 256, 512, 1024, 2048, 4096]),
    ],
)
def test_sizes(batch: int, micro: int, workers: int, up_to: int, sizes: list[int]) -> None:
    config = Engine(name="deepspeed", batch_tokens=batch, micro_batch_tokens=micro, workers=workers)
    assert list(ladder(config, 150, up_to)) == sizes
    assert list(islice(ladder(config, 150, None), len(sizes) + 2))[: len(sizes)] == sizes
    assert list(islice(ladder(config, 150, None), len(sizes) + 2))[-2:] == [2 * sizes[-1], 4 * sizes[-1]]


def test_sizes_beyond_a_step_are_climbed_until_memory_runs_out() -> None:
    """With full steps of one micro-batch, though all sentences have fewer tokens."""
    data = build_dataset(wordpiece_tokenizer(), made_up(20), QUESTIONS, 64)
    total = int(data.input_lengths.sum())
    config = Engine(name="deepspeed", device="cpu", batch_tokens=600, micro_batch_tokens=300, workers=2)
    engine = TorchEngine(tiny_model(dropout=0.0), Engine(device="cpu"), STAGE)
    last = 300
    while last < 3 * total:
        last *= 2
    seen: list[int] = []

    def limited(module: Any, given: Any, output: Any) -> None:
        seen.append(given[0].numel())
        if given[0].numel() > last / 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    engine.module.register_forward_hook(limited)
    rungs = []
    for rung in climb(Policy(), data, engine, config, ladder(config, 64, None), steps=2):
        rungs.append(rung)
        if rung.fits:
            # One micro-batch a step; each but the last of a plan is nearly full.
            size = rung.micro_batch_tokens
            assert size - 64 < max(seen) <= size or size < 300
            assert len(seen) == 3 * max(1, 300 // size)
        seen.clear()
    beyond = [rung for rung in rungs if rung.micro_batch_tokens > 300]
    assert beyond[-1].micro_batch_tokens == last
    assert [rung.fits for rung in rungs] == [True] * (len(rungs) - 1) + [False]
    assert [rung.batch_tokens for rung in beyond] == [2 * rung.micro_batch_tokens for rung in beyond]
    assert {rung.batch_tokens for rung in rungs if rung not in beyond} == {600}


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
