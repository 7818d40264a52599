"""The engine's options, each by its effect: schedules, weight decay, activation checkpointing, fp16."""

from __future__ import annotations

import json
import math
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
from cofee_dist.train.engine import TorchEngine, device_of, learning_rate_at, parameter_groups
from cofee_dist.train.loop import train_step
from cofee_dist.train.shard import write_shard
from cofee_dist.train.worker import make_engine
from tests.distributed.test_gradients import Policy
from tests.families import FAMILIES, config_of, tokenizer_of
from tests.training import made_up, tiny_config

ROOT = Path(__file__).resolve().parents[3]
QUESTIONS = {"PER": "Find persons", "LOC": "Find places"}
STAGE = Nee(epochs=1, learning_rate=1e-2)


def model_of(family: str = "bert", dropout: float = 0.0) -> SpanExtractor:
    torch.manual_seed(0)
    tokenizer = tokenizer_of(family)
    return SpanExtractor.from_encoder(
        config_of(family, dropout), QUESTIONS, "Find Entities", 64, tokenizer, dropout=dropout
    )


@pytest.mark.parametrize("schedule", ["linear", "cosine", "constant"])
@pytest.mark.parametrize(("total", "share"), [(100, 0.1), (7, 0.5), (3, 0.0), (1, 1.0)])
def test_the_rate_follows_its_formula(schedule: Any, total: int, share: float) -> None:
    stage = Nee(epochs=1, learning_rate=2.0, warmup_share=share, schedule=schedule)
    rates = [learning_rate_at(step, total, stage) for step in range(total + 1)]
    warmup = max(1, round(share * total))
    assert rates[:warmup] == pytest.approx([2.0 * (step + 1) / warmup for step in range(warmup)])
    rest = np.linspace(0, 1, total - warmup + 1) if total > warmup else np.zeros(1)
    formula = {"linear": 1 - rest, "cosine": np.cos(math.pi / 2 * rest) ** 2, "constant": np.ones_like(rest)}
    assert rates[warmup:] == pytest.approx((2.0 * formula[schedule]).tolist(), abs=1e-12)
    if schedule != "constant" and total > warmup:
        assert rates[total] == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("family", FAMILIES)
def test_biases_and_norms_of_every_encoder_have_no_weight_decay(family: str) -> None:
    model = model_of(family)
    decayed, others = parameter_groups(model, 0.3)
    assert (decayed["weight_decay"], others["weight_decay"]) == (0.3, 0.0)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    of = [{names[id(parameter)] for parameter in group["params"]} for group in (decayed, others)]
    assert of[0] | of[1] == set(names.values())
    norms = {
        f"{name}.{parameter}"
        for name, module in model.named_modules()
        if "Norm" in type(module).__name__
        for parameter, _ in module.named_parameters(recurse=False)
    }
    assert norms
    assert of[1] == norms | {name for name in names.values() if name.endswith("bias")}


def gradients(model: SpanExtractor, **engine: Any) -> dict[str, torch.Tensor]:
    """Of one batch, with dropout where the model has it."""
    one = TorchEngine(model, Engine(device="cpu", **engine), STAGE)
    model.train()
    data = build_dataset(model.tokenizer, made_up(12), QUESTIONS, 64)
    kept: dict[str, torch.Tensor] = {}
    step = one.step

    def keep(learning_rate: float) -> float | None:
        kept.update({name: parameter.grad.clone() for name, parameter in model.named_parameters()})
        return step(learning_rate)

    one.step = keep  # type: ignore[method-assign]
    torch.manual_seed(1)
    train_step(Policy(), data, data.input_lengths, np.arange(12), one, 1, 1e-2)
    return kept


@pytest.mark.parametrize("family", FAMILIES)
def test_activation_checkpointing_gives_the_same_gradients(family: str) -> None:
    saved: list[int] = []
    found = []
    for checkpointing in (False, True):
        held = 0

        def pack(tensor: torch.Tensor) -> torch.Tensor:
            nonlocal held
            held += tensor.numel()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            found.append(gradients(model_of(family, dropout=0.1), activation_checkpointing=checkpointing))
        saved.append(held)
    plain, checkpointed = found
    assert plain.keys() == checkpointed.keys()
    for name, gradient in plain.items():
        torch.testing.assert_close(checkpointed[name], gradient, rtol=1e-5, atol=1e-7)
    assert saved[1] < 0.8 * saved[0]


def test_checkpointing_what_cannot_is_the_users_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of()
    monkeypatch.setattr(type(model.encoder), "supports_gradient_checkpointing", False)
    with pytest.raises(UserError, match=r"the encoder \(bert\) cannot checkpoint"):
        TorchEngine(model, Engine(device="cpu", activation_checkpointing=True), STAGE)


def steps(engine: TorchEngine, first: int, last: int) -> list[float | None]:
    data = build_dataset(engine.module.tokenizer, made_up(40), QUESTIONS, 64)
    engine.module.train()
    examples = [np.arange(at * 10, at * 10 + 10) for at in range(first, last)]
    return [train_step(Policy(), data, data.input_lengths, step, engine, 3, 1e-3) for step in examples]


def test_fp16_clips_and_updates_as_fp32_does() -> None:
    """On a CPU, where only a test would: the scale of the loss must not show in norm or update."""
    norms, states = [], []
    for precision in ("fp32", "fp16"):
        engine = TorchEngine(model_of(), Engine(device="cpu", precision=precision), STAGE)
        if precision == "fp16":
            engine._scaler._init_scale = 1024.0
        norms.append(steps(engine, 0, 3))
        states.append(engine.full_state())
    assert norms[1] == pytest.approx(norms[0], rel=0.03)
    before = model_of().state_dict()
    moved, apart = (
        sum(float((states[a][name] - other[name]).square().sum()) for name in before)
        for a, other in ((0, before), (1, states[0]))
    )
    assert apart < 0.05 * moved


def test_fp16_skips_a_step_that_overflows_and_goes_on_after_a_checkpoint(tmp_path: Path) -> None:
    engine = TorchEngine(model_of(), Engine(device="cpu", precision="fp16"), STAGE)
    engine._scaler._init_scale = 2.0**40
    before = engine.full_state()
    assert steps(engine, 0, 1) == [None]
    assert all(torch.equal(before[name], value) for name, value in engine.full_state().items())
    assert engine._scaler.get_scale() == 2.0**39
    while steps(engine, 0, 1) == [None]:
        pass
    write_shard(engine.snapshot(), tmp_path)
    again = TorchEngine(model_of(), Engine(device="cpu", precision="fp16"), STAGE)
    again.load(tmp_path)
    assert again._scaler.get_scale() == engine._scaler.get_scale() < 2.0**39
    assert steps(engine, 1, 3) == steps(again, 1, 3)
    assert all(torch.equal(again.full_state()[name], value) for name, value in engine.full_state().items())


def test_fp16_without_a_gpu_is_the_users_mistake(tmp_path: Path) -> None:
    for name in ("torch", "deepspeed"):
        with pytest.raises(UserError, match="fp16 needs a GPU"):
            make_engine(model_of(), tiny_config(tmp_path, precision="fp16", name=name), STAGE)


@pytest.mark.parametrize(
    "key", ["amp", "bf16", "fp16", "optimizer", "gradient_clipping", "zero_force_ds_cpu_optimizer"]
)
def test_a_deepspeed_json_that_decides_what_the_run_decides_is_refused(tmp_path: Path, key: str) -> None:
    path = tmp_path / "zero.json"
    path.write_text(json.dumps({"zero_optimization": {"stage": 2}, key: {"enabled": True}}))
    with pytest.raises(UserError, match=f"the DeepSpeed config sets {key}"):
        _settings(Engine(name="deepspeed", deepspeed_config=str(path)), STAGE)


@pytest.mark.parametrize(
    ("spoilt", "told"),
    [
        ({"activation_checkpointing": {"partition_activations": True}}, "set engine.activation_checkpointing"),
        ({"zero_optimization": {"stage": 3, "offload_param": {"device": "nvme"}}}, "weights offloaded to NVMe"),
        ({"zero_optimization": {"stage": 2, "offload_optimizer": {"device": "nvme"}}}, "optimizer offloaded to NVMe"),
    ],
)
def test_a_deepspeed_json_that_cannot_work_is_refused(tmp_path: Path, spoilt: dict[str, Any], told: str) -> None:
    path = tmp_path / "zero.json"
    path.write_text(json.dumps(spoilt))
    with pytest.raises(UserError, match=told):
        _settings(Engine(name="deepspeed", deepspeed_config=str(path)), STAGE)


@pytest.mark.parametrize("zero", [{"stage": 2, "offload_optimizer": None, "offload_param": None}, None])
def test_null_in_a_deepspeed_json_is_what_is_not_there(tmp_path: Path, zero: dict[str, Any] | None) -> None:
    path = tmp_path / "zero.json"
    path.write_text(json.dumps({"zero_optimization": zero}))
    settings = _settings(Engine(name="deepspeed", deepspeed_config=str(path)), STAGE)
    assert settings["zero_optimization"] == (zero or {"stage": 0})


@pytest.mark.parametrize("path", sorted(ROOT.glob("cluster/deepspeed/*.json")), ids=lambda path: path.stem)
def test_fp16_is_deepspeeds_own_on_every_zero_stage(path: Path) -> None:
    settings = {
        precision: _settings(Engine(name="deepspeed", deepspeed_config=str(path), precision=precision), STAGE)
        for precision in ("fp32", "bf16", "fp16")
    }
    assert settings["fp16"] == {**settings["fp32"], "fp16": {"enabled": True}}
    assert settings["bf16"] == settings["fp32"]
    assert ("offload_optimizer" in settings["fp32"]["zero_optimization"]) == path.stem.endswith("_offload")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_told():
    assert device_of(Engine()).type == "cpu"
    with pytest.raises(UserError, match=r"no GPU[\s\S]*engine\.device"):
        device_of(Engine(device="cuda"))
