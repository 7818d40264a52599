"""What a line of the log says, against sums over the very batches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from cofee_dist.batches.collate import collate
from cofee_dist.batches.dataset import build_dataset
from cofee_dist.batches.order import deal
from cofee_dist.config import Engine
from cofee_dist.train import meter as meter_module
from cofee_dist.train import worker
from cofee_dist.train.engine import TorchEngine
from cofee_dist.train.flops import ModelFlops
from cofee_dist.train.loop import train_step
from cofee_dist.train.meter import Meter
from cofee_dist.train.metrics import read_metrics
from tests.distributed.test_gradients import QUESTIONS, STAGE, Policy
from tests.encoders import tiny_model, wordpiece_tokenizer
from tests.training import made_up, make_job


class Clock:
    """Time that passes when told so."""

    now = 0.0

    def perf_counter(self) -> float:
        return self.now


def test_rates_and_shares(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(meter_module, "time", clock)
    data = build_dataset(wordpiece_tokenizer(), made_up(12), QUESTIONS, 64)
    engine = TorchEngine(tiny_model(dropout=0.0), Engine(device="cpu"), STAGE)
    flops = ModelFlops(parameters=1000, layers=2, hidden_size=16)
    meter = Meter(flops=flops, peak_flops=1e6, began=0.0)
    step, lengths = np.arange(20), data.input_lengths

    def slow(*arguments: Any) -> Any:
        clock.now += 2.0
        return forward(*arguments)

    forward = engine.module.forward
    monkeypatch.setattr(engine.module, "forward", slow)
    train_step(Policy(), data, lengths, step, engine, 3, 1e-3, meter)
    batches = [collate(data, share) for share in deal(step, lengths, 3, 0, 1)]
    assert len(batches) > 1
    with meter.part("data"):
        clock.now += 1.0
    seconds = 2.0 * len(batches) + 1.0
    found = meter.metrics()

    tokens = sum(int(batch.attention_mask_bt.sum()) for batch in batches)
    padded = sum(batch.attention_mask_bt.numel() for batch in batches)
    assert padded > tokens
    assert found["tokens_per_second"] == pytest.approx(tokens / seconds)
    assert found["padding_share"] == pytest.approx(1 - tokens / padded)
    entities = int((data.splits[step + 1] - data.splits[step]).sum())
    assert found["entities_per_second"] == pytest.approx(entities / seconds)
    assert found["data_wait_share"] == pytest.approx(1.0 / seconds)
    assert meter.seconds["forward"] == 2.0 * len(batches)
    arithmetic = sum(6 * 1000 * int(length) + 12 * 2 * 16 * int(length) ** 2 for length in lengths[step])
    assert found["model_flops_utilisation"] == pytest.approx(arithmetic / seconds / 1e6)
    assert "model_tflops_per_second" not in found
    assert "gpu_memory_gb" not in found

    meter.peak_flops = None
    found = meter.metrics()
    assert found["model_tflops_per_second"] == pytest.approx(arithmetic / seconds / 1e12)
    assert "model_flops_utilisation" not in found


@pytest.mark.parametrize("stage", ["nee", "fet"])
def test_every_line_of_the_log_has_all(tmp_path: Any, stage: str) -> None:
    torch.manual_seed(0)
    job = make_job(tmp_path, stage)
    worker.run_stage(job)
    lines = [line for line in read_metrics(job.folder / worker.METRICS) if "loss" in line]
    assert lines
    expected = {
        *("step", "loss", "learning_rate", "gradient_norm", "progress", "tokens_per_second", "entities_per_second"),
        *("padding_share", "data_wait_share", "model_tflops_per_second"),
    }
    expected |= {"mrc_loss", "cluster_loss"} if stage == "fet" else set()
    assert all(set(line) == expected for line in lines)
    assert all(0 < line["data_wait_share"] < 1 for line in lines)
