"""Titles and link targets, as MediaWiki normalises them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cofee_dist.corpus.titles import Titles, pipe_trick, site_info

TITLES = Titles(site_info("en"))


@pytest.mark.parametrize(
    ("raw", "title"),
    [
        ("paris", "Paris"),
        ("_a__b _c_", "A b c"),
        ("A#b", "A"),
        (":paris", "Paris"),
        ("élan", "Élan"),
        ("ßa", "ßa"),
        ("ǆ", "Ǆ"),
        ("%C3%A9lan vital", "Élan vital"),
        ("100% sure", "100% sure"),
        ("a\u200eb", "Ab"),
        ("a\u00a0\u2003b", "A b"),
        ("a<b", ""),
        ("a[b", ""),
        ("x" * 256, ""),
        ("é" * 128, ""),
        ("é" * 127, "É" + "é" * 126),
        ("", ""),
        ("#a", ""),
        (" : ", ""),
        ("Star Wars: A", "Star Wars: A"),
        ("თბილისი", "თბილისი"),
        ("ⴀა", "Ⴀა"),
        ("cafe\u0301", "Café"),
        ("e\u0301lan", "Élan"),
        ("E\u0301 (a:b)", "É (a:b)"),
        ("가", "가"),
        (".", ""),
        ("..", ""),
        ("./x", ""),
        ("../x", ""),
        ("a/./b", ""),
        ("a/../b", ""),
        ("a/..", ""),
        ("./#x", ""),
        ("a~~~b", ""),
        ("...", "..."),
        (".net", ".net"),
        ("a./b", "A./b"),
        ("a/.b", "A/.b"),
        ("~~", "~~"),
    ],
)
def test_titles(raw: str, title: str) -> None:
    assert TITLES.parse(raw).title == title
    assert TITLES.parse(raw).is_article == bool(title)


@pytest.mark.parametrize(
    ("raw", "article", "hidden"),
    [
        ("File:a.jpg", False, True),
        ("file :a.jpg", False, True),
        (":File:a.jpg", False, False),
        ("Category:A", False, True),
        (":category:A", False, False),
        ("Talk:A", False, False),
        ("User_talk:A", False, False),
        ("fr:A", False, True),
        (":fr:A", False, False),
        ("FR:A", False, True),
        ("wikt:a", False, False),
        ("Nothing:a", True, False),
    ],
)
def test_prefixes(raw: str, article: bool, hidden: bool) -> None:
    target = TITLES.parse(raw)
    assert (target.is_article, target.is_hidden) == (article, hidden)


@pytest.mark.parametrize(
    ("language", "raw", "title"),
    [("tr", "istanbul", "İstanbul"), ("tr", "ısparta", "Isparta"), ("az", "i", "İ"), ("kaa", "i_a#b", "İ a"),
     ("de", "istanbul", "Istanbul"), ("ka", "ა_ბ#გ", "ა ბ"), ("el", "ά", "Ά")],
)  # fmt: skip
def test_capitals_by_language(language: str, raw: str, title: str) -> None:
    titles = Titles(site_info(language))
    assert titles.parse(raw).title == title
    assert titles.plain(raw) in (title, None)


@pytest.mark.parametrize(
    ("dbname", "language", "raw", "article", "hidden"),
    [("", "en", ":en:Foo", True, False), ("", "en", "en:foo", True, False), ("enwiki", "en", "EN : :Foo", True, False),
     ("", "en", ":en:Talk:Foo", False, False), ("", "en", "en:fr:Foo", False, True), ("", "de", "en:Foo", False, True),
     ("simplewiki", "en", "en:Foo", False, True), ("simplewiki", "en", "simple:Foo", True, False),
     ("nowiki", "nb", ":no:Foo", True, False), ("zh_yuewiki", "yue", "zh-yue:Foo", True, False)],
)  # fmt: skip
def test_a_wikis_own_prefix(dbname: str, language: str, raw: str, article: bool, hidden: bool) -> None:
    target = Titles(site_info(language, dbname)).parse(raw)
    assert (target.is_article, target.is_hidden) == (article, hidden)
    assert target.title == "Foo"


@given(st.text(max_size=40))
def test_a_title_is_its_own_normal_form(raw: str) -> None:
    title = TITLES.article(raw)
    assert TITLES.article(title) == title
    assert title == title.strip()


@pytest.mark.parametrize(
    ("target", "surface"),
    [("A (b)", "A"), ("A, b", "A"), ("Help:A (b)", "A"), ("A", "A"), ("(b)", "(b)"), ("甲（乙）", "甲"),
     ("甲，乙", "甲"), ("1,000 Places", "1,000 Places"), ("Foo (bar), baz", "Foo"),
     ("A, B (C)", "A, B"), ("A (b) (c)", "A"),
     ("أ، ب", "أ"), (":en:A, b", "A"), (":A, b", "A"), ("A ()", "A ()"), (" A (b) ", "A"), ("甲、乙", "甲、乙")],
)  # fmt: skip
def test_pipe_trick(target: str, surface: str) -> None:
    assert pipe_trick(target) == surface
