"""Every ZeRO stage on one process and on two: the plain engine's losses, at once or taken up from a checkpoint.

What is the same only up to rounding is the order in which gradients are summed; Adam divides by their size, so that
it shows. With bf16 each forward pass rounds to 8 bits.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cofee_dist.artifacts import read_json
from cofee_dist.batches.dataset import build_dataset
from cofee_dist.config import Engine
from tests.distributed.test_gradients import FOUR, QUESTIONS, ROOT, STAGE, Policy
from tests.distributed.two_processes import run_on
from tests.encoders import tiny_model, wordpiece_tokenizer
from tests.training import made_up

#: Relative to the plain engine's loss in the same precision, over six steps.
TOLERANCE = {"fp32": 1e-5, "bf16": 5e-3}
NORM_TOLERANCE = {"fp32": 1e-4, "bf16": 5e-2}
CASES = ["zero0", "zero1", "zero2", "zero3", "zero1 bf16", "zero3 bf16"]
RANKS = (1, 2)


def steps(engine: Any, numbers: range) -> list[tuple[float, float]]:
    """The updates of these numbers, 16 examples each; returns the loss and the gradient norm of each."""
    from cofee_dist.train.loop import train_step
    from cofee_dist.train.meter import Meter

    data = build_dataset(wordpiece_tokenizer(), made_up(60), QUESTIONS, 64)
    engine.module.train()
    found = []
    for number in numbers:
        step, meter = np.arange(number * 16, number * 16 + 16), Meter()
        norm = train_step(Policy(), data, data.input_lengths, step, engine, FOUR, 1e-2, meter)
        assert norm is not None
        found.append((meter.metrics()["loss"], norm))
    return found


def engine_of(case: str, seed: int) -> Any:
    from cofee_dist.train.deepspeed_engine import DeepSpeedEngine

    zero, *precision = case.split()
    path = str(ROOT / f"cluster/deepspeed/{zero}.json")
    config = Engine(
        name="deepspeed", device="cpu", deepspeed_config=path, precision=precision[0] if precision else "fp32"
    )
    return DeepSpeedEngine(tiny_model(dropout=0.0, seed=seed), config, STAGE)


def keep(engine: Any, told: list[tuple[float, float]], path: Path) -> None:
    state = engine.full_state()
    if engine.rank == 0:
        torch.save(kept(told, state), path)


def kept(told: list[tuple[float, float]], state: dict[str, torch.Tensor]) -> dict[str, Any]:
    """What of some steps is compared."""
    return {"losses": [loss for loss, _ in told], "norms": [norm for _, norm in told], "state": state}


def train(rank: int, folder: Path) -> None:
    """Six updates, and a checkpoint after three, which is written only when the six are over."""
    from cofee_dist.train.checkpoint import Checkpoints

    for case in CASES:
        engine = engine_of(case, seed=0)
        checkpoints = Checkpoints(folder / case, engine)
        told, gate = steps(engine, range(3)), threading.Event()
        checkpoints._writer.submit(gate.wait)
        checkpoints.save(3, {"position": 3})
        told += steps(engine, range(3, 6))
        written = (folder / case / "step=3" / f"rank={rank}.json").exists()
        gate.set()
        assert not written
        checkpoints.wait()
        keep(engine, told, folder / f"{case}.pt")


def go_on(rank: int, folder: Path, after: int) -> None:
    """The last three updates, from the checkpoints of one process and of two."""
    from cofee_dist.train.checkpoint import Checkpoints

    for before in RANKS:
        for case in CASES:
            engine = engine_of(case, seed=7)
            state = Checkpoints(folder / f"{before}" / case, engine).restore()
            assert state is not None
            assert (state["position"], state["world_size"]) == (3, before)
            keep(engine, steps(engine, range(3, 6)), folder / f"{before} to {after} {case}.pt")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    for ranks in RANKS:
        (folder / f"{ranks}").mkdir()
        run_on(ranks, train, folder / f"{ranks}")
    return folder


@pytest.fixture(scope="module")
def resumed(trained: Path) -> Path:
    for ranks in RANKS:
        run_on(ranks, go_on, trained, ranks)
    return trained


@pytest.fixture(scope="module")
def oracle() -> Callable[[str], dict[str, Any]]:
    """Six updates on the plain engine, in the precision of a case."""
    from cofee_dist.train.engine import TorchEngine

    found = {}
    for precision in ("fp32", "bf16"):
        engine = TorchEngine(tiny_model(dropout=0.0), Engine(device="cpu", precision=precision), STAGE)
        found[precision] = kept(steps(engine, range(6)), engine.full_state())
    return lambda case: found["bf16" if "bf16" in case else "fp32"]


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = torch.load(path, weights_only=True)
    return found


def assert_near(found: dict[str, Any], expected: dict[str, Any], case: str) -> None:
    precision = "bf16" if "bf16" in case else "fp32"
    tolerance = TOLERANCE[precision]
    number = len(found["losses"])
    assert found["losses"] == pytest.approx(expected["losses"][-number:], rel=tolerance)
    assert found["norms"] == pytest.approx(expected["norms"][-number:], rel=NORM_TOLERANCE[precision])
    assert found["state"].keys() == expected["state"].keys()
    if "bf16" in case:
        return
    for name, value in expected["state"].items():
        # A key's bias changes no attention: its gradient is rounding and nothing else.
        if not name.endswith("key.bias"):
            torch.testing.assert_close(
                found["state"][name], value, rtol=1e-4, atol=1e-4, msg=partial("{}: {}".format, name)
            )


def test_the_oracle_learns(oracle: Any) -> None:
    losses = oracle("zero0")["losses"]
    assert losses[-1] < 0.8 * losses[0]
    assert oracle("zero1 bf16")["losses"] != losses
    # Adam sees no overall scale of the gradients; clipping in some steps and not in others does.
    clipped = [norm > STAGE.max_gradient_norm for norm in oracle("zero0")["norms"]]
    assert any(clipped[:3])
    assert not all(clipped)


@pytest.mark.deepspeed
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("ranks", RANKS)
def test_every_zero_stage_has_the_losses_of_the_plain_engine(ranks: int, case: str, trained: Path, oracle: Any) -> None:
    found = read(trained / f"{ranks}" / f"{case}.pt")
    assert len(found["losses"]) == 6
    assert_near(found, oracle(case), case)


@pytest.mark.deepspeed
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("after", RANKS)
@pytest.mark.parametrize("before", RANKS)
def test_a_checkpoint_goes_on_with_any_number_of_processes(
    before: int, after: int, case: str, resumed: Path, oracle: Any
) -> None:
    found = read(resumed / f"{before} to {after} {case}.pt")
    assert_near(found, oracle(case), case)
    if before == after:
        whole = read(resumed / f"{before}" / f"{case}.pt")
        assert found["losses"] == whole["losses"][3:]
        assert found["norms"] == pytest.approx(whole["norms"][3:], rel=1e-6)
        for name, value in whole["state"].items():
            # Nothing is lost; but a gradient's last bit need not be the same in another process (seen once, ZeRO-0).
            torch.testing.assert_close(found["state"][name], value, rtol=1e-6, atol=1e-8)


@pytest.mark.deepspeed
@pytest.mark.parametrize("case", CASES)
def test_every_file_of_a_checkpoint_has_its_digest(case: str, trained: Path) -> None:
    for ranks in RANKS:
        folder = trained / f"{ranks}" / case / "step=3"
        told = read_json(folder / "state.json")["files"]
        there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
        assert there == {*told, "state.json", *(f"rank={rank}.json" for rank in range(ranks))}
        assert len(told) == {"zero0": 1, "zero3": 2 * ranks}.get(case.split()[0], 1 + ranks)
