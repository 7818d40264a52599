"""One process with four micro-batches, or two with two each: the same update, on every engine and ZeRO stage."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cofee_dist.batches.dataset import build_dataset
from cofee_dist.batches.order import deal
from cofee_dist.config import Engine, Nee
from tests.distributed.two_processes import run_on
from tests.encoders import tiny_model, wordpiece_tokenizer
from tests.training import made_up

ROOT = Path(__file__).resolve().parents[2]
QUESTIONS = {"PER": "Find persons", "LOC": "Find places"}
#: Of the steps below some are clipped and some are not: Adam alone would not see gradients of another scale.
STAGE = Nee(epochs=1, learning_rate=1e-2, max_gradient_norm=3.0)
#: Tokens of a micro-batch with which the steps below are cut in four.
FOUR = 4


class Policy:
    """The loss of ESI and NEE, with a cluster loss beside it so that entity counts matter too."""

    name = "test"

    def loss(self, output: Any, batch: Any, totals: Any) -> dict[str, Any]:
        from cofee_dist.model.losses import cluster_loss, entity_embeddings
        from cofee_dist.train.stage_esi import mrc_loss

        mrc = mrc_loss(output, batch, totals)
        spans = batch.span_example_e, batch.span_start_e, batch.span_end_e
        entities_ed = entity_embeddings(output.hidden_btd, *spans)
        logits_ek = entities_ed[:, :4]
        weights_k = torch.tensor([0.1, 0.2, 0.3, 0.4])
        clustering = cluster_loss(logits_ek, batch.span_start_e % 4, weights_k, totals.entities)
        return {"loss": mrc + clustering}


#: The gradient norm of each step beside the weights that they leave.
NORMS = "gradient norms"


def steps(engine: Any, parts: int, size: int = 20) -> dict[str, torch.Tensor]:
    """Three updates of ``size`` examples each, cut into micro-batches; the weights, and the norms."""
    from cofee_dist.train.loop import train_step

    data = build_dataset(wordpiece_tokenizer(), made_up(40), QUESTIONS, 64)
    engine.module.train()
    norms = []
    for at in range(3):
        step = np.arange(at * 20, at * 20 + size)
        norms.append(train_step(Policy(), data, data.input_lengths, step, engine, parts, 1e-2))
    return engine.full_state() | {NORMS: torch.tensor(norms)}


def micro_batches(ranks: int, parts: int) -> list[int]:
    data = build_dataset(wordpiece_tokenizer(), made_up(40), QUESTIONS, 64)
    shares = (deal(np.arange(20), data.input_lengths, parts, rank, ranks) for rank in range(ranks))
    return [len(share) for share in shares]


def on_torch(parts: int, size: int = 20) -> dict[str, torch.Tensor]:
    from cofee_dist.train.engine import TorchEngine

    return steps(TorchEngine(tiny_model(dropout=0.0), Engine(device="cpu"), STAGE), parts, size)


def on_deepspeed(rank: int, zero: str, parts: int, size: int, path: Path) -> None:
    from cofee_dist.train.deepspeed_engine import DeepSpeedEngine

    path_of_json = ROOT / f"cluster/deepspeed/zero{zero}.json"
    config = Engine(
        name="deepspeed",
        device="cpu",
        deepspeed_config=str(path_of_json),
        # ZeRO-3 gathers a layer's weights again for the second forward pass.
        activation_checkpointing=zero == "3",
    )
    state = steps(DeepSpeedEngine(tiny_model(dropout=0.0), config, STAGE), parts, size)
    if rank == 0:
        torch.save(state, path)


@pytest.fixture(scope="module")
def one_batch() -> dict[str, torch.Tensor]:
    """The oracle: every step as one batch on the plain engine."""
    assert micro_batches(1, 1) == [1]
    return on_torch(1)


def assert_same(state: dict[str, torch.Tensor], oracle: dict[str, torch.Tensor]) -> None:
    assert state.keys() == oracle.keys()
    torch.testing.assert_close(state[NORMS], oracle[NORMS], rtol=1e-4, atol=0)
    for name, value in oracle.items():
        if name.endswith("key.bias"):
            continue  # softmax does not see it: its gradients are rounding, which Adam magnifies
        torch.testing.assert_close(
            state[name], value, rtol=1e-4, atol=2e-5, msg=lambda text, name=name: f"{name}: {text}"
        )


def test_updates_move_the_weights(one_batch):
    before = tiny_model(dropout=0.0).state_dict()
    assert all(not torch.equal(one_batch[name], before[name]) for name in before if "head" in name)


def test_some_steps_are_clipped(one_batch):
    clipped = one_batch[NORMS] > STAGE.max_gradient_norm
    assert clipped.any()
    assert not clipped.all()


def test_four_micro_batches_equal_one(one_batch):
    assert micro_batches(1, FOUR) == [4]
    assert_same(on_torch(FOUR), one_batch)


@pytest.mark.deepspeed
@pytest.mark.parametrize("zero", ["0", "1", "2", "3", "2_offload", "3_offload"])
def test_two_processes_with_two_micro_batches_equal_one_batch(zero, one_batch, tmp_path):
    assert micro_batches(2, FOUR) == [2, 2]
    run_on(2, on_deepspeed, zero, FOUR, 20, tmp_path / "state.pt")
    assert_same(torch.load(tmp_path / "state.pt", weights_only=True), one_batch)


@pytest.mark.deepspeed
def test_a_rank_without_examples_takes_part(tmp_path):
    run_on(2, on_deepspeed, "2", FOUR, 1, tmp_path / "state.pt")
    assert_same(torch.load(tmp_path / "state.pt", weights_only=True), on_torch(FOUR, size=1))


def logged(engine: Any, parts: int) -> dict[str, Any]:
    """What the log says of one step."""
    from cofee_dist.train.loop import train_step
    from cofee_dist.train.meter import Meter

    data = build_dataset(wordpiece_tokenizer(), made_up(40), QUESTIONS, 64)
    engine.module.train()
    meter = Meter()
    train_step(Policy(), data, data.input_lengths, np.arange(20), engine, parts, 1e-2, meter)
    return meter.metrics()


def logged_on_deepspeed(rank: int, path: Path) -> None:
    from cofee_dist.train.deepspeed_engine import DeepSpeedEngine

    config = Engine(name="deepspeed", device="cpu", deepspeed_config=str(ROOT / "cluster/deepspeed/zero2.json"))
    found = logged(DeepSpeedEngine(tiny_model(dropout=0.0), config, STAGE), FOUR)
    if rank == 0:
        path.write_text(json.dumps(found))


@pytest.mark.deepspeed
def test_two_processes_log_the_loss_of_the_whole_step(tmp_path):
    from cofee_dist.train.engine import TorchEngine

    run_on(2, logged_on_deepspeed, tmp_path / "logged.json")
    two = json.loads((tmp_path / "logged.json").read_text())
    one = logged(TorchEngine(tiny_model(dropout=0.0), Engine(device="cpu"), STAGE), FOUR)
    assert two["loss"] == pytest.approx(one["loss"], rel=1e-5)
