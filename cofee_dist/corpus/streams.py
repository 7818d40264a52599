"""The bytes of a split of a dump: decompressed, as UTF-8, with what is damaged told in its place."""

from __future__ import annotations

import codecs
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO, Literal

from cofee_dist.corpus.bz2_blocks import Damage, EndsEarly, Runs, read_blocks
from cofee_dist.corpus.dump_location import FETCH_AGAIN, dump_size, open_dump, read_range
from cofee_dist.errors import UserError

_READ_BYTES = 2**18
HEAD_BYTES = 1024
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
_UTF8 = ("utf-8", "utf8", "us-ascii")

#: Wikitext packs to a sixth, and hardly to a hundredth: a file that gives a thousand times its size is no dump but a
#: trap. The first text is free, since little text can be of one letter.
_MAX_EXPANSION, _FREE_BYTES = 1000, 256 * 2**20
_EXPANDS = f"expand to more than {_MAX_EXPANSION:,} times their size"
_PIECE_BYTES = 2 * 2**20


@dataclass(frozen=True, slots=True)
class Split:
    """The bytes ``start`` to ``end`` of a dump's file; a page belongs to the split in which its tag begins.

    Of bz2, a tag begins where the block that holds its first character does.
    """

    path: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Piece:
    """UTF-8 of a split (``inside``) or of what follows it; or, without text, a damaged place between two pieces."""

    text: bytes
    inside: bool = True
    damage: Damage | None = None


def utf8_pieces(split: Split, keep_truncated: bool = False) -> Iterator[Piece]:
    """The split's text, then what follows it to the file's end.

    What follows is there to finish the split's last page: readers stop asking once they have it. Pieces are of a few
    MiB at most, however well they are packed. Where a split expands without bound, blocks of bz2 that do, and the rest
    of gzip, are told as damage.

    Raises:
        UserError: for compressed data that end early, unless ``keep_truncated``, for gzip that is damaged (bz2 goes on
            behind the damage), and for text in another encoding than declared.
    """
    kind = compression(read_range(split.path, 0, HEAD_BYTES))
    with open_dump(split.path) as file:
        pieces = {"plain": _plain, "bz2": _bz2, "gzip": _gzip}[kind](file, split, keep_truncated)
        if split.start:  # only UTF-8 is cut
            yield from pieces
            return
        first = next(pieces, Piece(b""))
        yield from _recoded(_with_first(first, pieces), encoding(first.text), split.path)


def compression(head: bytes) -> Literal["plain", "bz2", "gzip"]:
    """How a file is packed, by its first bytes."""
    if head.startswith(b"BZh"):
        return "bz2"
    return "gzip" if head.startswith(b"\x1f\x8b") else "plain"


def encoding(text: bytes) -> str:
    """The encoding of XML by byte order mark, else by its declaration, else UTF-8."""
    for mark, name in _UNICODE_MARKS:
        if text.startswith(mark):
            return name
    declared = _XML_ENCODING.match(text)
    return declared[1].decode("ascii").lower() if declared else "utf-8"


def is_utf8(text: bytes) -> bool:
    """Whether text that begins so can be read from its middle, as UTF-8."""
    return encoding(text) in _UTF8


def truncated(path: str, what: str) -> UserError:
    """What is said of a dump that ends early, wherever that is noticed."""
    fix = f"{FETCH_AGAIN}; or take the pages that are there with corpus.truncated_dumps=keep"
    return UserError(f"the dump is truncated: {what}", where=path, fix=fix)


def damaged(path: str, damage: Damage) -> UserError:
    """What is said of damage that cannot be stepped over."""
    what = f"the dump's bz2 data are damaged: bytes {damage.start:,} to {damage.end:,} cannot be decoded"
    return UserError(what, where=path, fix=FETCH_AGAIN)


def _with_first(first: Piece, rest: Iterator[Piece]) -> Iterator[Piece]:
    yield first
    yield from rest


def _recoded(pieces: Iterator[Piece], name: str, path: str) -> Iterator[Piece]:
    if name in _UTF8:
        yield from pieces
        return
    try:
        "".encode(name)  # a codec from text to text, such as hex, is none
        decoder = codecs.getincrementaldecoder(name)()
        for piece in pieces:
            if piece.damage is not None:  # where characters begin behind it is not known
                raise damaged(path, piece.damage)
            yield Piece(decoder.decode(piece.text).encode("utf-8"), piece.inside)
        yield Piece(decoder.decode(b"", final=True).encode("utf-8"))
    except (LookupError, UnicodeError) as error:
        raise UserError(
            f"the dump is not in the encoding that it declares: {error}", where=path, fix=FETCH_AGAIN
        ) from error


def _plain(file: BinaryIO, split: Split, keep_truncated: bool) -> Iterator[Piece]:
    file.seek(split.start)
    left = split.end - split.start
    while left > 0 and (chunk := file.read(min(left, _READ_BYTES))):
        left -= len(chunk)
        yield Piece(chunk)
    while chunk := file.read(_READ_BYTES):
        yield Piece(chunk, inside=False)


def _bz2(file: BinaryIO, split: Split, keep_truncated: bool) -> Iterator[Piece]:
    """Every whole block from the split's start on; damage belongs to the split of the block before it."""
    inside, runs = True, Runs()
    size = dump_size(split.path)
    text_bytes = 0
    try:
        for found in read_blocks(file, split.start, split.end, size, runs, keep_truncated):
            if isinstance(found, Damage):
                yield Piece(b"", inside, replace(found, why=_EXPANDS) if runs.most else found)
                continue
            inside = found.start < split.end
            text_bytes += len(found.text)
            if _expands(text_bytes, found.start - split.start):
                runs.most = _MAX_EXPANSION
            yield Piece(found.text, inside)
    except EndsEarly as error:
        raise truncated(split.path, f"its bz2 data end early, at byte {size:,}") from error


def _expands(text_bytes: int, packed_bytes: int) -> bool:
    return text_bytes > _FREE_BYTES + _MAX_EXPANSION * packed_bytes


def _gzip(file: BinaryIO, split: Split, keep_truncated: bool) -> Iterator[Piece]:
    """The text from the file's beginning on.

    Damage is an error, wherever it is: gzip has one checksum, at its end, and decodes what is damaged to wrong text,
    so that nothing tells which pages lie before it.
    """
    file.seek(0)
    decompressor = zlib.decompressobj(wbits=31)
    text_bytes = 0
    try:
        while data := file.read(_READ_BYTES):
            while data:
                text = decompressor.decompress(data, _PIECE_BYTES)
                text_bytes += len(text)
                if _expands(text_bytes, file.tell()):
                    yield Piece(b"", damage=Damage(file.tell() - len(data), split.end, _EXPANDS))
                    return
                yield Piece(text)
                data = decompressor.unconsumed_tail or decompressor.unused_data
                if decompressor.eof and data:
                    decompressor = zlib.decompressobj(wbits=31)
        yield Piece(decompressor.flush())
    except zlib.error as error:
        raise UserError(f"the dump's gzip data are damaged ({error})", where=split.path, fix=FETCH_AGAIN) from error
    if not decompressor.eof and not keep_truncated:
        raise truncated(split.path, "its gzip data end early")
