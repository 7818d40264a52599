"""Each rank evaluates on its own, however often: the weights are the whole model's, the other ranks are not asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cofee_dist.batches.collate import collate
from cofee_dist.batches.dataset import build_dataset
from cofee_dist.config import Engine
from tests.distributed.test_gradients import QUESTIONS, ROOT, STAGE
from tests.distributed.test_world_size import steps
from tests.distributed.two_processes import run_on
from tests.encoders import tiny_model, wordpiece_tokenizer
from tests.training import made_up


def passes(model: Any, number: int) -> list[torch.Tensor]:
    """Start and end logits of the first batches of ten."""
    data = build_dataset(wordpiece_tokenizer(), made_up(20), QUESTIONS, 64)
    model.eval()
    found = []
    for at in range(number):
        batch = collate(data, np.arange(at * 10, at * 10 + 10))
        with torch.no_grad():
            output = model(batch.input_ids_bt, batch.attention_mask_bt, batch.token_type_ids_bt)
        found += [output.start_logits_bt2, output.end_logits_bt2]
    return found


def evaluated(rank: int, stages: list[int], folder: Path) -> None:
    """On each ZeRO stage: two updates, three passes on one rank and none on the other, twice; then an update."""
    from cofee_dist.train.deepspeed_engine import DeepSpeedEngine

    told = {}
    for zero in stages:
        path = ROOT / f"cluster/deepspeed/zero{zero}.json"
        config = Engine(name="deepspeed", device="cpu", deepspeed_config=str(path))
        engine = DeepSpeedEngine(tiny_model(dropout=0.0), config, STAGE)
        same = []
        for busy in (0, 1):
            steps(engine, range(busy, busy + 1))
            plain = tiny_model(dropout=0.0, seed=7)
            plain.load_state_dict(engine.full_state())
            with engine.evaluation() as model:
                own = passes(model, 3) if rank == busy else []
            if rank == busy:
                same = [torch.equal(left, right) for left, right in zip(own, passes(plain, 3), strict=True)]
        before = engine.full_state()
        steps(engine, range(2, 3))
        moved = any(not torch.equal(before[name], value) for name, value in engine.full_state().items())
        held = sum(parameter.numel() for parameter in model.parameters() if parameter.device.type != "meta")
        told[zero] = {"same": same, "moved": moved, "is the module": model is engine.module, "held": held}
    (folder / f"{rank}.json").write_text(json.dumps(told))


@pytest.mark.deepspeed
def test_ranks_evaluate_without_each_other(tmp_path: Path) -> None:
    run_on(2, evaluated, [2, 3], tmp_path)
    for rank in range(2):
        told = json.loads((tmp_path / f"{rank}.json").read_text())
        for zero, found in told.items():
            assert found["same"] == [True] * 6, zero
            assert found["moved"], zero
        assert told["2"]["is the module"]
        assert not told["3"]["is the module"]
        assert told["3"]["held"] == 0


def test_the_plain_engine_evaluates_its_own_model() -> None:
    from cofee_dist.train.engine import TorchEngine

    engine = TorchEngine(tiny_model(), Engine(device="cpu"), STAGE)
    with engine.evaluation() as model:
        assert model is engine.module
