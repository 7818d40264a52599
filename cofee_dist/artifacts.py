"""Where a run's things lie, and when a stage counts as finished: its manifest is there, written last."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from cofee_dist import __version__
from cofee_dist.errors import UserError

MANIFEST = "manifest.json"
STARTED = "started.json"
_WHOLE_FILE_BYTES = 256 * 2**20
_BLOCK_BYTES = 2**20
_SAMPLE_BYTES, _SAMPLE_EVERY_BYTES = 2**12, 2**22
_VERSIONED = ("torch", "transformers", "pyspark", "ray", "deepspeed", "mlflow", "pyarrow", "opencc")


@dataclass(frozen=True)
class Manifest:
    """What a finished stage was made from and what it holds."""

    stage: str
    fingerprint: str
    config: dict[str, Any]
    inputs: dict[str, str]
    counts: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    finished_at: str = ""


def fingerprint(value: object) -> str:
    """Digest of a JSON-able value: equal values give equal digests, whatever the order of keys."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def file_digest(path: str | Path, timed: bool = False) -> str:
    """Digest of a file's content; above 256 MiB of its size and 4 KiB of each 4 MiB, and if ``timed`` of its time.

    The time tells a dump that was fetched again, since it is damaged, from the damaged one of the same size, wherever
    in it the damage is; a copy that keeps the time has the same digest.
    """
    path = Path(path)
    status = path.stat()
    digest = hashlib.sha256(str(status.st_size).encode())
    with path.open("rb") as file:
        if status.st_size <= _WHOLE_FILE_BYTES:
            while block := file.read(_BLOCK_BYTES):
                digest.update(block)
        else:
            if timed:
                digest.update(str(status.st_mtime_ns).encode())
            for at in (*range(0, status.st_size, _SAMPLE_EVERY_BYTES), status.st_size - _SAMPLE_BYTES):
                file.seek(at)
                digest.update(file.read(_SAMPLE_BYTES))
    return digest.hexdigest()[:16]


def path_digest(path: str | Path) -> str:
    """``file_digest`` of a file, or of every file below a folder (an encoder's, say)."""
    path = Path(path)
    if path.is_file():
        return file_digest(path)
    files = sorted(file for file in path.rglob("*") if file.is_file())
    return fingerprint([(str(file.relative_to(path)), file_digest(file)) for file in files])


def write_text(path: Path, text: str) -> None:
    """Write atomically, as UTF-8: a reader sees the old file or the new one, never half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    with partial.open("w", encoding="utf-8", newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)


def write_json(path: Path, value: object) -> None:
    """Write atomically, indented; what JSON does not know is written as its string."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, default=str))


def read_json(path: Path) -> Any:
    """Read JSON; a file that is not JSON is the user's to mend (something else wrote it)."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"not valid JSON ({error})", where=path, fix="delete the file and run again") from error


def versions() -> dict[str, str]:
    """Versions of Python, this package and the engines that are installed."""
    found = {"python": platform.python_version(), "cofee_dist": __version__}
    for name in _VERSIONED:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def read_manifest(folder: Path) -> Manifest | None:
    """The stage's manifest, or None where the stage has not finished."""
    path = folder / MANIFEST
    return Manifest(**read_json(path)) if path.exists() else None


@contextmanager
def scratch_folder(path: Path, made_from: object) -> Iterator[Path]:
    """A folder below ``path`` for what is dear to make and not yet the result; gone once the block succeeds.

    After a failure it stays, and whoever asks for it with an equal ``made_from`` (JSON-able) finds what it held; what
    was made from anything else is removed.
    """
    kept = path / fingerprint([made_from, __version__])
    for other in path.iterdir() if path.exists() else ():
        if other != kept:
            shutil.rmtree(other)
    kept.mkdir(parents=True, exist_ok=True)
    yield kept
    shutil.rmtree(path)


class StageFolder:
    """A stage's folder: finished with this fingerprint, begun with it, or to be begun anew.

    ``begin()`` keeps what a killed run with the same fingerprint left (its checkpoints) and removes what
    belongs to another config or other inputs. ``finish()`` writes the manifest, last and atomically. ``way`` is how
    the stage is made, where that decides nothing but whether what an unfinished one left can be taken up.
    """

    def __init__(
        self,
        path: Path,
        stage: str,
        config: Mapping[str, Any],
        inputs: Mapping[str, str],
        way: Mapping[str, Any] | None = None,
    ) -> None:
        self.path, self.stage, self._way = path, stage, dict(way or {})
        self.config, self.inputs = dict(config), dict(inputs)
        self.fingerprint = fingerprint([stage, self.config, self.inputs, __version__])

    @property
    def manifest(self) -> Manifest | None:
        """The manifest if the stage finished with this very fingerprint."""
        found = read_manifest(self.path)
        return found if found is not None and found.fingerprint == self.fingerprint else None

    def begin(self) -> bool:
        """Make the folder ready to be filled; True if it goes on from an earlier, unfinished try."""
        started = self.path / STARTED
        told = {"fingerprint": self.fingerprint, "stage": self.stage, "way": self._way}
        resumes = not (self.path / MANIFEST).exists() and started.exists() and read_json(started) == told
        if not resumes:
            if self.path.exists():
                # The manifest goes first: a kill in the middle of the removal must not leave it behind.
                (self.path / MANIFEST).unlink(missing_ok=True)
                shutil.rmtree(self.path)
            write_json(started, told)
        self._clock = time.monotonic()
        return resumes

    def finish(self, counts: Mapping[str, Any]) -> Manifest:
        """Write the manifest: from here on the stage is finished."""
        manifest = Manifest(
            stage=self.stage,
            fingerprint=self.fingerprint,
            config=self.config,
            inputs=self.inputs,
            counts=dict(counts),
            versions=versions(),
            seconds=round(time.monotonic() - self._clock, 3),
            finished_at=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        )
        write_json(self.path / MANIFEST, asdict(manifest))
        return manifest
