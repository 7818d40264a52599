"""Short cuts for what is common give what the general way gives, on any text."""

from __future__ import annotations

import re
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from cofee_dist.corpus import markup
from cofee_dist.corpus.links import Links
from cofee_dist.corpus.literals import BARRIER, HOLE
from cofee_dist.corpus.paragraphs import document
from cofee_dist.corpus.templates import _outermost, _outermost_of_pairs
from cofee_dist.corpus.titles import SiteInfo, Target, Titles

LINKS = Links(SiteInfo())


def texts(*pieces: str) -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(pieces), max_size=20).map("".join)


def paragraph(text: str) -> str:
    return re.sub(" {2,}", " ", text).strip(" ")


@given(
    texts("a", "b c", " ", "[[x]]", "[[x|y z]]", "[[x| y ]]", "[[x|]]", "[[Category:k]]", "[", "]", "[[", "]]", BARRIER)
)
def test_a_paragraph_of_plain_links(text: str) -> None:
    text = paragraph(text)
    first, *pieces = LINKS._link.split(text)
    shown, anchors = LINKS.with_anchors(text, 7)
    assert (shown, anchors) == LINKS._with_anchors_and_strays(first, pieces, 7)
    found = LINKS.count(text)
    assert found is None or (found == len(anchors) and shown.strip(" "))


@given(
    texts("a", "'", "''", HOLE, BARRIER, " ", "(", ")", ",", "[[x]]", "[[''x'']]", "[[x|y]]", "[[x|", "|]]", "[[", "]]")
)
def test_a_paragraph_that_is_counted_has_as_many_anchors_as_one_that_is_rendered(text: str) -> None:
    rendered, counted = (document([text], LINKS, least) for least in (0, 99))
    assert counted.left_out == ([len(rendered.anchors)] if rendered.text else [])


@given(texts("{{", "}}", "a", "|", "{", "}", "{{b}}", "{{c|{{d}}}}"))
def test_braces_in_pairs(text: str) -> None:
    spans = _outermost_of_pairs(text)
    assert spans is None or spans == _outermost(text)


@given(texts("{{b}}", "a", "|", "{{c|{{d}}}}", "}}", "\n"))
def test_balanced_braces_take_the_short_cut(text: str) -> None:
    assert ("{{{" in text) or _outermost_of_pairs(text) is not None


@given(texts(HOLE, " ", "a", "(", ")", "（", "）", ",", ";", "、", ".", "\n", "]]", "[[", "  "))
def test_holes_between_words(text: str) -> None:
    with patch.object(markup, "_PLAIN_HOLE", re.compile(r"(?!)")):
        slow = markup.close_holes(text)
    assert markup.close_holes(text) == slow


@given(
    texts(
        "a",
        "i",
        "É",
        "E",
        "\u0301",
        "ა",
        ".",
        "/",
        "~~",
        "ß",
        " ",
        "_",
        ":",
        "File:",
        "de",
        "#",
        "%41",
        "<",
        "\u00a0",
        "\u200e",
        "x" * 60,
    )
)
def test_a_target_of_plain_words(raw: str) -> None:
    titles = Titles(SiteInfo("tr"))
    title = titles.plain(raw)
    assert title is None or titles.parse(raw) == Target(title)
