"""Blocks of bz2 files against ``bz2`` itself, magics by chance, damage and what follows it."""

from __future__ import annotations

import bz2
import io
import random

import pytest

from cofee_dist.corpus.bz2_blocks import Block, Damage, EndsEarly, ends_with_stream, read_blocks


def noise(size: int, seed: int) -> bytes:
    """Text of few letters in no order: it packs to about half."""
    return bytes(random.Random(seed).choices(b"abcdefgh <>\n", k=size))


def read(data: bytes, start: int = 0, end: int | None = None) -> list[Block | Damage]:
    return list(read_blocks(io.BytesIO(data), start, len(data) if end is None else end, len(data)))


def text(found: list[Block | Damage]) -> bytes:
    return b"".join(block.text for block in found if isinstance(block, Block))


FILES = {
    "one block": bz2.compress(noise(5_000, 1)),
    "several blocks": bz2.compress(noise(350_000, 2), compresslevel=1),
    "blocks of the largest size": bz2.compress(random.Random(3).randbytes(2_000_000)),
    "one byte, often": bz2.compress(b"a" * 5_000_000),
    "streams": b"".join(bz2.compress(noise(size, size)) for size in (1, 90, 4_000, 7, 20_000)),
    "streams of several blocks": bz2.compress(noise(250_000, 4), 1) + bz2.compress(noise(150_000, 5), 1),
    "an empty stream between": bz2.compress(b"x") + bz2.compress(b"") + bz2.compress(b"y") + bz2.compress(b""),
    "an empty stream alone": bz2.compress(b""),
}


@pytest.mark.parametrize("name", FILES)
def test_blocks_are_what_bz2_reads(name: str) -> None:
    found = read(FILES[name])
    assert all(isinstance(block, Block) for block in found)
    assert text(found) == bz2.decompress(FILES[name])
    assert ends_with_stream(FILES[name][-11:])


@pytest.mark.parametrize("name", FILES)
def test_reading_from_anywhere_gives_the_blocks_that_begin_behind_it(name: str) -> None:
    data = FILES[name]
    whole = [block for block in read(data) if isinstance(block, Block)]
    near = {block.start + by for block in whole for by in (-1, 0, 1)} - {-1}
    for start in sorted(near | {1, len(data) // 2, len(data) - 1}):
        behind = [block for block in whole if block.start >= start]
        if behind:
            assert read(data, start) == behind
            assert read(data, start, behind[0].start) == []
        else:
            assert read(data, start) == []


def used_bytes_that_spell(magic: int) -> bytes:
    """Bytes whose map in a block's head, 16 bits for each high nibble, is the magic: it is copied there as it is."""
    rows = (magic >> 32, magic >> 16 & 0xFFFF, magic & 0xFFFF)
    return bytes(16 * (8 + row) + low for row, bits in enumerate(rows) for low in range(16) if bits >> (15 - low) & 1)


@pytest.mark.parametrize("magic", [0x314159265359, 0x177245385090])
def test_a_magic_by_chance_inside_a_block_is_none(magic: int) -> None:
    content = (used_bytes_that_spell(magic) + b"<page>") * 50
    data = bz2.compress(content) + bz2.compress(b"more")
    bits = int.from_bytes(data, "big")
    assert sum(bits >> at & (1 << 48) - 1 == magic for at in range(8 * len(data))) == 3
    found = read(data)
    assert text(found) == content + b"more"
    assert len(found) == 2
    for start in range(5, len(data)):
        assert read(data, start) in ([found[1]], [])


def test_a_damaged_block_costs_itself() -> None:
    texts = [noise(30_000, seed) for seed in range(4)]
    streams = [bz2.compress(part) for part in texts]
    hurt = bytearray(streams[1])
    hurt[len(hurt) // 2] ^= 0x10
    data = b"".join([streams[0], hurt, *streams[2:]])
    first, damage, *rest = read(data)
    assert isinstance(damage, Damage)
    assert text([first, *rest]) == texts[0] + texts[2] + texts[3]
    third = len(streams[0]) + len(hurt)
    assert (damage.start, damage.end) == (len(streams[0]), third + 4)
    # Whoever begins inside the damage or behind it does not tell it.
    assert read(data, len(streams[0]) + 5) == rest


def test_damage_at_the_beginning_and_in_the_last_block() -> None:
    one, two = bz2.compress(noise(9_000, 1)), bz2.compress(noise(9_000, 2))
    hurt_one, hurt_two = bytearray(one), bytearray(two)
    hurt_one[500] ^= 1
    hurt_two[500] ^= 1
    first, block = read(bytes(hurt_one) + two)
    assert first == Damage(0, len(one) + 4)
    assert isinstance(block, Block)
    assert read(one + bytes(hurt_two))[1:] == [Damage(len(one), len(one) + len(two))]


def test_bytes_between_streams_are_damage() -> None:
    one, two = bz2.compress(b"one"), bz2.compress(b"two")
    found = read(one + bytes(100) + two)
    assert text(found) == b"onetwo"
    assert found[1] == Damage(len(one), len(one) + 104)


def test_a_hole_is_not_searched_by_those_who_begin_in_it() -> None:
    one, two = bz2.compress(b"one"), bz2.compress(b"two")
    data = one + bytes(3 * 2**20) + two
    file = io.BytesIO(data)
    assert list(read_blocks(file, 1000, 2000, len(data))) == []
    assert file.tell() <= 1000 + 2**18


def test_every_cut_ends_early() -> None:
    data = b"".join(bz2.compress(noise(300, seed)) for seed in range(2))
    for size in range(1, len(data)):
        cut = data[:size]
        if size == len(data) // 2 and ends_with_stream(cut):
            continue
        if ends_with_stream(cut):
            assert bz2.decompress(cut)
            continue
        with pytest.raises(EndsEarly):
            read(cut)
