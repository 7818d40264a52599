"""A worker that starts compiles nothing: torch's lock on a build that was killed would hold up every later start."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.distributed.test_gradients import STAGE
from tests.distributed.two_processes import run_on
from tests.encoders import tiny_model


def start(rank: int, builds: Path) -> None:
    os.environ["TORCH_EXTENSIONS_DIR"] = str(builds)
    from cofee_dist.config import Engine
    from cofee_dist.train.deepspeed_engine import DeepSpeedEngine

    assert DeepSpeedEngine(tiny_model(), Engine(name="deepspeed", device="cpu"), STAGE).world_size == 1


@pytest.mark.deepspeed
def test_deepspeed_compiles_nothing_on_a_cpu(tmp_path):
    run_on(1, start, tmp_path)
    assert list(tmp_path.iterdir()) == []
