"""On a GPU as on the CPU: training, re-labelling, embedding. Skipped where torch sees none."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import gpu
from tests.distributed.two_processes import run_on
from tests.on_device import (
    check_batch,
    check_checkpoint,
    check_deepspeed,
    check_embeddings,
    check_entities,
    check_training,
    engine_on,
    losses,
)

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no NVIDIA GPU")]


@pytest.fixture(scope="module")
def on_cpu() -> list[float]:
    return losses(engine_on("cpu"))


@pytest.mark.parametrize("compile_it", [False, True])
@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-3), ("bf16", 0.05), ("fp16", 0.05)])
def test_training_is_that_of_the_cpu(on_cpu: list[float], precision: Any, tolerance: float, compile_it: bool) -> None:
    torch._dynamo.reset()
    check_training("cuda", on_cpu, tolerance, precision=precision, compile=compile_it)


@pytest.mark.parametrize("attention", ["eager", "sdpa", "flash_attention_2"])
def test_attention_kernels_agree(on_cpu: list[float], attention: Any) -> None:
    if attention == "flash_attention_2":
        pytest.importorskip("flash_attn", reason="flash-attn is not installed")
    check_training("cuda", on_cpu, 0.05, precision="bf16", attention=attention)


@pytest.mark.parametrize("attention", ["auto", "flash_attention_2"])
def test_packed_inputs_train_as_padded_ones(on_cpu: list[float], attention: Any) -> None:
    if attention == "flash_attention_2":
        pytest.importorskip("flash_attn", reason="flash-attn is not installed")
    check_training("cuda", on_cpu, 0.05, precision="bf16", attention=attention, packed=True)


def test_a_batch_arrives_as_it_was() -> None:
    check_batch("cuda")


def test_a_checkpoint_goes_on(tmp_path: Path) -> None:
    check_checkpoint("cuda", tmp_path)


def test_entities_are_those_of_the_cpu() -> None:
    check_entities("cuda", 200)


def test_embeddings_are_those_of_the_cpu(tmp_path: Path) -> None:
    check_embeddings("cuda", 200, tmp_path)


@pytest.mark.deepspeed
@pytest.mark.parametrize("zero", ["0", "1", "2", "3"])
def test_deepspeed_trains_as_the_plain_engine_does(on_cpu: list[float], zero: str) -> None:
    run_on(1, check_deepspeed, "cuda", zero, False, on_cpu)


def test_the_benchmark_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(gpu, "OUT", tmp_path)
    options = ["--tiny", "--sizes", "2048", "--compile", "off", "--steps", "2", "--runs", "1", "--made-up", "1000"]
    monkeypatch.setattr(sys, "argv", ["gpu", *options])
    gpu.main()
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert found["machine"]["device"] == torch.cuda.get_device_name()
    assert not [row for row in found["training"] if "failed" in row and row["attention"] != "flash_attention_2"]
