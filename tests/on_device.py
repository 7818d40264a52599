"""What tests/gpu asks of a GPU, as functions of the device: other tests run them on the CPU, so that they hold."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from cofee_dist.batches.collate import collate
from cofee_dist.batches.dataset import SpanDataset, build_dataset
from cofee_dist.batches.tokens import make_prompt
from cofee_dist.config import Engine, Nee
from cofee_dist.mining.embeddings import embed_entities
from cofee_dist.model.predict import extract_spans
from cofee_dist.model.span_extractor import SpanExtractor
from cofee_dist.train.checkpoint import Checkpoints
from cofee_dist.train.engine import TorchEngine
from cofee_dist.train.loop import train_step
from cofee_dist.train.meter import Meter
from cofee_dist.train.stage_esi import mrc_loss
from tests.families import MAX_LENGTH, config_of, tokenizer_of
from tests.training import made_up

ROOT = Path(__file__).resolve().parents[1]
QUESTIONS = {"PER": "Find persons", "LOC": "Find places"}
STAGE = Nee(epochs=1, learning_rate=1e-3)
#: Micro-batches of a step.
PARTS = 4


class Policy:
    """The loss of ESI and NEE."""

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


@contextmanager
def shapes_seen(module: nn.Module) -> Iterator[list[tuple[int, int]]]:
    """The (b, t) of every batch that goes through the model in the block."""
    seen: list[tuple[int, int]] = []
    hook = module.register_forward_pre_hook(lambda _, given: seen.append(tuple(given[0].shape)))
    yield seen
    hook.remove()


def losses(engine: Any) -> list[float]:
    """Of four steps of four micro-batches, each of several examples."""
    data = data_of(engine.module)
    engine.module.train()
    found = []
    with shapes_seen(engine.module) as seen:
        for at in range(4):
            meter = Meter(engine.device)
            step = np.arange(at * 20, at * 20 + 20)
            train_step(Policy(), data, data.input_lengths, step, engine, PARTS, 1e-3, meter)
            found.append(meter.metrics()["loss"])
    assert len(seen) == 4 * PARTS
    assert min(size for size, _ in seen) > 1
    return found


def engine_on(device: str, **config: Any) -> TorchEngine:
    engine = TorchEngine(model_of(), Engine(device=device, **config), STAGE)
    # Low enough for no step of fp16 to overflow and be skipped.
    engine._scaler._init_scale = 1024.0
    return engine


def check_training(device: str, expected: list[float], tolerance: float, **config: Any) -> None:
    """The losses are those expected, and all is where it should be."""
    engine = engine_on(device, **config)
    assert losses(engine) == pytest.approx(expected, rel=tolerance)
    assert {parameter.device.type for parameter in engine.module.parameters()} == {device}


def check_checkpoint(device: str, folder: Path) -> None:
    """An engine that takes up another one's checkpoint goes on as that does."""
    engine = engine_on(device)
    before = losses(engine)
    with Checkpoints(folder, engine) as checkpoints:
        checkpoints.save(4, {"position": 4})
    again = engine_on(device)
    state = Checkpoints(folder, again).restore()
    assert state is not None
    assert state["position"] == 4
    after = losses(again)
    assert after == pytest.approx(losses(engine), rel=1e-4)
    assert after != pytest.approx(before, rel=1e-2)


def check_deepspeed(rank: int, device: str, zero: str, packed: bool, expected: list[float]) -> None:
    """In a process of its own (``two_processes.run_on``): what DeepSpeed runs on is settled once."""
    if device == "cuda":
        os.environ.pop("DS_ACCELERATOR", None)
    from cofee_dist.train.deepspeed_engine import DeepSpeedEngine

    path = ROOT / f"cluster/deepspeed/zero{zero}.json"
    config = Engine(name="deepspeed", device=device, deepspeed_config=str(path), packed=packed)
    engine = DeepSpeedEngine(model_of(), config, STAGE)
    assert engine.device.type == device
    assert losses(engine) == pytest.approx(expected, rel=1e-3)


def check_batch(device: str) -> None:
    """A batch arrives as it was."""
    batch = collate(data_of(model_of()), np.arange(12))
    moved = batch.to(torch.device(device))
    for name, tensor in moved.__dict__.items():
        assert tensor.device.type == device
        assert torch.equal(tensor.cpu(), getattr(batch, name)), name


def check_entities(device: str, batch_tokens: int) -> None:
    """They are those that the CPU finds, reading 200 tokens at a time."""
    model = model_of()
    data = data_of(model)
    prompts = {name: make_prompt(model.tokenizer, question) for name, question in QUESTIONS.items()}
    found = []
    for where, size in (("cpu", 200), (device, batch_tokens)):
        spans = extract_spans(model.to(where), data.tokens, prompts, where, size, threshold=0.4)
        found.append([[(start, end, kind) for start, end, kind, _ in row] for row in spans])
    assert sum(map(len, found[0])) > 0
    same = sum(one == other for one, other in zip(*found, strict=True))
    assert same >= 0.95 * len(found[0]), "a probability may lie at the threshold"


def check_embeddings(device: str, batch_tokens: int, folder: Path) -> None:
    """They are those of the CPU, reading 200 tokens at a time."""
    model = model_of()
    data = data_of(model)
    found = [
        embed_entities(model.to(where), data, torch.device(where), size, folder / f"{where}-{size}.npy")
        for where, size in (("cpu", 200), (device, batch_tokens))
    ]
    np.testing.assert_array_equal(found[0][0], found[1][0])
    np.testing.assert_allclose(found[1][1], found[0][1], rtol=1e-2, atol=1e-2)
