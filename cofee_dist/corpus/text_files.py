"""Files of domain text, plain or JSONL: cut into pieces that are read apart, read as texts with stable ids."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from cofee_dist.corpus.dump_location import TEXT, dump_size, is_url, one_name, open_dump
from cofee_dist.errors import UserError

_BOM = "\ufeff"
_PACKED = (".gz", ".bz2")
_JSONL = (".jsonl", ".ndjson")
_SURROGATES = re.compile("[\ud800-\udfff]")
_HEAD_BYTES = 2**20
_BLOCK_BYTES = 2**20
#: More bytes than a file of text has.
_IDS_A_FILE = 10**12
_A_LINE = 'a line is {"text": "…"}; the name of a file of plain text must not end in .jsonl or .ndjson'


@dataclass(frozen=True)
class TextPiece:
    """The lines of a file that begin in the bytes ``start`` to ``end`` (of what is in it, if it is compressed).

    ``number`` is the file's place in ``corpus.texts``; ``end`` is None at the end of a file.
    """

    path: str
    number: int
    start: int = 0
    end: int | None = None


def text_parcels(paths: Sequence[str], parcel_bytes: int) -> list[list[TextPiece]]:
    """Cut large files and put small ones together, for about ``parcel_bytes`` each; compressed files stay whole."""
    parcels: list[list[TextPiece]] = []
    filled = parcel_bytes
    for number, path in enumerate(paths):
        size = dump_size(path, TEXT)
        cuts = 1 if _is_packed(path) else max(1, round(size / parcel_bytes))
        starts = [size * cut // cuts for cut in range(cuts)]
        for start, end in zip(starts, [*starts[1:], None], strict=True):
            if filled + size // cuts > parcel_bytes:
                parcels.append([])
                filled = 0
            parcels[-1].append(TextPiece(path, number, start, end))
            filled += size // cuts
    return parcels


def read_texts(piece: TextPiece) -> Iterator[tuple[int, str]]:
    """Id and text of each line that begins in the piece; a blank line's text is empty.

    The id tells the file by its place and the line by the byte at which it begins, so it does not depend on how files
    were cut, and a compressed file has the ids of what is in it.

    Raises UserError, naming file and line, for one that is not UTF-8 or, of JSONL, has no text.
    """
    jsonl = Path(_unpacked(piece.path)).suffix in _JSONL
    for at, line in _lines(piece):
        try:
            text = line.decode("utf-8").strip()
            if at == 0:
                text = text.removeprefix(_BOM)
            if jsonl and text:
                text = _text_of(text)
        except (ValueError, RecursionError) as error:
            where = f"{piece.path}:{_line_number(piece.path, at)}"
            if isinstance(error, UnicodeDecodeError):
                fix = "convert the file to UTF-8 (iconv -t utf-8)"
                raise UserError(f"the text is not UTF-8 ({error.reason})", where=where, fix=fix) from error
            raise UserError(_told(error), where=where, fix=_A_LINE) from error
        yield piece.number * _IDS_A_FILE + at, text


def check_texts(paths: Sequence[str]) -> None:
    """Open each file and read its first lines.

    Raises UserError for one that is given twice, is missing, is empty, or begins with a line that cannot be read.
    """
    repeated = [path for path, times in Counter(map(one_name, paths)).items() if times > 1]
    if repeated:
        raise UserError("a text is given twice", where=", ".join(repeated), fix="list each file once in corpus.texts")
    for path in paths:
        dump_size(path, TEXT)
        for _ in read_texts(TextPiece(path, 0, 0, _HEAD_BYTES)):
            pass


def _lines(piece: TextPiece) -> Iterator[tuple[int, bytes]]:
    """Each line with the byte at which it begins."""
    try:
        with _opened(piece.path) as file:
            at = 0
            if piece.start:
                # From the byte before: a line that begins at the cut is this piece's.
                at = file.seek(piece.start - 1)
                at += len(file.readline())
            while (piece.end is None or at < piece.end) and (line := file.readline()):
                yield at, line
                at += len(line)
    except (OSError, EOFError, zlib.error) as error:
        raise _unreadable(piece.path, error) from error


@contextmanager
def _opened(path: str) -> Iterator[IO[bytes]]:
    with ExitStack() as stack:
        file: Any = stack.enter_context(open_dump(path, _BLOCK_BYTES, TEXT))
        if path.lower().endswith(".gz"):
            file = stack.enter_context(gzip.open(file))
        elif path.lower().endswith(".bz2"):
            file = stack.enter_context(bz2.open(file))
        elif is_url(path):
            # fsspec's own files look for a line's end slowly.
            file = stack.enter_context(io.BufferedReader(file, _BLOCK_BYTES))
        yield file


def _line_number(path: str, at: int) -> int:
    """The number, from 1, of the line that begins at a byte."""
    return 1 + sum(1 for _ in _lines(TextPiece(path, 0, 0, at)))


def _text_of(line: str) -> str:
    """The text of a line of JSONL; raises ValueError with what is wrong with it."""
    record = json.loads(line)
    if not isinstance(record, dict):
        raise ValueError("the line is JSON, but not an object")
    if not isinstance(record.get("text"), str):
        fields = ", ".join(map(repr, record)) or "none"
        raise ValueError(f"the line has no 'text' that is a string (its fields: {fields:.200})")
    # JSON can escape half of a character; no text has it.
    return _SURROGATES.sub("\ufffd", record["text"]).strip()


def _told(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError | RecursionError):
        return f"not valid JSON ({error})"
    return str(error)


def _unreadable(path: str, error: Exception) -> UserError:
    if isinstance(error, OSError) and error.strerror:
        return UserError(f"cannot read the text: {error.strerror}", where=path, fix=TEXT.name_it)
    return UserError(
        f"the text's compressed data are damaged or end early ({error})",
        where=path,
        fix="compress or fetch it again; only names of compressed files may end in .gz or .bz2",
    )


def _is_packed(path: str) -> bool:
    return path.lower().endswith(_PACKED)


def _unpacked(path: str) -> str:
    name = path.lower()
    return name.removesuffix(".gz").removesuffix(".bz2")
