"""Whatever is done to a dump's bytes or to a page's markup: pages and counts, or one clear error."""

from __future__ import annotations

import bz2
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cofee_dist.corpus.articles import ArticleReader
from cofee_dist.corpus.dump import BadPage, Page, read_pages, read_site, splits
from cofee_dist.corpus.sentences import SentenceRules
from cofee_dist.corpus.titles import site_info
from cofee_dist.errors import UserError
from tests.unit.corpus.test_dump import HEAD, TAIL, page_xml

_UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
_READERS = {
    f"{language} {overlong}": (site_info(language), SentenceRules(language, 1, 1, most, overlong))
    for language in ("en", "de", "zh", "he")
    for overlong, most in (("drop", 400), ("split", 12))
}


def read_all(path: Path, split_bytes: int) -> list[Page | BadPage] | None:
    """Every page, its counts checked; None where the dump is refused."""
    try:
        site = read_site(path)
        pages = [page for split in splits(path, split_bytes) for page in read_pages(split, site, 5000)]
    except UserError as error:
        refused = error
    else:
        refused = None
    if refused is not None:
        assert refused.what
        assert refused.fix
        return None
    reader = ArticleReader(site, SentenceRules("en", 1, 1, 100))
    found = [reader.read(page) for page in pages]
    counts = reader.counts
    assert counts["pages"] + counts["damaged_streams"] == len(pages)
    assert counts["pages"] == sum(counts[kind] for kind in ("articles", "redirects", "other_namespaces", "quarantined"))
    assert counts["quarantined"] + counts["damaged_streams"] == sum(one.bad is not None for one in found)
    dropped = sum(number for name, number in counts.items() if name.startswith("dropped."))
    assert counts["candidates"] == sum(len(one.sentences) for one in found) + dropped
    lost = sum(number for name, number in counts.items() if name.startswith("links_dropped."))
    assert counts["links"] == lost + sum(len(sentence.anchors) for one in found for sentence in one.sentences)
    assert all(one.bad.reason for one in found if one.bad is not None)
    return pages


@given(st.binary(max_size=400), st.integers(50, 2000), st.booleans())
@settings(_UNTIMED, max_examples=150)
def test_any_bytes_as_a_file_or_as_a_body(tmp_path: Path, data: bytes, split_bytes: int, inside: bool) -> None:
    path = tmp_path / "d"
    path.write_bytes(HEAD.encode() + data + TAIL.encode() if inside else data)
    pages = read_all(path, split_bytes)
    if inside and b"<" not in data:
        assert pages == []


_TAGS = """<page> </page> <title> </title> <ns> </ns> <id> </id> <redirect <redirect/> title=" " /> <revision>
    </revision>
    <text <text> </text> <model> </model> > </mediawiki> <mediawiki> <siteinfo> </siteinfo> 0 7 -1 99999999999999999999
    a [[b]] &lt; &amp; &#0; &#xD800; \u00e9 #REDIRECT"""
_XML = st.lists(
    st.one_of(st.sampled_from(_TAGS.split()), st.sampled_from([page_xml(1, "a [[b]]"), page_xml(2, "c", "D", 4)]))
)


@given(_XML, st.integers(50, 2000), st.booleans())
@settings(_UNTIMED, max_examples=200)
def test_any_order_of_tags(tmp_path: Path, parts: list[str], split_bytes: int, packed: bool) -> None:
    path = tmp_path / "d"
    data = (HEAD + "".join(parts) + TAIL).encode("utf-8", "replace")
    path.write_bytes(bz2.compress(data) if packed else data)
    pages = read_all(path, split_bytes)
    if pages is not None and not packed:
        assert read_all(path, 10**9) == pages


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=6), st.integers(100, 3000))
@settings(_UNTIMED, max_examples=150)
def test_bytes_changed_in_packed_dumps(tmp_path: Path, changes: list[tuple[int, int]], split_bytes: int) -> None:
    path = tmp_path / "d.bz2"
    parts = [HEAD, *(page_xml(number, "word [[link]]. " * 20) for number in range(8)), TAIL]
    data = bytearray(b"".join(bz2.compress(part.encode()) for part in parts))
    for at, value in changes:
        data[at % len(data)] = value
    path.write_bytes(data)
    read_all(path, split_bytes)


ARTICLE = """{{Infobox city|name=Berlin
|image=[[File:B.jpg|thumb|The [[Spree]] {{nowrap|at night}}]]|pop={{formatnum:3700000}}}}
'''Berlin''' ({{IPAc-en|b}}; {{lang-de|[[Berlin]]}}) is the [[capital city|capital]] of [[Germany]].<ref name="a">{{cite
web|url=http://x.org|title=[[T]]}}</ref> It has {{convert|891|km2|sqmi}} &ndash;
''see [[Area (geometry)|]]''.<!-- [[no]] -->
[[Datei:x.png|mini|Ein [[Bär]]]] [[:Category:Berlin]] [[#History|above]] [[fr:Berlin]] {{ill|Name|de|Name (X)}}
== History ==
* [[Slavs]]; '''''[[Wends]]''''' <nowiki>[[not]]</nowiki> <math>a_{[[x]]}</math> -{zh-hans:[[国]];zh-hant:[[國]]}-
{| class="wikitable"
! [[Year]] !! {{!}} [[Event]]
|-
| 1237 || {| \n| [[nested]]\n|}
|}
<gallery>\nA.jpg|[[b]]\n</gallery> [http://x.org the [[site]]] \u200f[[\u05e2\u05d9\u05e8]]\u05d9\u05dd __NOTOC__
<div class="x"><table><tr><td>[[cell]]</td></tr></table></div> [[Category:Cities]]
"""
_TOKENS = """[[ ]] | {{ }} {{{ }}} {| |} |- '' ''' ''''' == <ref> </ref> <ref/> <!-- --> <nowiki> </nowiki> <math>
    </math> <table>
    </table> <div> </div> <gallery> -{ }- [http:// ] File: Category: : # &amp; &#91; __TOC__ \u200f \ufdee"""
_KINDS = ("insert", "delete", "repeat", "swap")
_EDIT = st.tuples(
    st.sampled_from(_KINDS),
    st.floats(0, 1),
    st.integers(1, 40),
    st.sampled_from(_TOKENS.split()),
)


def mutated(text: str, edits: list[tuple[str, float, int, str]]) -> str:
    for kind, place, length, token in edits:
        at = int(place * len(text))
        piece = text[at : at + length]
        match kind:
            case "insert":
                text = text[:at] + token * (length % 4 + 1) + text[at:]
            case "delete":
                text = text[:at] + text[at + length :]
            case "repeat":
                text = text[:at] + piece * 3 + text[at:]
            case "swap":
                text = text[:at] + piece[::-1] + text[at + length :]
    return text


@given(st.lists(_EDIT, max_size=12), st.sampled_from(sorted(_READERS)))
@settings(max_examples=300, deadline=None)
def test_any_change_of_a_real_looking_page(edits: list[tuple[str, float, int, str]], name: str) -> None:
    site, rules = _READERS[name]
    reader = ArticleReader(site, rules)
    found = reader.read(Page(1, 1, 0, "Berlin", None, mutated(ARTICLE, edits)))
    assert found.bad is None
    for sentence in found.sentences:
        last = 0
        for start, end, target in sentence.anchors:
            assert last <= start < end <= len(sentence.text)
            surface = sentence.text[start:end]
            assert surface == surface.strip()
            assert target
            last = end
        assert not any("\ufdd0" <= character <= "\ufdef" for character in sentence.text)
    dropped = sum(number for name, number in reader.counts.items() if name.startswith("dropped."))
    assert reader.counts["candidates"] == len(found.sentences) + dropped


def test_the_page_as_it_is() -> None:
    site, rules = _READERS["en drop"]
    texts = [sentence.text for sentence in ArticleReader(site, rules).read(Page(1, 1, 0, "B", None, ARTICLE)).sentences]
    assert texts[0].startswith("Berlin (Berlin) is the capital of Germany.")
    assert "no" not in texts[0].split()
