"""No page and no file costs more memory or work than it may, and each that would is named."""

from __future__ import annotations

import bz2
import gzip
import subprocess
import sys
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from cofee_dist.config import Corpus
from cofee_dist.corpus import streams, wikitext
from cofee_dist.corpus.articles import ArticleReader
from cofee_dist.corpus.budget import _MOST_STEPS, Budget, TooMuchWork
from cofee_dist.corpus.dump import BadPage, Page, Split, read_pages, read_site, splits
from cofee_dist.corpus.sentences import SentenceRules, sentences
from cofee_dist.corpus.titles import SiteInfo, site_info
from cofee_dist.corpus.wikitext import Renderer, render
from cofee_dist.errors import UserError
from tests.unit.corpus.test_dump import HEAD, TAIL, page_xml, read

MIB = 2**20
_PACKINGS = {"xml": bytes, "bz2": bz2.compress, "gz": gzip.compress}
EN = site_info("en")


@contextmanager
def at_most(size: int) -> Iterator[None]:
    """What Python allocates inside stays below so many bytes."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < size
    finally:
        tracemalloc.stop()


def parts_of_a_large_page(filler: bytes) -> tuple[bytes, bytes, bytes]:
    """A dump of three pages, before and behind the text of the second."""
    before, behind = page_xml(2, "XX", "Large &amp; slow").encode().split(b"XX")
    return (HEAD + page_xml(1, "a")).encode() + before, filler, behind + (page_xml(3, "c") + TAIL).encode()


def check_three(found: list[Page | BadPage]) -> None:
    first, large, last = found
    assert isinstance(first, Page)
    assert isinstance(large, BadPage)
    assert isinstance(last, Page)
    assert (first.text, last.text) == ("a", "c")
    assert (large.page_id, large.title, large.reason) == (2, "Large & slow", "too_large")
    assert "16,777,216 bytes" in large.detail


@pytest.mark.parametrize("kind", _PACKINGS)
def test_a_page_of_50_mb_is_named_and_not_held(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"d.{kind}"
    before, filler, behind = parts_of_a_large_page(b"[[Word]] of {{t}}\n" * (MIB // 18))
    pack = _PACKINGS[kind]
    path.write_bytes(pack(before) + 50 * pack(filler) + pack(behind))
    with at_most(40 * MIB):
        check_three(list(read_pages(Split(str(path), 0, path.stat().st_size), SiteInfo())))


def test_zeros_that_bz2_packs_a_hundred_thousand_times_are_skipped(tmp_path: Path) -> None:
    zeros = bz2.compress(bytes(45 * MIB))
    before, _, behind = parts_of_a_large_page(b"")
    path = tmp_path / "d.bz2"
    path.write_bytes(bz2.compress(before) + 4 * zeros + bz2.compress(behind))
    assert path.stat().st_size < 180 * MIB / 50_000
    with at_most(40 * MIB):
        check_three(read(path, 10**9))


@pytest.mark.parametrize("split_bytes", [10**9, 1000])
def test_blocks_that_expand_without_bound_are_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, split_bytes: int
) -> None:
    """A good page behind them, in the same split, is read."""
    monkeypatch.setattr(streams, "_FREE_BYTES", 5 * MIB)
    monkeypatch.setattr(streams, "_MAX_EXPANSION", 20)
    path = tmp_path / "d.bz2"
    before, _, behind = parts_of_a_large_page(b"")
    runs, pages = bz2.compress(bytes(45 * MIB)) * 50, [page_xml(number, f"{number}" * 90) for number in (4, 5)]
    last = behind.replace(TAIL.encode(), b"") + "".join(pages).encode() + TAIL.encode()
    path.write_bytes(bz2.compress(before) + runs + bz2.compress(last))
    with at_most(30 * MIB):
        found = read(path, split_bytes)
    assert [page.page_id for page in found if isinstance(page, Page)] == [1, 3, 4, 5]
    told = {page.reason: page for page in found if isinstance(page, BadPage)}
    assert "expand to more than 1,000 times their size" in told["damaged_stream"].detail
    assert 0 < told["damaged_stream"].lost_bytes < len(runs) + 10


@pytest.mark.parametrize("kind", ["gz"])
def test_a_file_that_expands_without_bound_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(streams, "_FREE_BYTES", 5 * MIB)
    monkeypatch.setattr(streams, "_MAX_EXPANSION", 20)
    pack = _PACKINGS[kind]
    before, _, behind = parts_of_a_large_page(b"")
    path = tmp_path / f"d.{kind}"
    path.write_bytes(pack(before) + pack(bytes(45 * MIB)) * 3 + pack(behind))
    with at_most(30 * MIB):
        first, lost = read(path, 10**9)
    assert isinstance(first, Page)
    assert isinstance(lost, BadPage)
    assert lost.reason == "damaged_stream"
    assert "expand to more than 1,000 times their size" in lost.detail
    assert 0 < lost.lost_bytes < path.stat().st_size


def test_nothing_but_zeros_is_told_from_its_head(tmp_path: Path) -> None:
    path = tmp_path / "d.bz2"
    path.write_bytes(bz2.compress(bytes(45 * MIB)) * 50)
    with at_most(30 * MIB), pytest.raises(UserError, match="neither XML nor bz2"):
        read_site(path)


def test_sizes_are_compared_with_the_whole_page(tmp_path: Path) -> None:
    path = tmp_path / "d.xml"
    page = page_xml(1, "x" * 5000).strip()
    path.write_text(HEAD + page + TAIL, "utf-8")
    whole = Split(str(path), 0, path.stat().st_size)
    for most, reason in ((len(page), None), (len(page) - 1, "too_large")):
        [found] = read_pages(whole, SiteInfo(), most)
        assert getattr(found, "reason", None) == reason


@pytest.mark.parametrize("name", ["d.xml", "d.bz2"])
def test_wherever_a_dump_is_cut_the_same_pages_are_too_large(tmp_path: Path, name: str) -> None:
    texts = ["a", "b" * 3000, "c", "", "d" * 9000, "e" * 4000]
    pages = [page_xml(number, text) for number, text in enumerate(texts)]
    pages[3] = pages[3].replace("</page>", "")
    path = tmp_path / name
    if name == "d.xml":
        path.write_text(HEAD + "".join(pages) + TAIL, "utf-8")
    else:
        data = (HEAD + "".join(pages) + TAIL).encode()
        path.write_bytes(b"".join(bz2.compress(data[at : at + 333]) for at in range(0, len(data), 333)))
    size = path.stat().st_size
    whole = list(read_pages(Split(str(path), 0, size), SiteInfo(), 2000))
    named = [(page.page_id, getattr(page, "reason", "")) for page in whole]
    assert named == [(0, ""), (1, "too_large"), (2, ""), (3, "malformed_page"), (4, "too_large"), (5, "too_large")]
    for cut in range(1, size, 7):
        parts = [Split(str(path), 0, cut), Split(str(path), cut, size)]
        assert [page for part in parts for page in read_pages(part, SiteInfo(), 2000)] == whole


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "piece", ["<title>", "<id>", "<id>1", '<redirect title="', "<redirect ", "<revision>", "<text", "<page>", "<model>"]
)
def test_pages_of_one_tag_over_and_over_end(tmp_path: Path, piece: str) -> None:
    path = tmp_path / "d.xml"
    path.write_text(f"{HEAD}<page>{piece * (2 * MIB // len(piece))}</page>{TAIL}", "utf-8")
    assert all(isinstance(page, BadPage) for page in read(path, 10**9))


@pytest.mark.timeout(60)
@pytest.mark.parametrize("text", ["#REDIRECT" + " " * 2 * MIB, " " * 2 * MIB, "#" * 2 * MIB, "#REDIRECT[[" * 200_000])
def test_texts_that_look_like_redirects_end(tmp_path: Path, text: str) -> None:
    path = tmp_path / "d.xml"
    path.write_text(HEAD + page_xml(1, text).replace("<ns>0</ns>", "<redirect/>") + TAIL, "utf-8")
    assert len(read(path, 10**9)) == 1


@pytest.mark.timeout(60)
@pytest.mark.parametrize("piece", ["<mediawiki ", "<namespace ", 'key="1" ', "<dbname>", "xml:lang=", "encoding="])
def test_heads_of_one_piece_over_and_over_end(tmp_path: Path, piece: str) -> None:
    path = tmp_path / "d.xml"
    many = piece * (MIB // 3 // len(piece))
    path.write_text(f"<?xml {many}<mediawiki {many}><namespace {many}>x</namespace>{TAIL}", "utf-8")
    assert read_site(path).language == "en"


@pytest.mark.parametrize("number", ["9" * 19, "9" * 5000])
def test_numbers_that_no_column_holds_cost_one_page(tmp_path: Path, number: str) -> None:
    path = tmp_path / "d.xml"
    path.write_text(HEAD + page_xml(1, "a").replace("<id>1<", f"<id>{number}<") + page_xml(2, "b") + TAIL, "utf-8")
    bad, good = read(path, 10**9)
    assert isinstance(bad, BadPage)
    assert (bad.page_id, bad.title, bad.reason) == (-1, "Page 1", "malformed_page")
    assert isinstance(good, Page)


@pytest.mark.parametrize("name", ["hex", "zip", "rot13", "base64", "no-such", "undefined", "utf-7"])
def test_declared_encodings_that_are_none_are_told(tmp_path: Path, name: str) -> None:
    path = tmp_path / "d.xml"
    path.write_text(f'<?xml version="1.0" encoding="{name}"?>{HEAD}+2AA-ü{TAIL}', "utf-8")
    with pytest.raises(UserError, match="encoding"):
        read(path, 10**9)


def test_entities_that_a_head_declares_are_never_expanded(tmp_path: Path) -> None:
    """Ten levels of ten: an XML parser that expands them writes ten billion words."""
    levels = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 11))
    path = tmp_path / "d.xml"
    page = page_xml(1, "x XX y", "A").replace("XX", "&a10;")
    path.write_text(f'<?xml version="1.0"?><!DOCTYPE m [<!ENTITY a0 "word">{levels}]>{HEAD}{page}{TAIL}', "utf-8")
    with at_most(5 * MIB):
        [found] = read(path, 10**9)
        assert isinstance(found, Page)
        assert found.text == "x &a10; y"
        assert render(found.text, EN).text == "x &a10; y"


def deep(levels: int) -> dict[str, str]:
    return {
        "templates": "{{a|" * levels + "x" + "}}" * levels,
        "inline templates": "{{lang|de|" * levels + "x" + "}}" * levels,
        "open templates": "{{a|" * levels,
        "links": "[[a|" * levels + "x" + "]]" * levels,
        "files": "[[File:a|" * levels + "x" + "]]" * levels,
        "tables": "\n{|\n|" * levels + "x" + "\n|}" * levels,
        "html": "<div>" * levels + "x" + "</div>" * levels,
        "html tables": "<table><tr><td>" * levels + "x" + "</table>" * levels,
        "variants": "-{" * levels + "x" + "}-" * levels,
        "references": "<ref>" * levels + "x" + "</ref>" * levels,
        "lists": "*" * levels + "x",
        "quotes": "''" * levels + "x",
        "brackets": "(" * levels + "{{a}}" + ")" * levels,
        "links in an inline template": "{{nowrap|" + "[[a]]" * levels + "}}",
        "spaces in an inline template": "{{nowrap|" + " " * levels + "}}",
    }


_RENDER_ALL = """
import resource
from cofee_dist.corpus.titles import site_info
from cofee_dist.corpus.wikitext import Renderer
from tests.unit.corpus.test_budgets import deep
renderer, cases = Renderer(site_info("zh")), deep(100_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for case in cases.values():
    renderer.render(case)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.timeout(120)
def test_a_hundred_thousand_levels_end_in_a_bounded_memory() -> None:
    """What a process needs more for all of these, of which the largest has 1.7 MB."""
    done = subprocess.run([sys.executable, "-c", _RENDER_ALL], capture_output=True, text=True, check=True, timeout=110)
    kilobytes = int(done.stdout)
    assert kilobytes < 200_000


def heavy(name: str) -> bytes:
    """The XML of a page of 15 MiB, of which one of the steps behind the parser could make much more."""
    links, size = "[[a]] [[b]] [[c]] [[d]] ", 15 * MIB
    text = {
        "entities": "<i>" * (size // 9),
        "one long sentence": links + "a" * size,
        "words": links + "a " * (size // 2),
        "commas": links + "，" * (size // 3),
        "sentences": links + "a. " * (size // 3),
        "full stops": links + "a。" * (size // 4),
    }[name]
    return (HEAD + page_xml(1, text) + TAIL).encode()


_READ_HEAVY = """
import resource, sys
from pathlib import Path
from cofee_dist.config import Corpus
from cofee_dist.corpus.articles import ArticleReader
from cofee_dist.corpus.dump import Split, read_pages
from cofee_dist.corpus.sentences import SentenceRules, sentences
from cofee_dist.corpus.titles import site_info
path, language = sys.argv[1:]
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
config, site = Corpus(overlong_sentences="split"), site_info(language)
reader = ArticleReader(site, SentenceRules.of(config, language), config)
for page in read_pages(Split(path, 0, Path(path).stat().st_size), site):
    reader.read(page)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("entities", "en"),
        ("one long sentence", "zh"),
        ("one long sentence", "en"),
        ("words", "en"),
        ("commas", "zh"),
        ("sentences", "en"),
        ("full stops", "zh"),
    ],
)
def test_a_page_of_15_mib_costs_a_bounded_memory(tmp_path: Path, name: str, language: str) -> None:
    path = tmp_path / "d.xml"
    path.write_bytes(heavy(name))
    done = subprocess.run(
        [sys.executable, "-c", _READ_HEAVY, str(path), language], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 400_000


def test_splitting_is_paid_by_what_it_makes() -> None:
    document = Renderer(EN).render("[[a]] [[b]] " + "x. y! z; " * 50)
    rules = SentenceRules("en", 2, 1, 1000)
    counts: Counter[str] = Counter()
    budget = Budget(100_000, len(document.text))
    sentences(document, rules, counts, budget)
    stops = sum(document.text.count(stop) for stop in ".!;")
    assert budget.steps - budget.left == len(document.text) + 128 * stops
    with pytest.raises(TooMuchWork, match="1,000 steps"):
        sentences(document, rules, counts, Budget(1000, len(document.text)))
    long = Renderer(EN).render("[[a]] [[b]] " + "x " * 500)
    budget = Budget(100_000, len(long.text))
    sentences(long, replace(rules, max_length=20, overlong="split"), counts, budget)
    assert budget.steps - budget.left == 33 * len(long.text)


def test_work_is_counted_and_not_timed() -> None:
    text = "[[a]] and {{b}}. " * 500
    paid = []
    for repeated in (1, 2, 4):
        steps = 2**24
        low, high = 0, steps
        while low < high:
            middle = (low + high) // 2
            try:
                Renderer(EN, middle).render(text * repeated)
                high = middle
            except TooMuchWork:
                low = middle + 1
        paid.append(low)
    assert paid[1] == pytest.approx(2 * paid[0], rel=0.01)
    assert paid[2] == pytest.approx(4 * paid[0], rel=0.01)


def test_a_budget_says_what_it_was() -> None:
    budget = Budget(1000, 600)
    budget.pay("x" * 600)
    assert budget.left == 400
    with pytest.raises(TooMuchWork, match="1,000 steps"):
        budget.pay("[[x]][[y]]" * 20, "[[")


@pytest.mark.parametrize(
    "piece", ["{{lang|a|", "{{", "{{a}}", "[[", "[[a]]", "''", "<", "&", "\ufdee", "\n", "{{a|b}}"]
)
def test_a_page_that_is_not_counted_could_not_have_been_too_much(piece: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = piece * 2000 + "}}" * 2000
    budget = Budget(2**40, len(text))
    monkeypatch.setattr(budget, "_ample", False)
    monkeypatch.setattr(wikitext, "Budget", lambda steps, characters: budget)
    Renderer(EN).render(text)
    assert budget.steps - budget.left < len(text) * _MOST_STEPS


def test_pages_as_dense_as_mediawiki_saves_them_are_rendered() -> None:
    assert len(Renderer(EN).render("[[a]] " * (2 * MIB // 6)).anchors) == 2 * MIB // 6


def test_a_page_that_takes_too_much_goes_to_quarantine() -> None:
    reader = ArticleReader(EN, SentenceRules("en", 1, 1, 100), Corpus(max_page_steps=2000))
    slow = reader.read(Page(1, 1, 0, "Slow", None, "[[a]] is slow. " * 100))
    quick = reader.read(Page(2, 1, 0, "Quick", None, "[[a]] is quick."))
    assert slow.bad is not None
    assert (slow.bad.page_id, slow.bad.title, slow.bad.reason) == (1, "Slow", "too_slow")
    assert "2,000 steps" in slow.bad.detail
    assert len(quick.sentences) == 1
    kinds = ("pages", "articles", "quarantined", "links", "candidates")
    assert [reader.counts[kind] for kind in kinds] == [2, 1, 1, 1, 1]


def test_a_page_that_opens_many_small_streams_takes_linear_time(tmp_path: Path) -> None:
    path = tmp_path / "d.bz2"
    before, _, behind = parts_of_a_large_page(b"")
    path.write_bytes(bz2.compress(before) + bz2.compress(b"x" * 200) * 20_000 + bz2.compress(behind))
    assert len(read(path, 10**9)) == 3
    assert len(splits(path, 10**9)) == 1
