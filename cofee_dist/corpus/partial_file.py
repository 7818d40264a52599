"""The beginning of a file that is being fetched, and whose beginning it is."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cofee_dist.artifacts import write_json
from cofee_dist.corpus.dump_files import DumpFile
from cofee_dist.errors import UserError


class Partial:
    """``NAME.partial``, and beside it in ``NAME.partial.json`` of which version of the file it is the beginning."""

    def __init__(self, target: Path, file: DumpFile) -> None:
        self.file = file
        self.path = target.with_name(f"{target.name}.partial")
        self._note_path = target.with_name(f"{target.name}.partial.json")

    @contextmanager
    def locked(self) -> Iterator[Partial]:
        """Nobody else fetches this file into this folder while the block runs.

        Raises:
            UserError: where somebody does.
        """
        path = self.path.with_name(f".{self.path.name}.lock")
        while True:
            lock = path.open("w")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                lock.close()
                raise UserError(
                    "another download fetches this file into this folder",
                    where=self.path,
                    fix="wait until it is finished, or give another --folder",
                ) from error
            # Whoever had it has removed it, perhaps after it was opened here.
            if path.exists() and os.path.samestat(os.fstat(lock.fileno()), path.stat()):
                break
            lock.close()
        try:
            yield self
        finally:
            path.unlink(missing_ok=True)
            lock.close()

    def size_bytes(self) -> int:
        """How much of the file is there."""
        return self.path.stat().st_size if self.path.exists() else 0

    def note(self) -> dict[str, str | None]:
        """``url``, ``validator``, ``checksum``; empty if the partial file is not known to be of this very file."""
        try:
            note = json.loads(self._note_path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return note if isinstance(note, dict) and note.get("checksum") == self.file.checksum else {}

    def write_note(self, url: str, validator: str | None) -> None:
        """Say of which version of the file this is the beginning."""
        write_json(self._note_path, {"url": url, "validator": validator, "checksum": self.file.checksum})

    def drop(self) -> None:
        """Remove both."""
        self.path.unlink(missing_ok=True)
        self._note_path.unlink(missing_ok=True)
