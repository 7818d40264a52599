"""The bytes of a dump: decompressed, as UTF-8, whole or from one of its splits; truncation is an error."""

from __future__ import annotations

import bz2
import codecs
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from cofee_dist.errors import UserError

_READ_BYTES = 2**18
_STREAM_MAGIC = re.compile(rb"BZh[1-9]1AY&SY")
_MAGIC_BYTES = 10
_XML_ENCODING = re.compile(rb"""^\s*<\?xml[^>]*?encoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
_UNICODE_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (b"<\x00?\x00", "utf-16-le"),
    (b"\x00<\x00?", "utf-16-be"),
)
_FETCH_AGAIN = "fetch the dump again and compare its checksum with the one that is published beside it"


@dataclass(frozen=True, slots=True)
class Split:
    """The bytes ``start`` to ``end`` of a dump's file; a page belongs to the split in which its tag begins."""

    path: str
    start: int
    end: int


def check_dump(path: str | Path) -> Path:
    """The path of a dump that is there and not empty, or a UserError."""
    path = Path(path)
    if not path.is_file():
        what = "the dump is a folder, not a file" if path.is_dir() else "the dump does not exist"
        raise UserError(what, where=path, fix="set corpus.dumps to *-pages-articles*.xml.bz2 files")
    if path.stat().st_size == 0:
        raise UserError("the dump is an empty file", where=path, fix=_FETCH_AGAIN)
    return path


def splits(path: str | Path, split_bytes: int) -> list[Split]:
    """Cut a dump into parts of at least ``split_bytes`` that can be read apart.

    Multistream bz2 is cut where a stream begins, plain UTF-8 XML anywhere. A bz2 file of one stream, gzip, and
    XML in another encoding stay whole: they can only be read from their beginning.
    """
    path = check_dump(path)
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(1024)
        kind = _compression(head)
        if kind == "bz2":
            starts = _stream_starts(file, size, split_bytes)
        elif kind == "plain" and _encoding(head) == "utf-8":
            starts = list(range(0, size, split_bytes))
        else:
            starts = [0]
    return [Split(str(path), start, end) for start, end in zip(starts, [*starts[1:], size], strict=True)]


def utf8_chunks(split: Split) -> Iterator[tuple[bytes, bool]]:
    """Yield (chunk, inside): UTF-8 of the split, then (inside is False) of what follows it to the file's end.

    What follows is there to finish the split's last page: readers stop asking once they have it.

    Raises:
        UserError: for compressed data that end early or are damaged, and for text in another encoding than declared.
    """
    with open(split.path, "rb") as file:
        head = file.read(1024)
        kind = _compression(head)
        if kind == "plain":
            encoding = _encoding(head) if split.start == 0 else "utf-8"
            yield from _recoded(_plain(file, split), encoding, split.path)
            return
        chunks = _bz2(file, split) if kind == "bz2" else _gzip(file, split)
        first = next(chunks, (b"", True))
        encoding = _encoding(first[0]) if split.start == 0 else "utf-8"
        yield from _recoded(_with_first(first, chunks), encoding, split.path)


def _with_first(first: tuple[bytes, bool], rest: Iterator[tuple[bytes, bool]]) -> Iterator[tuple[bytes, bool]]:
    yield first
    yield from rest


def _compression(head: bytes) -> str:
    if head.startswith(b"BZh"):
        return "bz2"
    return "gzip" if head.startswith(b"\x1f\x8b") else "plain"


def _encoding(head: bytes) -> str:
    """The encoding by byte order mark, else by the XML declaration, else UTF-8."""
    for mark, encoding in _UNICODE_MARKS:
        if head.startswith(mark):
            return encoding
    declared = _XML_ENCODING.match(head)
    return declared[1].decode("ascii").lower() if declared else "utf-8"


def _recoded(chunks: Iterator[tuple[bytes, bool]], encoding: str, path: str) -> Iterator[tuple[bytes, bool]]:
    if encoding in ("utf-8", "utf8", "us-ascii"):
        yield from chunks
        return
    try:
        decoder = codecs.getincrementaldecoder(encoding)()
        for chunk, inside in chunks:
            yield decoder.decode(chunk).encode("utf-8"), inside
        yield decoder.decode(b"", final=True).encode("utf-8"), True
    except (LookupError, UnicodeError) as error:
        raise UserError(
            f"the dump is not in the encoding that it declares: {error}", where=path, fix=_FETCH_AGAIN
        ) from error


def _plain(file: BinaryIO, split: Split) -> Iterator[tuple[bytes, bool]]:
    file.seek(split.start)
    left = split.end - split.start
    while left > 0 and (chunk := file.read(min(left, _READ_BYTES))):
        left -= len(chunk)
        yield chunk, True
    while chunk := file.read(_READ_BYTES):
        yield chunk, False


def _bz2(file: BinaryIO, split: Split) -> Iterator[tuple[bytes, bool]]:
    """Every stream from the split's start on; a stream is inside if it begins before the split's end."""
    file.seek(split.start)
    at = split.start
    data = b""
    inside = True
    decompressor = bz2.BZ2Decompressor()
    fresh = True
    while True:
        if not data:
            data = file.read(_READ_BYTES)
            if not data:
                break
        if fresh:
            inside = at < split.end
            fresh = False
        try:
            out = decompressor.decompress(data)
        except OSError as error:
            raise UserError(
                f"the dump's bz2 data are damaged near byte {at:,}", where=split.path, fix=_FETCH_AGAIN
            ) from error
        rest = decompressor.unused_data
        at += len(data) - len(rest)
        data = rest
        if out:
            yield out, inside
        if decompressor.eof:
            decompressor, fresh = bz2.BZ2Decompressor(), True
    if not fresh:
        raise UserError(
            f"the dump is truncated: its bz2 data end early, at byte {at:,}", where=split.path, fix=_FETCH_AGAIN
        )


def _gzip(file: BinaryIO, split: Split) -> Iterator[tuple[bytes, bool]]:
    file.seek(0)
    decompressor = zlib.decompressobj(wbits=31)
    try:
        while data := file.read(_READ_BYTES):
            while data:
                yield decompressor.decompress(data), True
                data = decompressor.unused_data
                if decompressor.eof and data:
                    decompressor = zlib.decompressobj(wbits=31)
    except zlib.error as error:
        raise UserError(f"the dump's gzip data are damaged ({error})", where=split.path, fix=_FETCH_AGAIN) from error
    if not decompressor.eof:
        raise UserError("the dump is truncated: its gzip data end early", where=split.path, fix=_FETCH_AGAIN)


def _stream_starts(file: BinaryIO, size: int, split_bytes: int) -> list[int]:
    """Where streams begin, the first one after each multiple of ``split_bytes``; no byte is read twice."""
    starts = [0]
    while (start := _next_stream(file, starts[-1] + split_bytes, size)) is not None:
        starts.append(start)
    return starts


def _next_stream(file: BinaryIO, at: int, size: int) -> int | None:
    while at < size:
        file.seek(at)
        window = file.read(_READ_BYTES + _MAGIC_BYTES - 1)
        for found in _STREAM_MAGIC.finditer(window):
            if _begins_stream(file, at + found.start()):
                return at + found.start()
        at += _READ_BYTES
    return None


def _begins_stream(file: BinaryIO, at: int) -> bool:
    """Whether bz2 data begin here: ten bytes of magic can occur by chance in compressed data."""
    decompressor = bz2.BZ2Decompressor()
    file.seek(at)
    try:
        # A block holds at most 900 kB of text, whose checksum bzip2 verifies when it comes to its end.
        while not decompressor.eof and (data := file.read(_READ_BYTES)):
            if decompressor.decompress(data):
                return True
    except OSError:
        return False
    return decompressor.eof
