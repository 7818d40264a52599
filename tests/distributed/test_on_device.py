"""What tests/gpu runs on a GPU, on the CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

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


@pytest.fixture(scope="module")
def plain() -> list[float]:
    return losses(engine_on("cpu"))


@pytest.mark.parametrize(("precision", "tolerance"), [("bf16", 0.05), ("fp16", 0.05)])
def test_half_precision_trains_as_single_does(plain: list[float], precision: Any, tolerance: float) -> None:
    check_training("cpu", plain, tolerance, precision=precision)


def test_attention_kernels_agree(plain: list[float]) -> None:
    check_training("cpu", plain, 1e-4, attention="eager")


@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-4), ("bf16", 0.05)])
def test_packed_inputs_train_as_padded_ones(plain: list[float], precision: Any, tolerance: float) -> None:
    check_training("cpu", plain, tolerance, precision=precision, packed=True)


def test_a_batch_arrives_as_it_was() -> None:
    check_batch("cpu")


def test_a_checkpoint_goes_on(tmp_path: Path) -> None:
    check_checkpoint("cpu", tmp_path)


def test_entities_do_not_depend_on_the_batch() -> None:
    check_entities("cpu", 60)


def test_embeddings_do_not_depend_on_the_batch(tmp_path: Path) -> None:
    check_embeddings("cpu", 60, tmp_path)


@pytest.mark.deepspeed
@pytest.mark.parametrize(("zero", "packed"), [("0", False), ("3", True)])
def test_deepspeed_trains_as_the_plain_engine_does(plain: list[float], zero: str, packed: bool) -> None:
    run_on(1, check_deepspeed, "cpu", zero, packed, plain)
