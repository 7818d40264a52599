"""Ranks agree about a checkpoint: whether it could be written, whether it is whole, which one is taken up."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.distributed.test_world_size import engine_of, steps
from tests.distributed.two_processes import run_on
from tests.unit.train.test_checkpoint import Bomb, change

STAGES = ("zero2", "zero3")


def saved(checkpoints: Any, engine: Any) -> list[Any]:
    """Two checkpoints, and the weights of each."""
    weights = []
    for step in (1, 2):
        steps(engine, range(step, step + 1))
        weights.append(engine.full_state())
        checkpoints.save(step, {"position": step})
    checkpoints.wait()
    return weights


def one_rank_fails(engine: Any, folder: Path) -> dict[str, Any]:
    """The first checkpoint is written by both ranks, the second one not by rank 1."""
    from cofee_dist.train import checkpoint

    told: dict[str, Any] = {}
    checkpoints = checkpoint.Checkpoints(folder, engine)
    steps(engine, range(1))
    checkpoints.save(1, {"position": 1})
    checkpoints.wait()
    whole = checkpoint.write_shard
    if engine.rank == 1:
        checkpoint.write_shard = full_disk  # type: ignore[assignment]
    checkpoints.save(2, {"position": 2})
    try:
        checkpoints.save(3, {"position": 3})
    except (OSError, RuntimeError) as error:
        told["error"] = f"{type(error).__name__}: {error}"
    checkpoint.write_shard = whole  # type: ignore[assignment]
    state = checkpoint.Checkpoints(folder, engine).restore()
    return told | {"position": state and state["position"]}


def full_disk(*arguments: Any) -> None:
    raise OSError(28, "No space left on device")


def one_rank_sees_the_damage(engine: Any, folder: Path, second: int) -> dict[str, Any]:
    """Each rank reads a part of the files: a changed one is passed over by both."""
    from cofee_dist.ranks import barrier
    from cofee_dist.train.checkpoint import Checkpoints

    weights = saved(Checkpoints(folder, engine), engine)
    barrier()
    if engine.rank == 0:
        change(sorted((folder / "step=2" / "engine").iterdir())[second])
    barrier()
    state = Checkpoints(folder, engine).restore()
    found = engine.full_state()
    same = all(torch.equal(found[name], value) for name, value in weights[0].items())
    return {"position": state and state["position"], "same": same, "left": sorted(p.name for p in folder.iterdir())}


def a_file_that_runs(engine: Any, folder: Path) -> dict[str, Any]:
    """In place of the optimizer's state; the digests are right, as if it had been written so."""
    from pickle import UnpicklingError

    from cofee_dist.ranks import barrier
    from cofee_dist.train.shard import write_shard

    write_shard(engine.snapshot(), folder)
    for path in (folder / "engine").glob(f"*_rank_{engine.rank}_*optim_states.pt"):
        torch.save({"optimizer_state_dict": Bomb(folder / "ran")}, path)
    barrier()
    try:
        engine.load(folder)
    except UnpicklingError:
        return {"refused": True, "ran": (folder / "ran").exists()}
    return {"refused": False}


def both(rank: int, folder: Path) -> None:
    logging.basicConfig(filename=folder / f"log.{rank}")
    told: dict[str, Any] = {}
    for case in STAGES:
        engine = engine_of(case, seed=0)
        told[case] = {
            "fails": one_rank_fails(engine, folder / f"{case} fails"),
            "damage": [one_rank_sees_the_damage(engine, folder / f"{case} damage {at}", at) for at in (0, 1)],
            "runs": a_file_that_runs(engine, folder / f"{case} runs"),
        }
    (folder / f"{rank}.json").write_text(json.dumps(told))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoints")
    run_on(2, both, folder)
    return folder


def told(folder: Path, rank: int) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / f"{rank}.json").read_text())
    return found


@pytest.mark.deepspeed
@pytest.mark.parametrize("case", STAGES)
def test_what_one_rank_cannot_write_stops_both(folder: Path, case: str) -> None:
    zero, one = (told(folder, rank)[case]["fails"] for rank in range(2))
    assert one["error"] == "OSError: [Errno 28] No space left on device"
    assert zero["error"] == "RuntimeError: another rank could not write its part of the checkpoint"
    assert (zero["position"], one["position"]) == (1, 1)


@pytest.mark.deepspeed
@pytest.mark.parametrize("case", STAGES)
def test_what_one_rank_finds_damaged_both_pass_over(folder: Path, case: str) -> None:
    for rank in range(2):
        for found in told(folder, rank)[case]["damage"]:
            assert found == {"position": 1, "same": True, "left": ["step=1"]}
    lines = (folder / "log.0").read_text().splitlines()
    warned = [line for line in lines if f"{case} damage" in line]
    assert len(warned) == 2
    assert all("step=2 is passed over: " in line and ".pt has changed" in line for line in warned)
    assert "passed over" not in (folder / "log.1").read_text()


@pytest.mark.deepspeed
@pytest.mark.parametrize("case", STAGES)
def test_reading_runs_nothing_that_is_in_deepspeeds_files(folder: Path, case: str) -> None:
    for rank in range(2):
        assert told(folder, rank)[case]["runs"] == {"refused": True, "ran": False}
