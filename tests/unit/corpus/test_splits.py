"""Splits read = the whole read, page for page, wherever the cuts are and whatever is damaged."""

from __future__ import annotations

import bz2
import io
import random
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import fsspec
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from cofee_dist.corpus.bz2_blocks import Block, read_blocks
from cofee_dist.corpus.dump import BadPage, Page, Split, read_pages, read_site, splits
from cofee_dist.corpus.titles import SiteInfo
from cofee_dist.errors import UserError
from tests.unit.corpus.test_dump import HEAD, TAIL, page_xml, read

_UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
_TEXTS = st.lists(st.text("ab <>&\n😀é", max_size=60), max_size=12)
_WHOLE = 10**12


def wiki(texts: list[str]) -> bytes:
    return (HEAD + "".join(page_xml(number, text) for number, text in enumerate(texts)) + TAIL).encode()


def streams_of(data: bytes, cuts: list[int]) -> list[bytes]:
    """Streams cut anywhere, in the middle of a tag too, as pbzip2 cuts them."""
    edges = sorted({0, len(data), *(cut % len(data) for cut in cuts)})
    return [bz2.compress(data[a:b]) for a, b in pairwise(edges)]


def by_page(texts: list[str], pages_in_stream: int = 1) -> list[bytes]:
    """Streams as Wikipedia publishes them: head, some pages each, tail."""
    pages = [page_xml(number, text) for number, text in enumerate(texts)]
    groups = ["".join(pages[at : at + pages_in_stream]) for at in range(0, len(pages), pages_in_stream)]
    return [bz2.compress(part.encode()) for part in (HEAD, *groups, TAIL)]


def texts_of(pages: list[Page | BadPage]) -> list[str]:
    return [page.text for page in pages if isinstance(page, Page)]


def read_cut(path: Path, *cuts: int) -> list[Page | BadPage]:
    edges = [0, *cuts, path.stat().st_size]
    return [page for a, b in pairwise(edges) for page in read_pages(Split(str(path), a, b), SiteInfo())]


@given(_TEXTS, st.lists(st.integers(0, 10**6), max_size=8), st.integers(1, 4000))
@settings(_UNTIMED, max_examples=100)
def test_splits_of_a_multistream_file_equal_the_whole(
    tmp_path: Path, texts: list[str], cuts: list[int], split_bytes: int
) -> None:
    path = tmp_path / "d.xml.bz2"
    path.write_bytes(b"".join(streams_of(wiki(texts), cuts)))
    whole = read(path, _WHOLE)
    assert texts_of(whole) == texts
    assert read(path, split_bytes) == whole


@given(_TEXTS, st.integers(60, 3000))
@settings(_UNTIMED, max_examples=80)
def test_splits_of_plain_xml_equal_the_whole(tmp_path: Path, texts: list[str], split_bytes: int) -> None:
    path = tmp_path / "d.xml"
    path.write_bytes(wiki(texts))
    whole = read(path, _WHOLE)
    assert texts_of(whole) == texts
    assert read(path, split_bytes) == whole


@pytest.mark.parametrize("pack", [bytes, lambda data: b"".join(streams_of(data, [60, 700, 705, 1000, 1300]))])
def test_every_byte_as_a_boundary(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "d"
    path.write_bytes(pack(wiki(["a", "b", "c"])))
    whole = read_cut(path)
    assert texts_of(whole) == ["a", "b", "c"]
    for cut in range(1, path.stat().st_size):
        assert read_cut(path, cut) == whole


@pytest.fixture(scope="module")
def one_stream(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """One stream of several 100 kB blocks."""
    choose = random.Random(7)
    texts = ["".join(choose.choices("abcdefgh []\n", k=choose.randint(10, 9000))) for _ in range(55)]
    path = tmp_path_factory.mktemp("one") / "d.xml.bz2"
    path.write_bytes(bz2.compress(wiki(texts), compresslevel=1))
    return path, texts


@given(st.lists(st.floats(0, 1, exclude_max=True), max_size=3))
@settings(_UNTIMED, max_examples=25)
def test_splits_of_one_stream_equal_the_whole(one_stream: tuple[Path, list[str]], cuts: list[float]) -> None:
    path, texts = one_stream
    size = path.stat().st_size
    assert texts_of(read_cut(path, *sorted(int(cut * size) for cut in cuts))) == texts


def test_cuts_about_where_each_block_begins(one_stream: tuple[Path, list[str]]) -> None:
    path, texts = one_stream
    data = path.read_bytes()
    starts = [
        found.start for found in read_blocks(io.BytesIO(data), 0, len(data), len(data)) if isinstance(found, Block)
    ]
    assert len(starts) > 2
    for start in starts[1:]:
        for by in (-1, 0, 1):
            assert texts_of(read_cut(path, start + by)) == texts
    for by in (-1, 0, 1):
        assert texts_of(read_cut(path, *(start + by for start in starts[1:]))) == texts


def test_one_stream_is_read_in_parts(one_stream: tuple[Path, list[str]]) -> None:
    path, texts = one_stream
    cut = splits(path, path.stat().st_size // 3)
    counts = [len(list(read_pages(split, SiteInfo()))) for split in cut]
    assert len(cut) == 3
    assert all(counts)
    assert sum(counts) == len(texts)


@pytest.mark.parametrize(("size", "split_bytes"), [(1, 1), (10, 3), (100, 1000), (640, 64), (1000, 64), (95, 64)])
def test_splits_cover_the_file_and_are_alike(tmp_path: Path, size: int, split_bytes: int) -> None:
    path = tmp_path / "d.xml"
    path.write_bytes(b"x" * size)
    cut = splits(path, split_bytes)
    assert (cut[0].start, cut[-1].end) == (0, size)
    assert all(a.end == b.start for a, b in pairwise(cut))
    lengths = [split.end - split.start for split in cut]
    assert max(lengths) - min(lengths) <= 1
    assert len(cut) == max(1, round(size / split_bytes))


def test_what_cannot_be_cut_stays_whole(tmp_path: Path) -> None:
    xml = '<?xml version="1.0" encoding="utf-16"?>' + HEAD + page_xml(1, "a") + TAIL
    path = tmp_path / "d.bz2"
    path.write_bytes(b"".join(streams_of(xml.encode("utf-16"), [900, 1500])))
    assert len(splits(path, 100)) == 1
    assert len(read(path, 100)) == 1


def test_a_dump_that_was_cut_off_is_told_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "d.bz2"
    path.write_bytes(b"".join(by_page(["a" * 500] * 5))[:-30])
    with pytest.raises(UserError, match="truncated"):
        splits(path, 100)


# An index beside the dump


def indexed(folder: Path, texts: list[str], lines: Callable[[list[int]], list[int]] = lambda offsets: offsets) -> Path:
    streams = by_page(texts)
    path = folder / "xwiki-1-pages-articles-multistream.xml.bz2"
    path.write_bytes(b"".join(streams))
    offsets = [sum(map(len, streams[:number])) for number in range(1, len(streams) - 1)]
    listed = "".join(f"{offset}:{number}:Page {number}\n" for number, offset in enumerate(lines(offsets)))
    (folder / "xwiki-1-pages-articles-multistream-index.txt.bz2").write_bytes(bz2.compress(listed.encode()))
    return path


@given(st.lists(st.text("ab &😀", max_size=200), min_size=1, max_size=25), st.integers(1500, 4000))
@settings(_UNTIMED, max_examples=40)
def test_with_an_index_cuts_are_where_streams_begin(tmp_path: Path, texts: list[str], split_bytes: int) -> None:
    path = indexed(tmp_path, texts)
    cut = splits(path, split_bytes)
    data = path.read_bytes()
    assert all(data[split.start :].startswith(b"BZh91AY&SY") for split in cut)
    assert texts_of(read(path, split_bytes)) == texts
    assert texts_of(read(path, 400)) == texts


@pytest.mark.parametrize(
    "lines",
    [
        lambda offsets: [offset + 1 for offset in offsets],
        lambda offsets: [*offsets[:-1], 10**9],
        lambda offsets: [],
    ],
)
def test_an_index_that_does_not_fit_is_not_used(tmp_path: Path, lines: Callable[[list[int]], list[int]]) -> None:
    texts = ["x" * 50] * 9
    path = indexed(tmp_path, texts, lines)
    with_index = splits(path, 300)
    assert texts_of(read(path, 300)) == texts
    next(tmp_path.glob("*index*")).unlink()
    assert splits(path, 300) == with_index


@pytest.mark.parametrize("content", [b"", b"no bz2", bz2.compress(b"no offset"), bz2.compress(b"500:1:A\n" * 9)[:-9]])
def test_an_index_that_cannot_be_read_is_not_used(tmp_path: Path, content: bytes) -> None:
    path = indexed(tmp_path, ["x" * 50] * 9)
    next(tmp_path.glob("*index*")).write_bytes(content)
    with_index = splits(path, 300)
    next(tmp_path.glob("*index*")).unlink()
    assert splits(path, 300) == with_index


# Damage


@given(
    st.lists(st.text("abcdefgh &😀", min_size=40, max_size=300), min_size=2, max_size=9),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), min_size=1, max_size=4),
    st.lists(st.floats(0, 1, exclude_max=True), max_size=3),
)
@settings(_UNTIMED, max_examples=150)
def test_a_damaged_stream_costs_its_own_pages(
    tmp_path: Path, texts: list[str], hits: list[tuple[float, int]], cuts: list[float]
) -> None:
    """Bytes changed anywhere but in the first and last stream: pages of the other streams are all there, once."""
    streams = by_page(texts)
    damaged = [bytearray(stream) for stream in streams]
    for at, by in hits:
        stream = damaged[1 + int(at * len(texts))]
        stream[int(at * 7919 * len(stream)) % len(stream)] ^= by
    path = tmp_path / "d.bz2"
    path.write_bytes(b"".join(damaged))
    size = path.stat().st_size
    whole = read_cut(path)
    assert read_cut(path, *sorted({1 + int(cut * (size - 1)) for cut in cuts})) == whole
    hurt = {number for number, _ in enumerate(texts) if damaged[number + 1] != streams[number + 1]}
    found = {page.page_id: page.text for page in whole if isinstance(page, Page)}
    assert len(found) == len(texts_of(whole))
    assert found.keys() >= set(range(len(texts))) - hurt
    assert all(texts[number] == text for number, text in found.items())
    told = [page for page in whole if isinstance(page, BadPage)]
    assert {(page.page_id, page.reason) for page in told} <= {(-1, "damaged_stream")}
    assert (not told) == (len(found) == len(texts))
    assert sum(page.lost_bytes for page in told) < size


@given(
    st.lists(st.integers(0, 10**6), max_size=6),
    st.integers(0, 10**6),
    st.integers(1, 40),
    st.lists(st.integers(0, 10**6), max_size=3),
)
@settings(_UNTIMED, max_examples=150)
def test_damage_where_pages_lie_across_streams(
    tmp_path: Path, edges: list[int], at: int, length: int, cuts: list[int]
) -> None:
    """No page is made of two halves, and every cut gives the same, be it an error."""
    texts = [f"{number} " * 20 for number in range(8)]
    data = bytearray(b"".join(streams_of(wiki(texts), edges)))
    at %= len(data)
    data[at : at + length] = bytes(byte ^ 0xA5 for byte in data[at : at + length])
    assume(data.startswith(b"BZh"))
    path = tmp_path / "d.bz2"
    path.write_bytes(data)

    def outcome(*cuts: int) -> list[Page | BadPage] | str:
        try:
            return read_cut(path, *cuts)
        except UserError as error:
            return error.what

    whole = outcome()
    assert outcome(*sorted({1 + cut % (len(data) - 1) for cut in cuts})) == whole
    if not isinstance(whole, str):
        found = [(page.page_id, page.text) for page in whole if isinstance(page, Page)]
        assert found == sorted(set(found))
        assert set(found) <= set(enumerate(texts))


def test_a_damaged_block_in_one_long_stream(one_stream: tuple[Path, list[str]], tmp_path: Path) -> None:
    path, texts = one_stream
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    hurt = tmp_path / "d.bz2"
    hurt.write_bytes(data)
    whole = read_cut(hurt)
    found = {page.page_id: page.text for page in whole if isinstance(page, Page)}
    assert len(texts) / 3 < len(found) < len(texts)
    assert all(texts[number] == text for number, text in found.items())
    [told] = [page for page in whole if isinstance(page, BadPage)]
    assert told.detail.endswith("of d.bz2 cannot be decoded")
    for cut in range(1, len(data), len(data) // 13):
        assert read_cut(hurt, cut) == whole


def test_a_dump_whose_head_is_damaged_is_told(tmp_path: Path) -> None:
    first, *rest = by_page(["a"])
    path = tmp_path / "d.bz2"
    path.write_bytes(first[:60] + b"\0\0" + first[62:] + b"".join(rest))
    with pytest.raises(UserError, match="damaged: bytes 0 to"):
        read_site(path)


# Where it lies


@given(_TEXTS, st.lists(st.integers(0, 10**6), max_size=4), st.integers(200, 4000), st.sampled_from(["bz2", "plain"]))
@settings(_UNTIMED, max_examples=40)
def test_a_remote_dump_is_read_as_a_local_one(
    tmp_path: Path, texts: list[str], cuts: list[int], split_bytes: int, kind: str
) -> None:
    data = b"".join(streams_of(wiki(texts), cuts)) if kind == "bz2" else wiki(texts)
    path, url = tmp_path / "d.xml", "memory://folder/d.xml"
    path.write_bytes(data)
    fsspec.filesystem("memory").pipe("/folder/d.xml", data)
    local, remote = splits(path, split_bytes), splits(url, split_bytes)
    assert [(split.start, split.end) for split in local] == [(split.start, split.end) for split in remote]
    site = read_site(url)
    assert site == read_site(path)
    for one, other in zip(local, remote, strict=True):
        assert list(read_pages(one, site)) == list(read_pages(other, site))


def test_an_index_beside_a_remote_dump_is_found(tmp_path: Path) -> None:
    path = indexed(tmp_path, ["x" * 50] * 9)
    memory = fsspec.filesystem("memory")
    for file in tmp_path.iterdir():
        memory.pipe(f"/bucket/{file.name}", file.read_bytes())
    local, remote = splits(path, 500), splits(f"memory://bucket/{path.name}", 500)
    assert len(remote) > 1
    assert [split.start for split in remote] == [split.start for split in local]
    next(tmp_path.glob("*index*")).unlink()
    assert [split.start for split in remote] != [split.start for split in splits(path, 500)]


def test_several_dumps_at_once(tmp_path: Path) -> None:
    paths = []
    for number, pack in enumerate((bytes, bz2.compress, lambda data: b"".join(streams_of(data, [700, 1500])))):
        paths.append(tmp_path / f"{number}")
        paths[-1].write_bytes(pack(wiki([f"{number}-{page}" for page in range(6)])))
    found = [page for path in paths for split in splits(path, 300) for page in read_pages(split, SiteInfo())]
    assert texts_of(found) == [f"{number}-{page}" for number in range(3) for page in range(6)]


@pytest.mark.parametrize("name", ["enwiki-106-articles.xml.bz2", "enwiki-tables.xml.bz2", "ltgwiki-2004-pages.xml.bz2"])
def test_splits_of_a_real_dump_equal_the_whole(shared_data: Path, name: str) -> None:
    path = shared_data / "dumps" / name
    whole = read(path, _WHOLE)
    assert read(path, path.stat().st_size // 3) == whole
