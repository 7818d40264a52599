"""The lines of a word list: decompressed and decoded as they are asked for."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from typing import IO, cast

from cofee_dist.errors import UserError

_BLOCK_CHARACTERS = 2**14


def read_lines(path: str, encoding: str) -> Iterator[str]:
    r"""Yield lines that end in \n, \r\n or \r, with a \n; a byte order mark is left out.

    Raises UserError for a file that cannot be read, is damaged, or is not text in this encoding.
    """
    for block in read_line_blocks(path, encoding):
        for line in block:
            yield line + "\n"


def read_line_blocks(path: str, encoding: str) -> Iterator[list[str]]:
    """``read_lines``, some hundred lines at a time and without their ends: much faster where lines are short."""
    decoding = "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding
    try:
        # Not splitlines(): it would also cut at rare separators that normalisation reads as spaces.
        with _opened(path) as data, io.TextIOWrapper(data, encoding=decoding) as text:
            rest, number = text.read(1).removeprefix("\ufeff"), 1
            while block := text.read(_BLOCK_CHARACTERS):
                *lines, rest = (rest + block).split("\n")
                if "\0" in block:
                    place = next((at for at, line in enumerate(lines) if "\0" in line), len(lines))
                    raise _not_text(f"{path}:{number + place}", encoding)
                number += len(lines)
                yield lines
            if "\0" in rest:
                raise _not_text(f"{path}:{number}", encoding)
            if rest:
                yield [rest]
    except UnicodeError as error:
        raise _undecodable(path, encoding, decoding, error) from error
    except (OSError, EOFError, zlib.error) as error:
        raise _unreadable(path, error) from error


def _opened(path: str) -> IO[bytes]:
    if path.lower().endswith(".gz"):
        return cast(IO[bytes], gzip.open(path))
    return bz2.open(path) if path.lower().endswith(".bz2") else open(path, "rb")


def _unreadable(path: str, error: Exception) -> UserError:
    if isinstance(error, OSError) and error.strerror:
        return UserError(
            f"cannot read the gazetteer: {error.strerror}",
            where=path,
            fix="correct the path in task.types.<type>.gazetteers (relative paths start at the working folder)",
        )
    return UserError(
        f"the gazetteer's compressed data are damaged or end early ({error})",
        where=path,
        fix="compress or fetch it again; only names of compressed files may end in .gz or .bz2",
    )


def _undecodable(path: str, encoding: str, decoding: str, error: UnicodeError) -> UserError:
    """Read the file once more, as a whole, to find the line: a decoder of blocks does not know it."""
    try:
        with _opened(path) as file:
            data = file.read()
        data.decode(decoding)
    except UnicodeDecodeError as found:
        # The decoder may count from after the byte order mark.
        before = found.object[: found.start].decode(decoding, errors="ignore")
        line = before.replace("\r\n", "\n").replace("\r", "\n").count("\n") + 1
        if b"\0" in data and decoding == "utf-8-sig":
            return _not_text(f"{path}:{line}", encoding)
        byte = found.object[found.start : found.start + 1].hex()
        return UserError(
            f"the gazetteer is not {encoding.upper()} (byte 0x{byte})", where=f"{path}:{line}", fix=_NAME_IT
        )
    except (OSError, EOFError, zlib.error) as damage:
        return _unreadable(path, damage)
    return UserError(f"the gazetteer is not {encoding.upper()} ({error})", where=path, fix=_NAME_IT)


def _not_text(where: str, encoding: str) -> UserError:
    return UserError(f"the gazetteer is not {encoding.upper()} text (it holds zero bytes)", where=where, fix=_NAME_IT)


_NAME_IT = "save it as UTF-8, or name its encoding: {path: …, encoding: gb18030}, or big5, utf-16-le, cp1252, …"
