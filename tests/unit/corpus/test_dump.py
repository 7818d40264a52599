"""Splits equal the whole, encodings, and what is said of bad files."""

from __future__ import annotations

import bz2
import gzip
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from cofee_dist.corpus.dump import BadPage, Page, Split, read_pages, read_site, splits
from cofee_dist.corpus.titles import SiteInfo
from cofee_dist.errors import UserError

HEAD = """<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" version="0.11" xml:lang="de">
  <siteinfo>
    <sitename>W</sitename>
    <dbname>dewiki</dbname>
    <case>first-letter</case>
    <namespaces>
      <namespace key="0" case="first-letter" />
      <namespace key="6" case="first-letter">Datei</namespace>
      <namespace key="14" case="first-letter">Kategorie &amp; x</namespace>
    </namespaces>
  </siteinfo>
"""
TAIL = "</mediawiki>\n"


def page_xml(page_id: int, text: str, title: str = "", namespace: int = 0, redirect: str = "") -> str:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
    return f"""  <page>
    <title>{title or f"Page {page_id}"}</title>
    <ns>{namespace}</ns>
    <id>{page_id}</id>
{f'    <redirect title="{redirect}" />' if redirect else ""}
    <revision>
      <id>{page_id + 1000}</id>
      <contributor><username>u</username><id>7</id></contributor>
      <model>wikitext</model>
      <text bytes="1" xml:space="preserve">{escaped}</text>
    </revision>
  </page>
"""


def read(path: Path, split_bytes: int) -> list[Page | BadPage]:
    site = read_site(path)
    return [page for split in splits(path, split_bytes) for page in read_pages(split, site)]


def test_site(tmp_path: Path) -> None:
    path = tmp_path / "d.xml"
    path.write_text(HEAD + TAIL, encoding="utf-8")
    site = read_site(path)
    assert (site.language, site.dbname, site.case) == ("de", "dewiki", "first-letter")
    assert site.namespaces["datei"] == site.namespaces["file"] == site.namespaces["bild"] == 6
    assert site.namespaces["kategorie & x"] == 14


def test_a_page_is_read_in_full(tmp_path: Path) -> None:
    path = tmp_path / "d.xml"
    text = 'a &amp;lt; <ref name="x">&nbsp;</ref>\n😀 ü'
    path.write_text(HEAD + page_xml(5, text, "A &amp; B", 0) + page_xml(6, "", "R", 4, "T&amp;U") + TAIL, "utf-8")
    assert read(path, 10**9) == [Page(5, 1005, 0, "A & B", None, text), Page(6, 1006, 4, "R", "T&U", "")]


def test_the_last_revision_of_a_page_counts(tmp_path: Path) -> None:
    one = page_xml(1, "old")
    two = one.replace(
        "</page>", one[one.index("    <revision>") : one.index("  </page>")].replace("old", "new") + "</page>"
    )
    path = tmp_path / "d.xml"
    path.write_text(HEAD + two + TAIL, "utf-8")
    [page] = read(path, 10**9)
    assert isinstance(page, Page)
    assert page.text == "new"


def test_old_dumps_without_namespace_or_redirect_title(tmp_path: Path) -> None:
    xml = page_xml(1, "#REDIRECT [[Ziel#x]]", "A").replace("    <ns>0</ns>\n", "")
    xml += page_xml(2, "#WEITERLEITUNG [[B]]", "Datei:C").replace("    <ns>0</ns>\n", "    <redirect />\n")
    path = tmp_path / "d.xml"
    path.write_text(HEAD + xml + TAIL, "utf-8")
    found = [(page.namespace, page.redirect) for page in read(path, 10**9) if isinstance(page, Page)]
    assert found == [(0, "Ziel#x"), (6, "B")]


@pytest.mark.parametrize(
    "word", ["REDIRECT", "Weiterleitung:", " OMDIRIGERING :", "перенаправление", "הפניה", "重定向"]
)
def test_redirect_words_of_languages(tmp_path: Path, word: str) -> None:
    path = tmp_path / "d.xml"
    path.write_text(HEAD + page_xml(1, f"#{word} [[B|c]]") + page_xml(2, f"{word} [[B]]") + TAIL, "utf-8")
    assert [page.redirect for page in read(path, 10**9) if isinstance(page, Page)] == ["B", None]


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda xml: xml.replace("<title>Page 2</title>", ""), "malformed_page"),
        (lambda xml: xml.replace("<id>2</id>", "<id>x</id>", 1), "malformed_page"),
        (lambda xml: xml.replace("revision>", "r>"), "malformed_page"),
        (lambda xml: xml.replace("<model>wikitext", "<model>json"), "not_wikitext"),
    ],
)
def test_a_malformed_page_is_handed_on_with_its_reason(tmp_path: Path, damage: object, reason: str) -> None:
    path = tmp_path / "d.xml"
    path.write_text(HEAD + page_xml(1, "a") + damage(page_xml(2, "b")) + page_xml(3, "c") + TAIL, "utf-8")  # type: ignore[operator]
    first, bad, last = read(path, 10**9)
    assert isinstance(first, Page)
    assert isinstance(last, Page)
    assert isinstance(bad, BadPage)
    assert bad.reason == reason


def test_bytes_that_are_not_utf8_cost_one_page(tmp_path: Path) -> None:
    path = tmp_path / "d.xml"
    path.write_bytes((HEAD + page_xml(1, "XX") + page_xml(2, "b") + TAIL).encode().replace(b"XX", b"\xff\xfe"))
    bad, good = read(path, 10**9)
    assert isinstance(bad, BadPage)
    assert (bad.page_id, bad.reason) == (1, "not_utf8")
    assert isinstance(good, Page)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "iso-8859-1"])
@pytest.mark.parametrize("compress", [lambda data: data, bz2.compress, gzip.compress])
def test_encodings(tmp_path: Path, encoding: str, compress: object) -> None:
    path = tmp_path / "d"
    declaration = f'<?xml version="1.0" encoding="{encoding}"?>\n'
    text = "ü é" if encoding == "iso-8859-1" else "ü é Ж 😀"
    path.write_bytes(compress((declaration + HEAD + page_xml(1, text) + TAIL).encode(encoding)))  # type: ignore[operator]
    assert read(path, 100) == [Page(1, 1001, 0, "Page 1", None, text)]


def test_a_dump_that_ends_behind_a_page_is_truncated_in_any_split(tmp_path: Path) -> None:
    for last in (page_xml(2, "b" * 400), page_xml(2, "b")):
        for name, pack in (("d.xml", bytes), ("d.xml.bz2", bz2.compress)):
            path = tmp_path / name
            path.write_bytes(pack((HEAD + page_xml(1, "a") + last).encode()))
            for split_bytes in (100, 333, 10**9):
                with pytest.raises(UserError, match="truncated"):
                    read(path, split_bytes)


def _bad_files() -> list[tuple[str, bytes, str]]:
    xml = (HEAD + page_xml(1, "a" * 5000) + TAIL).encode()
    packed = bz2.compress(xml)
    return [
        ("truncated.bz2", packed[: len(packed) // 2], "truncated"),
        ("truncated.gz", gzip.compress(xml)[:-40], "truncated"),
        ("truncated.xml", xml[:-60], "truncated"),
        ("half-a-tail.bz2", bz2.compress(xml[:-5]), "truncated"),
        ("damaged.bz2", packed[:100] + b"\x00\x00\x00\x00" + packed[104:], "damaged"),
        ("no-wiki.xml", b"<html><body>x</body></html>", "not a MediaWiki dump"),
        ("words.txt", b"just words", "neither XML nor bz2"),
        ("empty.xml", b"", "empty"),
        ("packed-words.bz2", bz2.compress(b"just words"), "neither XML nor bz2"),
    ]


@pytest.mark.parametrize(("name", "data", "says"), _bad_files(), ids=[name for name, _, _ in _bad_files()])
def test_bad_files_are_told(tmp_path: Path, name: str, data: bytes, says: str) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(UserError, match=says) as raised:
        read(path, 10**9)
    assert str(path) in str(raised.value)
    assert raised.value.fix


@pytest.mark.parametrize("behind", [" " * 500 + "\n", "<!-- made by hand, " + "x" * 300 + " -->\n", ""])
@pytest.mark.parametrize("pack", [bytes, lambda data: bz2.compress(data[:-150]) + bz2.compress(data[-150:])])
def test_text_behind_the_last_tag_is_no_truncation(tmp_path: Path, behind: str, pack: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "d"
    path.write_bytes(pack((HEAD + page_xml(1, "a") + TAIL + behind).encode()))
    size = path.stat().st_size
    whole = read(path, 10**9)
    assert len(whole) == 1
    for cut in range(1, size):
        parts = [Split(str(path), 0, cut), Split(str(path), cut, size)]
        assert [page for part in parts for page in read_pages(part, SiteInfo())] == whole


@pytest.mark.parametrize(
    "pack", [bytes, bz2.compress, lambda data: bz2.compress(data[:2500]) + bz2.compress(data[2500:])]
)
def test_a_dump_that_ends_early_gives_its_pages_on_request(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    pages = [page_xml(number, f"{number} " * 100) for number in range(9)]
    cut = (HEAD + "".join(pages)).encode()[:-300]
    path = tmp_path / "d"
    path.write_bytes(pack(cut))
    site = read_site(path)
    for split_bytes in (10**9, 700):
        found = [page for part in splits(path, split_bytes, True) for page in read_pages(part, site, 10**6, True)]
        assert [page.page_id for page in found] == list(range(9))
        last = found[-1]
        assert isinstance(last, BadPage)
        assert (last.reason, last.title, last.lost_bytes) == ("truncated", "Page 8", 0)
        with pytest.raises(UserError, match="truncated") as raised:
            read(path, split_bytes)
        assert "corpus.truncated_dumps=keep" in str(raised.value.fix)


def test_packed_data_that_end_early_are_damage_on_request(tmp_path: Path) -> None:
    pages = [page_xml(number, f"{number} " * 100) for number in range(9)]
    streams = [bz2.compress(part.encode()) for part in (HEAD, *pages, TAIL)]
    path = tmp_path / "d"
    path.write_bytes(b"".join(streams[:-2]) + streams[-2][:-30])
    lost = len(streams[-2]) - 30
    for split_bytes in (10**9, 300, 40):
        found = [page for part in splits(path, split_bytes, True) for page in read_pages(part, SiteInfo(), 10**6, True)]
        assert [page.page_id for page in found] == [*range(8), -1]
        assert (getattr(found[-1], "reason", ""), getattr(found[-1], "lost_bytes", 0)) == ("damaged_stream", lost)


@pytest.mark.parametrize("share", [0.3, 0.66, 0.9])
def test_damaged_gzip_is_an_error_since_it_decodes_to_wrong_text(tmp_path: Path, share: float) -> None:
    choose = random.Random(1)
    pages = [page_xml(number, "".join(choose.choices("abcdefghij ", k=20_000))) for number in range(60)]
    data = bytearray(gzip.compress((HEAD + "".join(pages) + TAIL).encode()))
    at = int(len(data) * share)
    data[at : at + 30] = bytes(30)
    path = tmp_path / "d.gz"
    path.write_bytes(data)
    with pytest.raises(UserError, match="gzip data are damaged"):
        read(path, 10**9)


def test_cut_gzip_gives_its_pages_on_request(tmp_path: Path) -> None:
    path = tmp_path / "d.gz"
    pages = [page_xml(number, f"{number} " * 100) for number in range(9)]
    path.write_bytes(gzip.compress((HEAD + "".join(pages) + TAIL).encode())[:-40])
    found = list(read_pages(Split(str(path), 0, path.stat().st_size), SiteInfo(), 10**6, True))
    assert [page.page_id for page in found[:5]] == list(range(5))
    assert all(isinstance(page, Page) for page in found[:-1])


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    for path in (tmp_path / "none.bz2", tmp_path):
        with pytest.raises(UserError, match="dump"):
            splits(path, 10)
        with pytest.raises(UserError, match="dump"):
            read_site(path)


def test_a_dump_without_siteinfo_has_defaults(tmp_path: Path) -> None:
    path = tmp_path / "d.xml"
    path.write_text('<mediawiki xml:lang="en">' + page_xml(1, "a") + TAIL, "utf-8")
    assert read_site(path).namespaces["category"] == 14
    assert SiteInfo().namespaces == read_site(path).namespaces
    assert len(read(path, 10**9)) == 1
