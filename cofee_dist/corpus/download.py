"""A dump's files on this disk: resumed when cut off, taken for finished only when their checksum is right."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from cofee_dist.corpus.dump_files import DumpFile, find_files
from cofee_dist.corpus.partial_file import Partial
from cofee_dist.corpus.web import CutOff, Unreachable, Web, what_to_do
from cofee_dist.errors import UserError

CHUNK_BYTES = 2**18
_DAMAGED = "the checksum is wrong"
_PARTIAL_CONTENT, _RANGE_NOT_SATISFIABLE = 206, 416


class Shown(Protocol):
    """What a person sees of it."""

    def file(self, name: str, size_bytes: int | None) -> AbstractContextManager[Callable[[int], None]]:
        """Show a file while the block runs; what it gives is called with the bytes that are there."""

    def finished(self, name: str, size_bytes: int, text: str) -> None:
        """Tell that a file is there."""


def download_dump(
    web: Web,
    mirrors: Sequence[str],
    language: str,
    date: str,
    folder: Path,
    shown: Shown,
    parts: Sequence[str] = (),
    chunk_bytes: int = CHUNK_BYTES,
) -> list[Path]:
    """Fetch a Wikipedia's multistream dump (see ``find_files``); the paths of its texts, without the index files.

    A file that is there with the right checksum is not fetched again, one that was cut off is resumed, one that is
    wrong is renamed to ``NAME.damaged``.

    Raises:
        UserError: if there is no such dump or no room for it, or no mirror gives a file with the right checksum.
        OSError: if the disk is full all the same; what was fetched stays, to be resumed.
    """
    mirrors = [mirror.rstrip("/") for mirror in mirrors]
    for mirror in mirrors:
        if not re.match(r"https?://[^/]", mirror):
            raise UserError("a mirror's address begins with https:// or http://", where=f"--mirror {mirror}")
    files = find_files(web, mirrors, language, date, parts)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise UserError("that is a file, not a folder", where=folder, fix="give another --folder") from error
    except OSError as error:
        raise UserError(
            f"the folder cannot be made ({error.strerror})", where=folder, fix="give another --folder"
        ) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UserError("the folder may not be written to", where=folder, fix="give another --folder")
    missing = []
    for file in files:
        with shown.file(f"checking {file.name}", None):
            finished = _is_finished(folder / file.name, file)
        if finished:
            shown.finished(file.name, (folder / file.name).stat().st_size, "was there")
        else:
            missing.append(file)
    _check_room(folder, missing)
    for file in missing:
        text, path = f"{file.algorithm} right", folder / file.name
        if path.exists():
            path.replace(damaged := path.with_name(f"{file.name}.damaged"))
            text += f"; what was there was wrong and is now {damaged.name}"
        with shown.file(file.name, file.size_bytes) as moved:
            fetch(web, mirrors, file, folder, moved, chunk_bytes)
        shown.finished(file.name, path.stat().st_size, text)
    return [folder / file.name for file in files if not file.is_index]


def fetch(
    web: Web,
    mirrors: Sequence[str],
    file: DumpFile,
    folder: Path,
    moved: Callable[[int], None],
    chunk_bytes: int = CHUNK_BYTES,
) -> Path:
    """Fetch one file into ``NAME.partial``, verify it from the disk and rename it; the next mirror if one fails.

    Raises:
        UserError: if no mirror gives it, or only with a wrong checksum (then nothing of it is kept).
    """
    target = folder / file.name
    with Partial(target, file).locked() as partial:
        failures: list[tuple[str, str | None]] = []
        for mirror in mirrors:
            # What an earlier try left may be rotten though the mirror is not: it gets a second, from the beginning.
            for _ in range(2 if partial.size_bytes() else 1):
                failure = _try(web, mirror, partial, moved, chunk_bytes)
                if failure is None:
                    partial.path.replace(target)
                    partial.drop()
                    return target
                if failure is not _DAMAGED:
                    break
            failures.append((mirror, failure))
    damaged = sum(failure is _DAMAGED for _, failure in failures)
    told = [
        f"{mirror}: the {file.algorithm} is not the published {file.checksum}"
        if why is _DAMAGED
        else f"{mirror}: {why}"
        for mirror, why in failures
    ]
    if damaged == len(mirrors):
        what, fix = "every copy of the file is damaged, and removed", "run the same command, or with another --mirror"
    else:
        what, fix = "no mirror gives the file", "run the same command later, or with another --mirror; it goes on"
    raise UserError(f"{what}: {file.name}", where="; ".join(told), fix=what_to_do(told, fix))


def _try(web: Web, mirror: str, partial: Partial, moved: Callable[[int], None], chunk_bytes: int) -> str | None:
    """Fetch what is missing from one mirror: None once the file is whole, else why it is not."""
    url = mirror + partial.file.path
    try:
        web.persist(url, lambda: _receive(web, url, partial, moved, chunk_bytes), partial.size_bytes)
    except Unreachable as error:
        return str(error)
    if _checksum(partial.path, partial.file.algorithm) == partial.file.checksum:
        return None
    partial.drop()
    return _DAMAGED


def next_command(paths: Sequence[Path]) -> str:
    """The line to type when the dump is there."""
    plain = re.compile(r"[\w./-]+")
    listed = ",".join(str(path) if plain.fullmatch(str(path)) else json.dumps(str(path)) for path in paths)
    return f"cofee pretrain --config … --set {shlex.quote(f'corpus.dumps=[{listed}]')}"


def _receive(web: Web, url: str, partial: Partial, moved: Callable[[int], None], chunk_bytes: int) -> None:
    """One request for what is missing, or for the whole file where there is nothing to go on from.

    Raises:
        CutOff: if less came than should have.
    """
    size = partial.file.size_bytes
    note = partial.note()
    have = partial.size_bytes()
    if have and (not note or (size is not None and have > size)):
        partial.drop()
        have = 0
    moved(have)
    if have and have == size:
        return
    headers = {}
    if have:
        headers["Range"] = f"bytes={have}-"
        # Each mirror has validators of its own; on another one the size, and in the end the checksum, must do.
        if note["url"] == url and note["validator"]:
            headers["If-Range"] = note["validator"]
    with web.open(url, headers) as response:
        validator = _validator(response.headers)
        going_on = response.status_code == _PARTIAL_CONTENT
        same = "If-Range" not in headers or validator in (None, note["validator"])
        fits = same and _continues(response.headers.get("Content-Range", ""), have, size)
        if response.status_code == _RANGE_NOT_SATISFIABLE or (going_on and not fits):
            partial.drop()
            raise CutOff("what is on the disk is not the beginning of this file")
        if not going_on:
            # Empty before the note is of another version: whenever this is killed, the two agree.
            partial.path.open("wb").close()
            have = 0
        partial.write_note(url, validator)
        try:
            with partial.path.open("ab") as out:
                for chunk in response.iter_content(chunk_bytes):
                    if size is not None and have + len(chunk) > size:
                        partial.drop()
                        raise Unreachable(f"it sends more than the {size:,} bytes that are published")
                    out.write(chunk)
                    have += len(chunk)
                    moved(have)
        except OSError as error:
            if error.errno is not None:
                # A failed write does not say to which file.
                error.filename = str(partial.path)
            raise
    if size is not None and have < size:
        raise CutOff(f"the connection was cut, {have:,} of {size:,} bytes are there")


def _validator(headers: Mapping[str, str]) -> str | None:
    """What ``If-Range`` may hold: a strong ETag, else the date of the last change."""
    tag = headers.get("ETag")
    return tag if tag and not tag.startswith("W/") else headers.get("Last-Modified")


def _continues(content_range: str, have: int, size: int | None) -> bool:
    """Whether a part of a file goes on where we are, in a file of the size that was published."""
    found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", content_range)
    return found is not None and int(found[1]) == have and (size is None or found[2] in ("*", str(size)))


def _is_finished(path: Path, file: DumpFile) -> bool:
    if not path.is_file() or file.size_bytes not in (None, path.stat().st_size):
        return False
    return _checksum(path, file.algorithm) == file.checksum


def _checksum(path: Path, algorithm: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()


def _check_room(folder: Path, files: Sequence[DumpFile]) -> None:
    needed = sum(max(0, (file.size_bytes or 0) - Partial(folder / file.name, file).size_bytes()) for file in files)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise UserError(
            f"not enough room: {needed / 1e9:,.1f} GB are still to come, {free / 1e9:,.1f} GB are free",
            where=folder,
            fix="make room, give another --folder, or fewer parts with --part",
        )
