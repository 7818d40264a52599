"""On a GPU as on the CPU: training, re-labelling, embedding. Skipped where torch sees none."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks import gpu
from cofee_dist.batches.collate import collate
from cofee_dist.batches.dataset import SpanDataset, build_dataset
from cofee_dist.batches.tokens import make_prompt
from cofee_dist.config import Engine, Nee
from cofee_dist.mining.embeddings import embed_entities
from cofee_dist.model.predict import extract_spans
from cofee_dist.model.span_extractor import SpanExtractor
from cofee_dist.train.engine import TorchEngine
from cofee_dist.train.loop import train_step
from cofee_dist.train.meter import Meter
from cofee_dist.train.stage_esi import mrc_loss
from tests.families import MAX_LENGTH, config_of, tokenizer_of
from tests.training import made_up

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no NVIDIA GPU")]

QUESTIONS = {"PER": "Find persons", "LOC": "Find places"}
STAGE = Nee(epochs=1, learning_rate=1e-3)


class Policy:
    name = "test"

    def loss(self, output: Any, batch: Any, totals: Any) -> dict[str, Any]:
        return {"loss": mrc_loss(output, batch, totals)}


def model_of() -> SpanExtractor:
    torch.manual_seed(0)
    tokenizer = tokenizer_of("bert")
    return SpanExtractor.from_encoder(
        config_of("bert"), QUESTIONS, "Find Entities", MAX_LENGTH, tokenizer=tokenizer, dropout=0.0
    )


def data_of(model: SpanExtractor) -> SpanDataset:
    return build_dataset(model.tokenizer, made_up(40), QUESTIONS, MAX_LENGTH)


def losses(engine: Any) -> list[float]:
    """Of four steps of four micro-batches."""
    data = data_of(engine.module)
    engine.module.train()
    found = []
    for at in range(4):
        meter = Meter(engine.device)
        step = np.arange(at * 20, at * 20 + 20)
        train_step(Policy(), data, data.input_lengths, step, engine, 80, 1e-3, meter)
        found.append(meter.metrics()["loss"])
    return found


@pytest.fixture(scope="module")
def on_cpu() -> list[float]:
    return losses(TorchEngine(model_of(), Engine(device="cpu"), STAGE))


@pytest.mark.parametrize("compile_it", [False, True])
@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-3), ("bf16", 0.05), ("fp16", 0.05)])
def test_training_is_that_of_the_cpu(on_cpu: list[float], precision: Any, tolerance: float, compile_it: bool) -> None:
    torch._dynamo.reset()
    engine = TorchEngine(model_of(), Engine(device="cuda", precision=precision, compile=compile_it), STAGE)
    # Low enough for no step to overflow and be skipped.
    engine._scaler._init_scale = 1024.0
    assert losses(engine) == pytest.approx(on_cpu, rel=tolerance)
    assert {parameter.device.type for parameter in engine.module.parameters()} == {"cuda"}
    assert "gpu_memory_gb" in _metrics(engine)


def _metrics(engine: TorchEngine) -> dict[str, float]:
    data, meter = data_of(engine.module), Meter(engine.device)
    train_step(Policy(), data, data.input_lengths, np.arange(10), engine, 80, 1e-3, meter)
    return meter.metrics()


@pytest.mark.parametrize("attention", ["eager", "sdpa", "flash_attention_2"])
def test_attention_kernels_agree(on_cpu: list[float], attention: Any) -> None:
    if attention == "flash_attention_2":
        pytest.importorskip("flash_attn", reason="flash-attn is not installed")
    engine = TorchEngine(model_of(), Engine(device="cuda", precision="bf16", attention=attention), STAGE)
    assert losses(engine) == pytest.approx(on_cpu, rel=0.05)


def test_a_batch_arrives_as_it_was() -> None:
    batch = collate(data_of(model_of()), np.arange(12))
    moved = batch.to(torch.device("cuda"))
    for name, tensor in moved.__dict__.items():
        assert tensor.device.type == "cuda"
        assert torch.equal(tensor.cpu(), getattr(batch, name)), name


def test_a_checkpoint_goes_on(tmp_path: Path) -> None:
    engine = TorchEngine(model_of(), Engine(device="cuda"), STAGE)
    losses(engine)
    engine.save(tmp_path)
    again = TorchEngine(model_of(), Engine(device="cuda"), STAGE)
    again.load(tmp_path)
    assert losses(again) == pytest.approx(losses(engine), rel=1e-4)


def test_entities_are_those_of_the_cpu() -> None:
    model = model_of()
    data = data_of(model)
    prompts = {name: make_prompt(model.tokenizer, question) for name, question in QUESTIONS.items()}
    found = []
    for device in ("cpu", "cuda"):
        spans = extract_spans(model.to(device), data.tokens, prompts, device, 200, threshold=0.4)
        found.append([[(start, end, kind) for start, end, kind, _ in row] for row in spans])
    assert sum(map(len, found[0])) > 0
    same = sum(one == other for one, other in zip(*found, strict=True))
    assert same >= 0.95 * len(found[0]), "a probability may lie at the threshold"


def test_embeddings_are_those_of_the_cpu(tmp_path: Path) -> None:
    model = model_of()
    data = data_of(model)
    found = [
        embed_entities(model.to(device), data, torch.device(device), 200, tmp_path / f"{device}.npy")
        for device in ("cpu", "cuda")
    ]
    np.testing.assert_array_equal(found[0][0], found[1][0])
    np.testing.assert_allclose(found[1][1], found[0][1], rtol=1e-2, atol=1e-2)


def on_deepspeed(rank: int, zero: str, expected: list[float]) -> None:
    """In a process of its own: what DeepSpeed runs on is settled once."""
    os.environ.pop("DS_ACCELERATOR", None)
    from cofee_dist.train.deepspeed_engine import DeepSpeedEngine

    path = Path(__file__).resolve().parents[2] / f"cluster/deepspeed/zero{zero}.json"
    config = Engine(name="deepspeed", device="cuda", deepspeed_config=str(path))
    assert losses(DeepSpeedEngine(model_of(), config, STAGE)) == pytest.approx(expected, rel=1e-3)


@pytest.mark.deepspeed
@pytest.mark.parametrize("zero", ["0", "1", "2", "3"])
def test_deepspeed_trains_as_the_plain_engine_does(on_cpu: list[float], zero: str) -> None:
    torch.multiprocessing.spawn(on_deepspeed, (zero, on_cpu), nprocs=1)


def test_the_benchmark_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(gpu, "OUT", tmp_path)
    options = ["--tiny", "--sizes", "2048", "--compile", "off", "--steps", "2", "--runs", "1", "--made-up", "1000"]
    monkeypatch.setattr(sys, "argv", ["gpu", *options])
    gpu.main()
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert found["machine"]["device"] == torch.cuda.get_device_name()
    assert not [row for row in found["training"] if "failed" in row and row["attention"] != "flash_attention_2"]
