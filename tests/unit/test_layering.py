"""The rules of the house: who may import whom, and where the heavy engines may be named."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import pytest

import cofee_dist

PACKAGE = Path(cofee_dist.__file__).parent

#: In the order in which data flows: each may import those before it.
LAYERS = (
    "errors",
    "schemas",
    "config",
    "artifacts",
    "ranks",
    "world",
    "corpus",
    "labels",
    "batches",
    "model",
    "mining",
    "evaluate",
    "tracking",
    "train",
    "report",
    "pipeline",
    "cli",
)

#: Below every package, and all that ``world`` may see: what it makes must not know how it is read.
FOUNDATION = ("errors", "schemas", "config", "artifacts")

#: Each engine is imported only where its job is done.
HOMES = {
    "pyspark": ("corpus/spark*.py", "labels/spark*.py"),
    "faiss": ("mining/nearest.py",),
    "ray": ("train/ray_worker.py",),
    "deepspeed": ("train/deepspeed_*.py",),
    "mlflow": ("tracking.py",),
    "sklearn": ("mining/choose_k.py",),
}

HEAVY = ("torch", "transformers", "pyspark", "ray", "deepspeed", "faiss", "mlflow", "matplotlib", "sklearn")


@cache
def _imports(path: Path) -> tuple[str, ...]:
    return tuple(_read_imports(path))


def _read_imports(path: Path) -> Iterator[str]:
    """Full names of the modules that a file imports, in functions too; of ``from a import b`` also ``a.b``."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = ["cofee_dist", *path.relative_to(PACKAGE).parent.parts]
            above = parents[: len(parents) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _layer(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _files() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def _layers_imported(path: Path) -> set[str]:
    own = (name.split(".") for name in _imports(path) if name.startswith("cofee_dist."))
    return {parts[1] for parts in own if parts[1] in LAYERS}


def test_every_module_has_its_layer() -> None:
    assert {_layer(path) for path in _files()} <= set(LAYERS)


@pytest.mark.parametrize("path", _files(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_package_imports_only_those_before_it(path: Path) -> None:
    layer = _layer(path)
    allowed = FOUNDATION if layer == "world" else LAYERS[: LAYERS.index(layer)]
    assert _layers_imported(path) <= {layer, *allowed}


@pytest.mark.parametrize("engine", HOMES)
def test_an_engine_is_imported_only_at_home(engine: str) -> None:
    importing = {
        path.relative_to(PACKAGE).as_posix()
        for path in _files()
        if any(name.split(".")[0] == engine for name in _imports(path))
    }
    astray = {path for path in importing if not any(fnmatch(path, home) for home in HOMES[engine])}
    assert not astray
    assert importing, f"nothing imports {engine}: is its home still {HOMES[engine]}?"


def test_relative_imports_are_resolved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "PACKAGE", tmp_path)
    (tmp_path / "labels").mkdir()
    file = tmp_path / "labels" / "x.py"
    file.write_text("from ..train import loop\nfrom . import y\ndef f():\n    import ray.train as t\n")
    assert list(_imports(file)) == [
        "cofee_dist.train", "cofee_dist.train.loop", "cofee_dist.labels", "cofee_dist.labels.y", "ray.train",
    ]  # fmt: skip
    assert _layers_imported(file) == {"train", "labels"}


def _loaded_by(*modules: str) -> set[str]:
    """Top-level modules in memory after importing these, in a fresh interpreter."""
    code = f"import sys, json, {', '.join(modules)}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    return {name.split(".")[0] for name in json.loads(done.stdout)}


@pytest.mark.parametrize(
    "modules", [("cofee_dist", "cofee_dist.config"), ("cofee_dist.labels.spark",), ("cofee_dist.cli",)]
)
def test_modules_that_the_command_line_may_load_start_no_engine(modules: tuple[str, ...]) -> None:
    assert _loaded_by(*modules).isdisjoint(HEAVY)
