"""Where a dump is cut into parts that are read apart."""

from __future__ import annotations

import bz2
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from cofee_dist.corpus.bz2_blocks import ends_with_stream
from cofee_dist.corpus.dump_location import dump_exists, dump_size, open_dump, read_range
from cofee_dist.corpus.streams import HEAD_BYTES, Split, compression, is_utf8, truncated, utf8_pieces
from cofee_dist.errors import UserError

_STREAM_MAGIC = b"1AY&SY"
_STREAM_MAGIC_AT = 4  # behind "BZh9"
_TAIL_BYTES = 11
_CHUNK_BYTES = 2**20
#: A few seconds. Cuts between streams save a split one block at its end, less than a bigger index costs.
_MAX_INDEX_BYTES = 32 * 2**20


def splits(path: str | Path, split_bytes: int, keep_truncated: bool = False) -> list[Split]:
    """Cut a dump into parts of about ``split_bytes``.

    UTF-8 is cut anywhere, be it plain XML or bz2 of one stream or many: whoever reads a split finds the first block
    that begins in it. So the file's first block and its last bytes are all that is read here, whatever its size; that
    it was cut off is told here, unless ``keep_truncated``. Where the index of a multistream dump lies beside it and is
    not too long, cuts are where streams begin. gzip, and XML in another encoding, stay whole: they can only be read
    from their beginning.
    """
    size, path = dump_size(path), str(path)
    head = read_range(path, 0, HEAD_BYTES)
    kind = compression(head)
    if (
        kind == "bz2"
        and not keep_truncated
        and not ends_with_stream(read_range(path, max(0, size - _TAIL_BYTES), size))
    ):
        raise truncated(path, f"its bz2 data end early, at byte {size:,}")
    starts = [0]
    if kind != "gzip" and is_utf8(head if kind == "plain" else _first_text(path, size)):
        streams = _indexed_streams(path, size, split_bytes) if kind == "bz2" and size > split_bytes else [0]
        starts = [cut for start, end in pairwise([*streams, size]) for cut in _cuts(start, end, split_bytes)]
    return [Split(path, start, end) for start, end in pairwise([*starts, size])]


def _cuts(start: int, end: int, split_bytes: int) -> list[int]:
    """Where parts of equal size begin."""
    parts = max(1, round((end - start) / split_bytes))
    return [start + (end - start) * part // parts for part in range(parts)]


def _first_text(path: str, size: int) -> bytes:
    return next((piece.text for piece in utf8_pieces(Split(path, 0, size))), b"")


def _indexed_streams(path: str, size: int, split_bytes: int) -> list[int]:
    """0, and by the index beside the dump where streams begin, ``split_bytes`` apart or more; 0 alone if none fits."""
    folder, slash, name = path.rpartition("/")
    index = folder + slash + name.replace("-multistream", "-multistream-index", 1).replace(".xml", ".txt", 1)
    if "-multistream" not in name or not dump_exists(index):
        return [0]
    try:
        if dump_size(index) > _MAX_INDEX_BYTES:
            return [0]
        starts = [0, *_offsets(index, split_bytes)]
    except (UserError, OSError, EOFError, ValueError):
        return [0]
    return starts if starts[-1] < size and all(_begins_stream(path, start) for start in starts) else [0]


def _offsets(index: str, split_bytes: int) -> Iterator[int]:
    """The first offset at each ``split_bytes`` from the one before; lines are ``offset:page:title``, in order."""
    wanted = split_bytes
    with open_dump(index) as packed, bz2.open(packed) as file:
        while lines := file.read(_CHUNK_BYTES) + file.readline():
            last = lines[lines.rfind(b"\n", 0, -1) + 1 :]
            if int(last.partition(b":")[0]) < wanted:
                continue
            for line in lines.splitlines():
                if (offset := int(line.partition(b":")[0])) >= wanted:
                    yield offset
                    wanted = offset + split_bytes


def _begins_stream(path: str, start: int) -> bool:
    head = read_range(path, start, start + _STREAM_MAGIC_AT + len(_STREAM_MAGIC))
    return compression(head) == "bz2" and head.endswith(_STREAM_MAGIC)
