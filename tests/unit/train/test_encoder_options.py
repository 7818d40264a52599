"""Attention kernels and compilation change how the encoder runs, and neither its weights nor what it learns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cofee_dist.batches.dataset import build_dataset
from cofee_dist.config import Engine, Nee
from cofee_dist.errors import UserError
from cofee_dist.model.span_extractor import SpanExtractor
from cofee_dist.train.deepspeed_engine import _settings
from cofee_dist.train.engine import TorchEngine
from cofee_dist.train.loop import train_step
from cofee_dist.train.meter import Meter
from tests.distributed.test_gradients import Policy
from tests.families import FAMILIES, MAX_LENGTH, config_of, tokenizer_of
from tests.on_device import shapes_seen
from tests.training import made_up

QUESTIONS = {"PER": "Find persons", "LOC": "Find places"}
STAGE = Nee(epochs=1, learning_rate=1e-2)


def model_of(family: str = "bert", **config: Any) -> SpanExtractor:
    torch.manual_seed(0)
    encoder = config_of(family)
    for name, value in config.items():
        setattr(encoder, name, value)
    return SpanExtractor.from_encoder(
        encoder, QUESTIONS, "Find Entities", MAX_LENGTH, tokenizer_of(family), dropout=0.0
    )


def losses(model: SpanExtractor, **engine: Any) -> list[float]:
    """Of three steps, each of another size and cut into three micro-batches."""
    one = TorchEngine(model, Engine(device="cpu", **engine), STAGE)
    model.train()
    data = build_dataset(model.tokenizer, made_up(30), QUESTIONS, MAX_LENGTH)
    found = []
    with shapes_seen(model) as seen:
        for step in (np.arange(20), np.arange(20, 31), np.arange(31, 60)):
            meter = Meter()
            train_step(Policy(), data, data.input_lengths, step, one, 3, 1e-2, meter)
            found.append(meter.metrics()["loss"])
    assert len(seen) == 9
    for axis in zip(*seen, strict=True):
        assert min(axis) > 1
        assert len(set(axis)) > 1
    return found


def attention_of(model: SpanExtractor) -> str:
    return str(model.encoder.config._attn_implementation)


def test_auto_is_sdpa_where_the_encoder_has_it() -> None:
    for family in FAMILIES:
        model = model_of(family)
        TorchEngine(model, Engine(device="cpu"), STAGE)
        assert attention_of(model) == ("eager" if family == "deberta-v2" else "sdpa")


# One whose own code attends, and one that transformers' attention functions serve.
@pytest.mark.parametrize("family", ["modernbert", "roberta"])
def test_eager_attention_learns_the_same(family: str) -> None:
    model = model_of(family)
    eager = losses(model, attention="eager")
    assert attention_of(model) == "eager"
    assert eager == pytest.approx(losses(model_of(family)), rel=1e-4)


def test_the_choice_is_the_machines_and_not_the_saved_models(tmp_path: Path) -> None:
    model = model_of()
    TorchEngine(model, Engine(device="cpu", attention="eager"), STAGE)
    model.save_pretrained(tmp_path)
    assert "eager" not in json.dumps(json.loads((tmp_path / "config.json").read_text()))
    assert attention_of(SpanExtractor.from_pretrained(tmp_path)) == "sdpa"


def test_an_encoder_with_its_own_attention_takes_no_other() -> None:
    with pytest.raises(UserError, match=r"the encoder \(deberta-v2\) computes its attention itself \(eager\)"):
        TorchEngine(model_of("deberta-v2"), Engine(device="cpu", attention="sdpa"), STAGE)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_flash_attention_without_a_gpu_is_the_users_mistake(precision: Any) -> None:
    with pytest.raises(UserError, match="flash attention wants a GPU"):
        TorchEngine(model_of(), Engine(device="cpu", precision=precision, attention="flash_attention_2"), STAGE)


def test_compiling_without_a_compiler_is_the_users_mistake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(UserError, match=r"torch.compile finds no C\+\+ compiler"):
        TorchEngine(model_of(), Engine(device="cpu", compile=True), STAGE)


def test_compiling_under_zero_3_is_the_users_mistake() -> None:
    settings = Path(__file__).resolve().parents[3] / "cluster/deepspeed"
    for zero in ("zero3", "zero3_offload"):
        with pytest.raises(UserError, match="does not go with ZeRO-3"):
            _settings(Engine(name="deepspeed", compile=True, deepspeed_config=str(settings / f"{zero}.json")), STAGE)
    _settings(Engine(name="deepspeed", compile=True, deepspeed_config=str(settings / "zero2.json")), STAGE)
