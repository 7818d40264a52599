"""The blocks of a bz2 file: found by their magic at any bit, decoded one by one, damage stepped over.

bzip2 packs up to 900 kB of text into a block that needs none of the others. A block begins with 48 fixed bits, at any
bit of a byte, and ends where the next block or the stream's end begins. To read one, its bits are shifted to a byte's
edge and dressed as a stream of one block, as bzip2recover does; the block's own checksum says whether it is whole. So
any byte of the file can be a place to cut: nobody has to decompress what lies before it, or even to look for blocks.
Looking for the magic costs a few per cent of what decompressing does.
"""

from __future__ import annotations

import bz2
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

_BLOCK, _STREAM_END = 0x314159265359, 0x177245385090
_MAGIC_BITS = 48
_MAGIC_BYTES = 7  # that 48 bits can touch
_STREAM_HEAD_BITS = 32  # "BZh9"
_STREAM_END_BITS = _MAGIC_BITS + 32  # the stream's checksum follows
_READ_BYTES = 2**18
_MAX_BLOCK_BITS = 8 * 2**20  # a block of 900 kB that cannot be packed grows by a hundredth
#: A magic inside a block by chance (once in 2^48 bits) does not end it: the next one is tried.
_ENDS_TRIED = 3
#: A block's text is handed on in parts of this size. 900 kB of runs of one byte can stand for 46 MB: bzip2 shortens
#: runs before it packs.
_TEXT_BYTES = 2 * 2**20


@dataclass(frozen=True, slots=True)
class Block:
    """The text of a block, or a part of it; the block's first bit lies in byte ``start`` of the file."""

    start: int
    text: bytes


@dataclass(frozen=True, slots=True)
class Damage:
    """The bytes ``start`` to ``end`` of the file hold nothing that can be used, and why."""

    start: int
    end: int
    why: str = "cannot be decoded"


@dataclass(slots=True)
class Runs:
    """Whether blocks of runs are passed over as damage: those of more than ``most`` times their size."""

    most: int | None = None


class EndsEarly(Exception):
    """The file does not end with the end of a stream."""


def read_blocks(
    file: BinaryIO, start: int, end: int, size: int, runs: Runs | None = None, keep_truncated: bool = False
) -> Iterator[Block | Damage]:
    """Every whole block from the first that begins in the bytes ``start`` to ``end``, on to the end of the file.

    Nothing, where none begins there. Damage is told behind the block that it follows; damage before the file's first
    whole block belongs to ``start`` 0. ``runs`` may be set while blocks are read.

    Raises:
        EndsEarly: at the end of a file that was cut off; with ``keep_truncated`` that is damage like any other.
    """
    magics = _Magics(file, start, runs or Runs())
    # The bit at which a magic must come next, once that is known, and the byte behind what is whole.
    expected, whole = (_STREAM_HEAD_BITS, 0) if start == 0 else (None, start)
    while (magic := magics.first(end if expected is None else size)) is not None:
        decoded = magics.decode_first() if magic.is_block else None
        if decoded is not None:
            if expected is not None and magic.bit != expected:
                yield Damage(whole, magic.bit // 8)
            texts, expected = decoded
            for text in texts:
                yield Block(magic.bit // 8, text)
            whole = expected // 8
            magics.drop_before(expected)
            continue
        if not magic.is_block and magic.bit == expected:
            whole = -(-(magic.bit + _STREAM_END_BITS) // 8)
            expected = 8 * whole + _STREAM_HEAD_BITS
        magics.drop()
    if whole == size or (expected is None and end < size):
        return
    if not keep_truncated and not ends_with_stream(_tail(file, size)):
        raise EndsEarly
    if expected is not None:
        yield Damage(whole, size)


def ends_with_stream(tail: bytes) -> bool:
    """Whether a file's last bytes (eleven suffice) are the end of a bz2 stream."""
    bits = int.from_bytes(tail[-11:], "big")
    return any(bits >> (32 + pad) & (1 << _MAGIC_BITS) - 1 == _STREAM_END for pad in range(8))


def _tail(file: BinaryIO, size: int) -> bytes:
    file.seek(max(0, size - 11))
    return file.read(11)


@dataclass(frozen=True, slots=True)
class _Magic:
    bit: int
    is_block: bool


class _Magics:
    """Places of the magics from a byte on, in order, with the bytes behind the first; reads no further than asked."""

    def __init__(self, file: BinaryIO, start: int, runs: Runs) -> None:
        file.seek(start)
        self._runs = runs
        self._file = file
        self._base = start  # of _data in the file
        self._data = b""
        self._searched = start  # magics that begin before this byte are found
        self._found: deque[_Magic] = deque()

    def first(self, before: int) -> _Magic | None:
        """The next magic that begins before a byte."""
        while not self._found and self._searched < before and self._read():
            pass
        return self._found[0] if self._found and self._found[0].bit < 8 * before else None

    def drop(self) -> None:
        self._found.popleft()

    def drop_before(self, bit: int) -> None:
        while self._found and self._found[0].bit < bit:
            self._found.popleft()

    def decode_first(self) -> tuple[Iterable[bytes], int] | None:
        """Text of the first magic's block and the bit at which it ends; None for one that is damaged or passed over."""
        start = self._found[0].bit
        for end in self._ends(start):
            at = start // 8 - self._base
            stream = one_block_stream(self._data[at : -(-end // 8) - self._base], start % 8, end - start)
            if self._runs.most is not None and _expands(stream, self._runs.most):
                return None
            texts = _texts(stream)
            try:
                first = next(texts)
                # What is handed on cannot be taken back: all is read up to its checksum before. Few have a second part.
                deque(texts, maxlen=0)
            except (OSError, EOFError):
                continue
            return ((first,) if len(first) < _TEXT_BYTES else _texts(stream)), end
        return None

    def _ends(self, start: int) -> Iterator[int]:
        for number in range(1, 1 + _ENDS_TRIED):
            while len(self._found) <= number and 8 * self._searched < start + _MAX_BLOCK_BITS and self._read():
                pass
            if len(self._found) <= number or self._found[number].bit > start + _MAX_BLOCK_BITS:
                return
            yield self._found[number].bit

    def _read(self) -> bool:
        kept = self._found[0].bit // 8 if self._found else self._searched
        chunk = self._file.read(_READ_BYTES)
        self._data = self._data[kept - self._base :] + chunk
        self._base = kept
        at = self._searched - self._base
        self._found += (_Magic(bit + 8 * self._searched, is_block) for bit, is_block in _search(self._data[at:]))
        self._searched = max(self._searched, self._base + len(self._data) - _MAGIC_BYTES + 1)
        return bool(chunk)


def _expands(stream: bytes, times: int) -> bool:
    """Whether a stream has more than so many times its size of text; no more of it is read."""
    try:
        return len(bz2.BZ2Decompressor().decompress(stream, times * len(stream) + 1)) > times * len(stream)
    except OSError:
        return False


def _texts(stream: bytes) -> Iterator[bytes]:
    """A stream's text in parts.

    Raises:
        OSError, EOFError: for a stream that is damaged or ends early.
    """
    decompressor = bz2.BZ2Decompressor()
    while not decompressor.eof:
        text = decompressor.decompress(stream, _TEXT_BYTES)
        stream = b""
        if decompressor.needs_input and not decompressor.eof:
            raise EOFError
        yield text


def one_block_stream(data: bytes, first: int, bits: int) -> bytes:
    """A bz2 stream of the one block whose ``bits`` bits begin at bit ``first`` of the data's first byte."""
    if first:
        wide = np.frombuffer(data + b"\0", np.uint8)
        data = ((wide[:-1] << first) | (wide[1:] >> (8 - first))).tobytes()
    whole, left = divmod(bits, 8)
    checksum = int.from_bytes(data[6:10], "big")  # of the block: that of a stream of one block is the same
    end = data[whole] >> (8 - left) if left else 0
    end = (end << _STREAM_END_BITS) | (_STREAM_END << 32) | checksum
    pad = -left % 8
    return b"BZh9" + data[:whole] + (end << pad).to_bytes((left + _STREAM_END_BITS + pad) // 8, "big")


def _places() -> dict[int, list[tuple[int, int]]]:
    """What bytes 1 and 2 of 7 look like when a magic begins at bit 0 to 7 of byte 0: they hold its bits alone."""
    places: dict[int, list[tuple[int, int]]] = {}
    for magic in (_BLOCK, _STREAM_END):
        for bit in range(8):
            pair = (magic << (8 - bit) >> 32) & 0xFFFF
            places.setdefault(pair, []).append((magic, bit))
    return places


_PLACES = _places()
_IS_PLACE = np.zeros(2**16, bool)
_IS_PLACE[[int.from_bytes(pair.to_bytes(2, "big"), "little") for pair in _PLACES]] = True


def _search(data: bytes) -> Iterator[tuple[int, bool]]:
    """(bit, whether a block begins there) of each magic that begins in a byte which at least six more follow."""
    windows = len(data) - _MAGIC_BYTES + 1
    if windows <= 0:
        return
    even, odd = (np.frombuffer(data, "<u2", (windows + 1 - at) // 2, 1 + at) for at in (0, 1))
    hits = [2 * np.flatnonzero(_IS_PLACE[even]), 2 * np.flatnonzero(_IS_PLACE[odd]) + 1]
    for byte in np.sort(np.concatenate(hits)).tolist():
        window = int.from_bytes(data[byte : byte + _MAGIC_BYTES], "big")
        for magic, bit in _PLACES[window >> 32 & 0xFFFF]:
            if window >> (8 - bit) & (1 << _MAGIC_BITS) - 1 == magic:
                yield 8 * byte + bit, magic == _BLOCK
