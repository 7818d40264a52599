"""The dump: well-formed whole and in parts, and readable stream by stream."""

import bz2
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cofee_dist.world.dump import Page, streams, write_dump

NS = "{http://www.mediawiki.org/xml/export-0.11/}"


def _streams_of(data):
    """Decode a multistream file one bz2 stream at a time, as readers of a part of it do."""
    found = []
    while data:
        decompressor = bz2.BZ2Decompressor()
        found.append(decompressor.decompress(data).decode())
        assert decompressor.eof
        data = decompressor.unused_data
    return found


def _pages(xml):
    return ElementTree.fromstring(xml).findall(f"{NS}page")


def test_streams_decode_one_by_one(tiny):
    data = tiny.dump.read_bytes()
    header, *middle, footer = _streams_of(data)
    assert footer == "</mediawiki>\n"
    assert len(middle) > 3
    assert header + "".join(middle) + footer == bz2.decompress(data).decode()
    for stream in middle:
        assert len(_pages(header + stream + footer)) > 0
    assert len(_pages(header + middle[-1] + middle[0] + footer)) == sum(
        len(_pages(header + stream + footer)) for stream in (middle[0], middle[-1])
    )


def test_namespaces_redirects_and_ids(tiny):
    pages = _pages(bz2.decompress(tiny.dump.read_bytes()))
    ids = [int(page.findtext(f"{NS}id")) for page in pages]
    titles = [page.findtext(f"{NS}title") for page in pages]
    assert ids == sorted(set(ids))
    assert len(titles) == len(set(titles))
    assert {"0", "1", "2", "4", "6", "10", "14", "828"} <= {page.findtext(f"{NS}ns") for page in pages}
    redirects = [page for page in pages if page.find(f"{NS}redirect") is not None]
    assert redirects
    for page in redirects:
        target = page.find(f"{NS}redirect").get("title")
        assert f"[[{target}]]" in page.findtext(f"{NS}revision/{NS}text")


def test_every_kind_of_markup_is_there(tiny):
    text = bz2.decompress(tiny.dump.read_bytes()).decode()
    for markup in (
        "{{Infobox ", "{{start date and age|", "{|", "&lt;ref", "&lt;!--", "[[File:", "&lt;gallery", "[[Category:",
        "[[de:", "#REDIRECT", "'''", "''", "==", "\n* ", "{{disambiguation}}", "&lt;nowiki&gt;", "&amp;nbsp;",
    ):  # fmt: skip
        assert markup in text, markup


@settings(deadline=None)
@given(
    st.lists(st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=30), max_size=7),
    st.integers(1, 4),
)
def test_any_text_survives_and_any_cut_is_well_formed(texts, pages_per_stream):
    pages = [
        Page(i + 1, f"T <&\"' {i}", text, redirect='A "quoted" & <one>' if i % 2 else None)
        for i, text in enumerate(texts)
    ]
    header, *middle, footer = streams(pages, pages_per_stream)
    found = _pages(header + "".join(middle) + footer)
    assert [page.findtext(f"{NS}revision/{NS}text") for page in found] == texts
    assert [page.findtext(f"{NS}title") for page in found] == [page.title for page in pages]
    for stream in middle:
        assert 1 <= len(_pages(header + stream + footer)) <= pages_per_stream


@pytest.mark.parametrize("count", [0, 1, 5])
def test_a_dump_of_few_pages(tmp_path, count):
    write_dump(tmp_path / "a.xml.bz2", [Page(i, str(i), "x") for i in range(count)], pages_per_stream=2)
    assert len(_pages(bz2.decompress((tmp_path / "a.xml.bz2").read_bytes()))) == count
