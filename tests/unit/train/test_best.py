"""The best model is there, whole, whenever the process was killed."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch

from cofee_dist.config import Engine, ScratchEncoder
from cofee_dist.errors import UserError
from cofee_dist.model.span_extractor import SpanExtractor
from cofee_dist.pipeline.models import load_model
from cofee_dist.train import best
from cofee_dist.train.base_model import make_base_model
from cofee_dist.train.best import check_model, save_model
from cofee_dist.train.engine import TorchEngine
from tests.encoders import tiny_model
from tests.training import STAGES, tiny_config, weights_of
from tests.unit.train.test_resume import KilledError, kill_at


def saved(folder: Path, seed: int) -> dict[str, Any]:
    """Save a model of random weights there, and return them."""
    model = tiny_model(seed=seed)
    engine = TorchEngine(model, Engine(device="cpu"), STAGES["nee"])
    save_model(engine, model, folder)
    return engine.full_state()


def is_one_of(folder: Path, *states: dict[str, Any]) -> bool:
    found = weights_of(folder)
    return any(all(torch.equal(found[name], value) for name, value in state.items()) for state in states)


#: What the second save calls, in its order: each is killed before and after.
CALLS = [("write_text", 1), ("write_text", 2), ("digest_of", 1), ("_digests", 1)]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(("name", "call"), CALLS)
def test_a_kill_leaves_the_old_model_or_the_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, call: int, after: bool
) -> None:
    folder = tmp_path / "model"
    old, new = saved(folder, 0), tiny_model(seed=1).state_dict()
    with monkeypatch.context() as patch:
        kill_at(patch, best, name, call, after)
        with pytest.raises(KilledError):
            saved(folder, 1)
    assert is_one_of(folder, old, new)
    check_model(folder)
    SpanExtractor.from_pretrained(folder)
    assert_good(folder, saved(folder, 2))


def test_a_kill_at_any_swap_of_a_file_leaves_one_of_them_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new = tiny_model(seed=1).state_dict()
    swaps = 0
    for call in range(1, 20):
        folder = tmp_path / str(call) / "model"
        old = saved(folder, 0)
        with monkeypatch.context() as patch:
            kill_at(patch, best.os, "replace", call, after=False)
            try:
                saved(folder, 1)
            except KilledError:
                swaps += 1
                assert is_one_of(folder, old, new)
                check_model(folder)
                SpanExtractor.from_pretrained(folder)
                continue
        break
    # Config, tokenizer, its config, weights, and twice their digest.
    assert swaps >= 5
    assert_good(folder, new)


def assert_good(folder: Path, state: dict[str, Any]) -> None:
    assert is_one_of(folder, state)
    assert not list(folder.parent.glob(".*"))
    subprocess.run(["sha256sum", "--check", "--strict", "model.safetensors.sha256"], cwd=folder, check=True)
    assert len((folder / "model.safetensors.sha256").read_text().splitlines()) == 1


def test_a_model_that_has_changed_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    assert_good(folder, saved(folder, 0))
    check_model(folder)
    weights = folder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(UserError, match="not as they were saved"):
        check_model(folder)
    weights.unlink()
    with pytest.raises(UserError, match="not as they were saved"):
        check_model(folder)


def test_a_model_from_elsewhere_is_not_judged(tmp_path: Path) -> None:
    tiny_model().save_pretrained(tmp_path)
    check_model(tmp_path)


def test_the_base_model_is_checked_as_well_and_whoever_predicts_checks(tmp_path: Path) -> None:
    config = tiny_config(tmp_path)
    scratch = config.encoder.model_copy(update={"name": None, "scratch": ScratchEncoder(hidden_size=16, layers=1)})
    folder = tmp_path / "model"
    make_base_model(config.model_copy(update={"encoder": scratch}), ["Ada lived in London ."], folder)
    assert subprocess.run(["sha256sum", "-c", "model.safetensors.sha256"], cwd=folder, check=False).returncode == 0
    load_model(folder)
    weights = bytearray((folder / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (folder / "model.safetensors").write_bytes(weights)
    with pytest.raises(UserError, match="not as they were saved"):
        load_model(folder)
