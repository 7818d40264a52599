"""Over-long sentences: dropped or in parts, counted, never cut inside an anchor."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cofee_dist.config import Corpus
from cofee_dist.corpus.overlong import parts
from cofee_dist.corpus.sentences import SentenceRules, sentences
from cofee_dist.corpus.titles import site_info
from cofee_dist.corpus.wikitext import Anchor, render


def cut(text: str, most: int, in_characters: bool = False, anchors: list[Anchor] | None = None) -> list[str]:
    return [part for part, _ in parts(text, anchors or [], most, in_characters)]


@pytest.mark.parametrize(
    ("text", "most", "found"),
    [
        ("a b c d", 4, ["a b c d"]),
        ("a b c, d; e f g h", 6, ["a b c, d;", "e f g h"]),
        ("a b c, d e f g h", 5, ["a b c,", "d e f g h"]),
        ("a; b c d e f g h", 5, ["a; b c d e", "f g h"]),
        ("a b c d e f g", 3, ["a b c", "d e f", "g"]),
        ("1,000 2;3 4,5 6", 2, ["1,000 2;3", "4,5 6"]),
    ],
)
def test_the_best_place_is_a_semicolon_then_a_comma_then_a_space(text: str, most: int, found: list[str]) -> None:
    assert cut(text, most) == found


def test_languages_without_spaces_are_cut_at_their_signs_else_anywhere() -> None:
    assert cut("一二三，四五六七；八九十", 8, True) == ["一二三，", "四五六七；八九十"]
    assert cut("一二三，四五；八九十", 7, True) == ["一二三，四五；", "八九十"]
    assert cut("一二三四五六七", 3, True) == ["一二三", "四五六", "七"]


def test_an_anchor_is_never_cut_even_one_that_is_too_long() -> None:
    text = "x a b c d e f y z"
    anchors = [Anchor(2, 13, "T")]
    assert cut(text, 3, anchors=anchors) == ["x", "a b c d e f", "y z"]
    found = list(parts(text, anchors, 3, False))
    assert [part[a:b] for part, inside in found for a, b, _ in inside] == ["a b c d e f"]


_TEXT = st.text(st.sampled_from("ab ,;，；北😀\u060c"), min_size=1, max_size=120).map(str.strip).filter(bool)


@given(_TEXT, st.lists(st.integers(0, 119), max_size=10), st.integers(1, 12), st.booleans())
@settings(max_examples=500)
def test_parts_are_the_text_and_keep_every_anchor(text: str, edges: list[int], most: int, in_characters: bool) -> None:
    bounds = sorted({min(edge, len(text)) for edge in edges})
    pairs = zip(bounds[::2], bounds[1::2], strict=False)
    anchors = [Anchor(a, b, "T") for a, b in pairs if text[a:b] == text[a:b].strip() and b > a]
    found = list(parts(text, anchors, most, in_characters))
    assert "".join("".join(part.split()) for part, _ in found) == "".join(text.split())
    assert [part[a:b] for part, inside in found for a, b, _ in inside] == [text[a:b] for a, b, _ in anchors]
    for part, inside in found:
        assert part == part.strip(" ")
        length = len(part) if in_characters else len(part.split())
        assert length <= most or inside or (not in_characters and len(part.split(" ")) == 1)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("piece", ["a ", "a", ", ", "; ", "，", " "])
@pytest.mark.parametrize("in_characters", [True, False])
def test_hostile_sentences_end(piece: str, in_characters: bool) -> None:
    text = (piece * (400_000 // len(piece))).strip()
    anchors = [Anchor(at, at + 1, "T") for at in range(0, len(text) - 1, 2) if not text[at].isspace()]
    assert sum(len(inside) for _, inside in parts(text, anchors, 250, in_characters)) == len(anchors)


PAGE = "Of [[a]] and [[b]] one says this; of [[c]] and [[d]] one says that, and of [[e]] nothing."


def run(overlong: str) -> tuple[list[str], Counter[str]]:
    config = Corpus.model_validate(
        {"min_anchors": 2, "max_sentence_length": 8, "overlong_sentences": overlong, "min_sentence_length": 1}
    )
    counts: Counter[str] = Counter()
    found = sentences(render(PAGE, site_info("en")), SentenceRules.of(config, "en"), counts)
    assert counts["links_kept"] + sum(n for name, n in counts.items() if name.startswith("links_dropped.")) == 5
    assert counts["candidates"] == len(found) + sum(n for name, n in counts.items() if name.startswith("dropped."))
    return [sentence.text for sentence in found], counts


def test_a_config_drops_them() -> None:
    kept, counts = run("drop")
    assert kept == []
    assert (counts["overlong_sentences"], counts["dropped.too_long"], counts["links_dropped.too_long"]) == (1, 1, 5)


def test_a_config_splits_them_and_each_part_needs_its_anchors() -> None:
    kept, counts = run("split")
    assert kept == ["Of a and b one says this;", "of c and d one says that,"]
    assert (counts["overlong_sentences"], counts["dropped.too_few_anchors"], counts["candidates"]) == (1, 1, 3)
