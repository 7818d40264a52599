"""``cofee quickstart``: a small made-up wiki with known truth, and the config of the whole job on it."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path

from cofee_dist.artifacts import fingerprint, read_json, write_json
from cofee_dist.config import Config
from cofee_dist.config.file import load_config
from cofee_dist.world.generate import generate

_MADE = "world.json"


def quickstart_config(folder: Path, seed: int, overrides: Iterable[str] = ()) -> Config:
    """Make the world below a folder (unless it is there) and return the config of the run on it."""
    world = folder / "world"
    made = {"seed": seed, "version": fingerprint(files("cofee_dist.world").joinpath("prose.yaml").read_text("utf-8"))}
    marker = world / _MADE
    if not marker.exists() or read_json(marker) != made:
        marker.unlink(missing_ok=True)
        generate(world, seed)
        write_json(marker, made)
    return load_config(str(files("cofee_dist.pipeline").joinpath("quickstart.yaml")), _places(folder, seed, overrides))


def _places(folder: Path, seed: int, overrides: Iterable[str]) -> list[str]:
    world = folder / "world"
    return [
        f"runs={folder / 'runs'}",
        f"seed={seed}",
        f"corpus.dumps=[{world / 'wiki.xml.bz2'}]",
        *(f"task.types.{kind}.gazetteers=[{world / 'gazetteers' / kind}.txt]" for kind in ("PER", "LOC", "ORG")),
        f"evaluation.validation.path={world / 'validation.jsonl'}",
        f"evaluation.test.path={world / 'test.jsonl'}",
        f"evaluation.truth={world / 'truth.jsonl'}",
        f"evaluation.examples={world / 'unseen.txt'}",
        *overrides,
    ]
