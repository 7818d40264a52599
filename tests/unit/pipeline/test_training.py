"""After "out of memory" the ways out that decide nothing leave the stages that are finished as they are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cofee_dist.artifacts import Manifest, StageFolder
from cofee_dist.config import Config
from cofee_dist.pipeline.runner import Runner
from cofee_dist.pipeline.training import training_stage
from cofee_dist.train.checkpoint import Origin
from tests.training import tiny_config


class Asked(Runner):
    """Keeps what a stage is asked for, and builds nothing."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.manifests = {name: Manifest(name, name, {}, {}) for name in ("base", "corpus")}

    def stage(self, name: str, config: Any, inputs: Any, build: Any, tell: Any, way: Any = None) -> Path:
        self.folder = StageFolder(self.config.run_folder / name, name, config, inputs, way)
        return self.folder.path


def asked(folder: Path, engine: Mapping[str, Any]) -> tuple[StageFolder, str]:
    """The stage's folder, and what its checkpoints would be of."""
    config = tiny_config(folder, **engine)
    runner = Asked(config)
    training_stage(runner, "esi", config.stages.esi, "base", folder, "corpus")
    return runner.folder, Origin.of(config, config.stages.esi, 0, None).config


@pytest.fixture
def zero(tmp_path: Path) -> list[str]:
    """Two DeepSpeed JSONs."""
    paths = [tmp_path / f"zero{stage}.json" for stage in (1, 3)]
    for path, stage in zip(paths, (1, 3), strict=True):
        path.write_text(json.dumps({"zero_optimization": {"stage": stage}}))
    return [str(path) for path in paths]


def test_activation_checkpointing_decides_nothing(tmp_path: Path) -> None:
    plain, before = asked(tmp_path, {})
    plain.begin()
    cheaper, after = asked(tmp_path, {"activation_checkpointing": True})
    assert cheaper.fingerprint == plain.fingerprint
    assert cheaper.begin() is True
    assert before == after


def test_the_engine_and_its_json_decide_only_what_an_unfinished_stage_goes_on_from(
    tmp_path: Path, zero: list[str]
) -> None:
    ways: list[dict[str, Any]] = [{}, *({"name": "deepspeed", "deepspeed_config": path} for path in zero)]
    found = [asked(tmp_path, way) for way in ways]
    assert len({folder.fingerprint for folder, _ in found}) == 1
    assert len({origin for _, origin in found}) == len(ways)
    for folder, _ in found:
        assert folder.begin() is False
        assert folder.begin() is True
    found[0][0].begin()
    found[0][0].finish({})
    assert all(folder.manifest is not None for folder, _ in found)


def test_what_is_learnt_still_decides(tmp_path: Path, zero: list[str]) -> None:
    deepspeed = {"name": "deepspeed", "deepspeed_config": zero[0]}
    ways: list[dict[str, Any]] = [
        {},
        {"batch_tokens": 300},
        {"precision": "bf16"},
        # Weights in fp16, where torch's are float32.
        {"precision": "fp16"},
        {"precision": "fp16", **deepspeed},
    ]
    assert len({asked(tmp_path, way)[0].fingerprint for way in ways}) == len(ways)
