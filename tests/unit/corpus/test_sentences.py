"""Sentences: offsets, cuts, lengths, and counts that add up."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cofee_dist.config import Corpus
from cofee_dist.corpus.sentences import SentenceRules, sentences
from cofee_dist.corpus.splitters import Splitter
from cofee_dist.corpus.titles import site_info
from cofee_dist.corpus.wikitext import Anchor, Document, render


def split(
    text: str, anchors: list[Anchor], language: str, splitter: Splitter = "auto"
) -> list[tuple[str, list[Anchor]]]:
    """All sentences of a paragraph, with their anchors."""
    rules = SentenceRules(language, 0, 0, 10**9, splitter=splitter)
    return [(sentence.text, sentence.anchors) for sentence in sentences(Document(text, anchors), rules, Counter())]


def cut(text: str, language: str = "en") -> list[str]:
    return [sentence for sentence, _ in split(text, [], language)]


@pytest.mark.parametrize(
    ("language", "sentences_"),
    [
        ("en", ["Dr. Smith left the U.S. in 1999.", "He was 3.5 metres tall.", "Was he?"]),
        ("en", ["It was written by J. K. Rowling.", "Then came World War II.", "Nobody knew."]),
        ("en", ["😀 Emoji come first.", "Then 𝒳 other planes 😀.", "And the end."]),
        ("de", ["Er kam am 3. Oktober 1990.", "Dann ging er."]),
        ("bg", ["Той е роден в София през 1967 г. в семейство.", "Той живее там."]),
        ("zh", ["他说：“你好。”", "然后走了！", "真的？", "没有句号"]),
        ("ja", ["東京は首都である。", "「はい。」", "終わり"]),
    ],
)
def test_cuts(language: str, sentences_: list[str]) -> None:
    joiner = "" if language in ("zh", "ja") else " "
    assert cut(joiner.join(sentences_), language) == sentences_


@pytest.mark.parametrize(
    ("language", "text", "number"),
    [
        ("hi", "यह एक वाक्य है। यह दूसरा है। हाँ?", 3),
        ("bn", "এটি এক। এটি দুই।", 2),
        ("hy", "Սա մեկ է։ Սա երկու է։", 2),
        ("am", "ይህ አንድ ነው። ይህ ሁለት ነው።", 2),
        ("my", "နေကောင်းလား။ ကောင်းတယ်။", 2),
        ("km", "នេះជាមួយ។ នេះជាពីរ។", 2),
        ("ur", "یہ جملہ ہے۔ یہ دوسرا ہے۔", 2),
        ("ar", "هذا سؤال؟ نعم. هذا جواب.", 3),
    ],
)
def test_languages_with_full_stops_of_their_own(language: str, text: str, number: int) -> None:
    found = cut(text, language)
    assert len(found) == number
    assert " ".join(found) == text


def test_a_config_says_which_splitter_and_unit_a_language_takes() -> None:
    text = "Dr. Smith left the U.S. in 1999. Was he? Yes."
    assert cut(text) == ["Dr. Smith left the U.S. in 1999.", "Was he?", "Yes."]
    by_stops = [sentence for sentence, _ in split(text, [], "en", "full_stops")]
    assert by_stops == ["Dr. Smith left the U.S. in 1999. Was he?", "Yes."]
    assert [sentence for sentence, _ in split("他说。走了！", [], "zh", "blingfire")] == ["他说。", "走了！"]
    config = Corpus(sentence_splitter="full_stops", sentence_length_unit="characters")
    rules = SentenceRules.of(config, "en")
    assert rules.length("ab cd") == 5
    kept = sentences(render("[[A]] is b! [[C]] is d.", site_info("en")), replace(rules, min_anchors=1), Counter())
    assert [sentence.text for sentence in kept] == ["A is b!", "C is d."]


def test_no_cut_within_an_anchor() -> None:
    text = "He read Who? What? Where? on a train. It was good."
    start, end = text.index("Who?"), text.index(" on a")
    anchors = [Anchor(start, end, "Who? What? Where?"), Anchor(text.index("It"), text.index(" was"), "It")]
    found = split(text, anchors, "en")
    assert [sentence for sentence, _ in found] == ["He read Who? What? Where? on a train.", "It was good."]
    assert [[sentence[a:b] for a, b, _ in inside] for sentence, inside in found] == [["Who? What? Where?"], ["It"]]


_TEXT = st.text(st.sampled_from("abAB .!?。！😀𝒳é\u00a0\u2028(\"'1,;"), min_size=1, max_size=80)


@given(_TEXT, st.lists(st.integers(0, 79), max_size=8), st.sampled_from(["en", "de", "zh", "th"]))
@settings(max_examples=400, deadline=None)
def test_sentences_cover_the_text_and_keep_every_anchor(text: str, edges: list[int], language: str) -> None:
    bounds = sorted({min(edge, len(text)) for edge in edges})
    pairs = list(zip(bounds[::2], bounds[1::2], strict=False))
    anchors = [Anchor(a, b, "T") for a, b in pairs if text[a:b] == text[a:b].strip() and b > a]
    found = split(text, anchors, language)
    assert "".join("".join(s for s, _ in found).split()) == "".join(text.split())
    surfaces = [sentence[a:b] for sentence, inside in found for a, b, _ in inside]
    assert surfaces == [text[a:b] for a, b, _ in anchors]
    assert all(sentence == sentence.strip() and sentence for sentence, _ in found)


def run(wikitext: str, **limits: int) -> tuple[list[str], Counter[str]]:
    rules = SentenceRules("en", **({"min_anchors": 2, "min_length": 3, "max_length": 6} | limits))
    counts: Counter[str] = Counter()
    found = sentences(render(wikitext, site_info("en")), rules, counts)
    assert [sentence.number for sentence in found] == list(range(len(found)))
    for sentence in found:
        assert all(sentence.text[a:b] for a, b, _ in sentence.anchors)
    dropped = sum(number for name, number in counts.items() if name.startswith("dropped."))
    assert counts["candidates"] == len(found) + dropped
    lost = sum(number for name, number in counts.items() if name.startswith("links_dropped."))
    assert counts["links_kept"] == sum(len(sentence.anchors) for sentence in found)
    assert counts["links_kept"] + lost == len(render(wikitext, site_info("en")).anchors)
    return [sentence.text for sentence in found], counts


def test_every_drop_has_a_reason() -> None:
    page = "\n\n".join(
        [
            "A [[b]] and [[c]] here. Only [[d]] in this one. [[E]] [[f]].",
            "[[G]] [[h]] one two three four five six.",
            "Nothing in here. And not here.",
            "Just [[one]] in here. And not here.",
        ]
    )
    kept, counts = run(page)
    assert kept == ["A b and c here."]
    assert {name: number for name, number in counts.items() if name.startswith("dropped.")} == {
        "dropped.too_few_anchors": 1,
        "dropped.too_short": 1,
        "dropped.too_long": 1,
        "dropped.paragraph_too_few_anchors": 2,
    }


def test_a_sentence_knows_its_section() -> None:
    wikitext = "[[A]] and [[b]].\n== S ==\n[[C]] and [[d]].\n=== T ===\n=== U ===\n* [[E]] and [[f]]."
    rules = SentenceRules("en", 2, 1, 100)
    found = sentences(render(wikitext, site_info("en")), rules, Counter())
    assert [(sentence.section, sentence.text) for sentence in found] == [
        ("", "A and b."),
        ("S", "C and d."),
        ("U", "E and f."),
    ]


def test_lengths_are_in_words_or_in_characters() -> None:
    config = Corpus(min_anchors=1, min_sentence_length=2, max_sentence_length=5)
    assert SentenceRules.of(config, "en").length("four words are here") == 4
    assert [SentenceRules.of(config, language).length("北京 市") for language in ("zh", "ja", "th", "zh-yue")] == [
        4
    ] * 4
