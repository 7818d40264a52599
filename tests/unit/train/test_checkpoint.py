"""A checkpoint is what was at its step, whatever training does meanwhile; only a whole one counts."""

from __future__ import annotations

import json
import os
import pickle
import threading
from pathlib import Path
from typing import Any

import pytest
import torch

from cofee_dist.artifacts import read_json
from cofee_dist.config import Config, Engine
from cofee_dist.errors import UserError
from cofee_dist.train.checkpoint import Checkpoints, Origin
from cofee_dist.train.engine import TorchEngine
from cofee_dist.train.shard import digest_of, write_shard
from tests.encoders import tiny_model
from tests.training import STAGES, tiny_config

STAGE = STAGES["nee"]


def engine_of(seed: int = 0) -> TorchEngine:
    return TorchEngine(tiny_model(dropout=0.0, seed=seed), Engine(device="cpu"), STAGE)


def update(engine: TorchEngine) -> None:
    """An update in place of every weight and of the optimizer's state."""
    engine.backward(sum((weight - 1).square().sum() for weight in engine.module.parameters()))
    engine.step(1e-2)


def same(left: dict[str, Any], right: dict[str, Any]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[name], value) for name, value in right.items())


def three(folder: Path, kept: int = 3) -> list[dict[str, Any]]:
    """Checkpoints of steps 1 to 3; returns the weights of each."""
    engine, weights = engine_of(), []
    with Checkpoints(folder, engine, kept) as checkpoints:
        for step in (1, 2, 3):
            update(engine)
            weights.append(engine.full_state())
            checkpoints.save(step, {"position": step})
    return weights


def test_training_goes_on_while_a_checkpoint_is_written(tmp_path: Path) -> None:
    engine, gate = engine_of(), threading.Event()
    checkpoints = Checkpoints(tmp_path, engine)
    update(engine)
    checkpoints._writer.submit(gate.wait)
    saved = engine.full_state()
    checkpoints.save(1, {"position": 1})
    for _ in range(2):
        update(engine)
    later = engine.full_state()
    assert not list(tmp_path.rglob("*"))
    gate.set()
    checkpoints.wait()

    again = engine_of(seed=7)
    assert Checkpoints(tmp_path, again).restore()["position"] == 1  # type: ignore[index]
    assert same(again.full_state(), saved)
    for _ in range(2):
        update(again)
    assert same(again.full_state(), later)


def test_what_a_checkpoint_tells(tmp_path: Path) -> None:
    origin = Origin("abc", 5, "run")
    with Checkpoints(tmp_path, engine_of(), origin=origin) as checkpoints:
        checkpoints.save(7, {"position": {"global_step": 7}, "policy": {"iteration": 2}})
    folder = tmp_path / "step=7"
    state = read_json(folder / "state.json")
    assert state["position"] == {"global_step": 7}
    assert state["policy"] == {"iteration": 2}
    assert (state["config"], state["seed"], state["mlflow_run"], state["world_size"]) == ("abc", 5, "run", 1)
    assert state["versions"]["torch"] == torch.__version__
    assert state["files"] == {name: digest_of(folder / name) for name in ("model.safetensors", "optimizer.pt")}
    assert state["files"]["optimizer.pt"]["bytes"] == (folder / "optimizer.pt").stat().st_size


def test_the_same_step_again_is_a_new_state_of_the_same_weights(tmp_path: Path) -> None:
    engine = engine_of()
    with Checkpoints(tmp_path, engine) as checkpoints:
        checkpoints.save(1, {"position": "before"})
        checkpoints.wait()
        written = (tmp_path / "step=1" / "model.safetensors").stat()
        checkpoints.save(1, {"position": "after"})
    assert (tmp_path / "step=1" / "model.safetensors").stat() == written
    with Checkpoints(tmp_path, engine) as checkpoints:
        assert checkpoints.restore()["position"] == "after"  # type: ignore[index]
        checkpoints.save(1, {"position": "resumed"})
    assert (tmp_path / "step=1" / "model.safetensors").stat() == written
    assert Checkpoints(tmp_path, engine).restore()["position"] == "resumed"  # type: ignore[index]


@pytest.mark.parametrize("kept", [1, 2])
def test_the_last_ones_are_kept(tmp_path: Path, kept: int) -> None:
    three(tmp_path, kept)
    assert {folder.name for folder in tmp_path.iterdir()} == {f"step={step}" for step in (1, 2, 3)[-kept:]}


def test_nothing_to_restore(tmp_path: Path) -> None:
    assert Checkpoints(tmp_path / "none", engine_of()).restore() is None


def change(path: Path) -> None:
    """One bit, in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def edit(path: Path) -> None:
    state = json.loads(path.read_text())
    path.write_text(json.dumps(state | {"position": 99}))


DAMAGE = [
    ("model.safetensors", change, "model.safetensors has changed"),
    ("optimizer.pt", change, "optimizer.pt has changed"),
    ("model.safetensors", shorten, "model.safetensors has "),
    ("optimizer.pt", os.unlink, "optimizer.pt is missing"),
    ("state.json", edit, "state.json has changed"),
    ("state.json", shorten, "state.json has changed"),
]


@pytest.mark.parametrize(("name", "damage", "told"), DAMAGE)
def test_a_damaged_checkpoint_is_passed_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, damage: Any, told: str
) -> None:
    weights = three(tmp_path)
    damage(tmp_path / "step=3" / name)
    engine = engine_of(seed=7)
    assert Checkpoints(tmp_path, engine).restore()["position"] == 2  # type: ignore[index]
    assert same(engine.full_state(), weights[1])
    [message] = caplog.messages
    assert f"{tmp_path / 'step=3'} is passed over: {told}" in message
    assert {folder.name for folder in tmp_path.iterdir()} == {"step=1", "step=2"}


def test_where_all_are_damaged_the_stage_begins_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    three(tmp_path)
    for folder in tmp_path.iterdir():
        change(folder / "model.safetensors")
    assert Checkpoints(tmp_path, engine_of()).restore() is None
    assert len(caplog.messages) == 3


def test_an_incomplete_checkpoint_does_not_count(tmp_path: Path) -> None:
    three(tmp_path)
    (tmp_path / "step=3" / "state.json").unlink()
    assert Checkpoints(tmp_path, engine_of()).restore()["position"] == 2  # type: ignore[index]
    assert not (tmp_path / "step=3").exists()


def test_another_config_is_refused(tmp_path: Path) -> None:
    with Checkpoints(tmp_path, engine_of(), origin=Origin("one")) as checkpoints:
        checkpoints.save(1, {"position": 1})
    with pytest.raises(UserError, match="made with another config"):
        Checkpoints(tmp_path, engine_of(), origin=Origin("other")).restore()
    assert Checkpoints(tmp_path, engine_of(), origin=Origin("one")).restore() is not None


def origin_of(config: Config) -> str:
    return Origin.of(config, config.stages.nee, 0, None).config


def test_what_may_change_on_the_way(tmp_path: Path) -> None:
    config = tiny_config(tmp_path, name="deepspeed")
    ways = {
        "workers": 4,
        "cpu_threads": 3,
        "checkpoint_every_steps": 9,
        "checkpoints_kept": 5,
        "micro_batch_tokens": 70,
    }
    for name, value in ways.items():
        assert origin_of(tiny_config(tmp_path, name="deepspeed", **{name: value})) == origin_of(config), name
    decides = [
        tiny_config(tmp_path, name="torch"),
        tiny_config(tmp_path, name="deepspeed", batch_tokens=151),
        tiny_config(tmp_path, name="deepspeed", precision="bf16"),
        config.model_copy(update={"seed": 1}),
        config.model_copy(update={"stages": config.stages.model_copy(update={"nee": STAGE})}),
    ]
    assert len({origin_of(config), *map(origin_of, decides)}) == 1 + len(decides)


def test_an_error_of_the_writer_comes_up_at_the_next_call(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    engine = engine_of()
    checkpoints = Checkpoints(folder, engine)
    folder.touch()  # A file where the folder must be.
    checkpoints.save(1, {"position": 1})
    with pytest.raises(NotADirectoryError), checkpoints:
        checkpoints.save(2, {"position": 2})


def test_after_an_error_in_training_the_last_checkpoint_is_complete(tmp_path: Path) -> None:
    engine = engine_of()
    checkpoints = Checkpoints(tmp_path, engine)

    def train() -> None:
        with checkpoints:
            checkpoints.save(1, {"position": 1})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        train()
    assert Checkpoints(tmp_path, engine).restore() is not None


class Bomb:
    """A pickle that makes a folder when it is read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.folder),)


def test_reading_runs_nothing_that_is_in_a_file(tmp_path: Path) -> None:
    engine = engine_of()
    write_shard(engine.snapshot(), tmp_path)
    torch.save({"optimizer": Bomb(tmp_path / "ran")}, tmp_path / "optimizer.pt")
    with pytest.raises(pickle.UnpicklingError):
        engine.load(tmp_path)
    assert not (tmp_path / "ran").exists()
