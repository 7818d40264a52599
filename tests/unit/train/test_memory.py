"""Out of memory in a real training step: one message with the settings to change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from cofee_dist.errors import UserError
from cofee_dist.model.span_extractor import SpanExtractor
from cofee_dist.train import worker
from cofee_dist.train.memory import out_of_memory_told
from tests.training import make_job, tiny_config

ERRORS = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."),
    MemoryError(),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_a_step_without_memory_names_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(module: Any, given: Any, output: Any) -> None:
        if module.training:
            raise error

    read = SpanExtractor.from_pretrained

    def hooked(folder: Path) -> Any:
        model = read(folder)
        model.encoder.register_forward_hook(refuse)
        return model

    monkeypatch.setattr(SpanExtractor, "from_pretrained", hooked)
    with pytest.raises(UserError) as caught:
        worker.run_stage(make_job(tmp_path, "nee"))
    said = str(caught.value)
    assert said.startswith("stage nee ran out of memory")
    assert str(error)[:40] in said
    for part in ("engine.micro_batch_tokens (now 60", "encoder.max_length_tokens (now 64)", "bf16 (now fp32)", "ZeRO"):
        assert part in said


def test_with_deepspeed_the_zero_stage_is_told(tmp_path: Path) -> None:
    settings = tmp_path / "zero.json"
    settings.write_text('{"zero_optimization": {"stage": 2}}')
    config = tiny_config(tmp_path, name="deepspeed", deepspeed_config=str(settings), precision="bf16")
    told = pytest.raises(UserError, match=r"higher ZeRO stage, or offload.*\(now stage 2\)")
    with told as caught, out_of_memory_told(config, "esi"):
        raise MemoryError
    assert "fp32" not in str(caught.value)


def test_other_errors_pass(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="shapes"), out_of_memory_told(tiny_config(tmp_path), "esi"):
        raise RuntimeError("shapes differ")
