from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cofee_dist.config import Chinese, EntityType, Labels, Task
from cofee_dist.labels import matcher as module
from cofee_dist.labels.gazetteer import build_gazetteer, read_gazetteers
from cofee_dist.labels.matcher import Matcher
from cofee_dist.labels.normalise import align, normalise
from cofee_dist.schemas import Entity


def _matcher(*entries: str, ignore_case: bool = False, chinese: Chinese = "none") -> Matcher:
    return Matcher(build_gazetteer({"T": entries}, Labels(ignore_case=ignore_case, chinese=chinese)))


def _surfaces(matcher: Matcher, text: str) -> list[str]:
    return [text[entity.start : entity.end] for entity in matcher.find(text)]


@pytest.mark.parametrize(
    ("entries", "text", "expected"),
    [
        (
            ["York", "New York", "New York City"],
            "New York City, New York; York!",
            ["New York City", "New York", "York"],
        ),
        (["Ann"], "Annual Ann Joanna Ann's Ann2 2Ann É́Ann", ["Ann", "Ann"]),
        # The longest candidate ends inside a word and must not hide the shorter one, nor one inside it.
        (["New York", "New York C"], "New York City", ["New York"]),
        (["a b c", "b"], "a b cd", ["b"]),
        (["a", "a b", "b c d"], "a b c d", ["a b"]),
        (["北京", "京大学"], "在北京大学", ["北京"]),
        (["NBA", "B"], "我爱NBA球NBAX", ["NBA"]),
        (["08年"], "2008年 08年", ["08年"]),
        (["서울"], "서울은 크다", ["서울"]),
        (["(foo)", "C++", "C"], "a(foo)b C++ C+ C", ["(foo)", "C++", "C", "C"]),
        (["a", "b"], "a b\na\tb", ["a", "b", "a", "b"]),
        (["x"], "", []),
        (["x"], "\x1fx\x1f x\x00x\ufffe", ["x", "x", "x"]),
        (["x"], "\ud800x\udfff", ["x"]),
    ],
)
def test_examples(entries: list[str], text: str, expected: list[str]) -> None:
    assert _surfaces(_matcher(*entries), text) == expected


def test_offsets_are_into_the_text_as_given() -> None:
    matcher = _matcher("New York", "İnönü", "kg", "Straße", ignore_case=True)
    text = "😀ﬁ  NEW\u00a0\u3000yorK ½ i̇nönü, ㎏ STRASSE"
    assert _surfaces(matcher, text) == ["NEW\u00a0\u3000yorK", "i̇nönü", "㎏", "STRASSE"]


def test_a_piece_of_a_character_is_no_hit_and_hides_none() -> None:
    # "2 ½" is spelled "2 1⁄2": the longest candidate ends inside of ½.
    assert _surfaces(_matcher("2 1", "2", "1⁄2", "1"), "2 ½") == ["2", "½"]


def test_types_of_ambiguous_entries() -> None:
    lists = {"PER": ["Paris", "Ada"], "LOC": ["Paris", "New Paris", "Hilton"], "ORG": ["New Paris"]}
    kept = Matcher(build_gazetteer(lists, Labels()))
    assert kept.find("Paris") == [Entity(0, 5, "PER", "gazetteer"), Entity(0, 5, "LOC", "gazetteer")]
    dropped = Matcher(build_gazetteer(lists, Labels(ambiguity="drop")))
    assert dropped.find("Paris Hilton in New Paris") == [Entity(6, 12, "LOC", "gazetteer")]


def test_no_entries_no_hits() -> None:
    assert Matcher(build_gazetteer({}, Labels())).find_all(["a", ""]) == [[], []]


def _is_word(character: str) -> bool:
    unspaced = any(first <= ord(character) <= last for first, last in module._UNSPACED)
    return not unspaced and (character.isalnum() or unicodedata.category(character).startswith("M"))


def _brute_force(matcher: Matcher, text: str, ignore_case: bool, chinese: Chinese = "none") -> list[tuple[int, int]]:
    """Try every piece of the text between two characters that survive normalisation as they are."""
    spelled, borders = align(text, ignore_case, chinese)
    borders = list(range(len(text) + 1)) if borders is None else borders

    def is_edge(at: int) -> bool:
        inside_word = 0 < at < len(spelled) and _is_word(spelled[at - 1]) and _is_word(spelled[at])
        return borders[at] >= 0 and not inside_word

    found, at = [], 0
    while at < len(spelled):
        ends = [e for e in range(at + 1, len(spelled) + 1) if is_edge(at) and is_edge(e)]
        hit = max((e for e in ends if spelled[at:e] in matcher.entries), default=None)
        if hit is not None:
            found.append((borders[at], borders[hit]))
        at = hit or at + 1
    return found


ALPHABET = "aabbA .-'東东京發发髮か\u3099\u0301é½㎡ﬁ2m\u00a0서😀ßİ"
pieces = st.text(st.sampled_from(ALPHABET), min_size=1, max_size=4)
text_pieces = st.text(st.sampled_from(ALPHABET), max_size=14)


@given(
    st.lists(pieces, min_size=1, max_size=8), st.lists(text_pieces), st.booleans(),
    st.sampled_from(["none", "simplified", "traditional"]),
)  # fmt: skip
@example(["a", "a b"], ["a bb", "a b"], False, "none")
@example(["a", "a a"], ["a a a"], False, "none")
@example(["a(b", "a"], ["a (b", "a(b"], False, "none")
def test_hits_equal_brute_force(entries: list[str], texts: list[str], ignore_case: bool, chinese: Chinese) -> None:
    matcher = _matcher(*entries, ignore_case=ignore_case, chinese=chinese)
    for text, found in zip(texts, matcher.find_all(texts), strict=True):
        assert [(entity.start, entity.end) for entity in found] == _brute_force(matcher, text, ignore_case, chinese)
        for entity in found:
            assert normalise(text[entity.start : entity.end], ignore_case, chinese) in matcher.entries


@given(st.lists(pieces, min_size=1, max_size=5), st.lists(st.text(st.sampled_from(ALPHABET), max_size=9)))
def test_chunks_do_not_matter(entries: list[str], texts: list[str]) -> None:
    matcher = _matcher(*entries)
    one_by_one = [matcher.find(text) for text in texts]
    whole, module._CHUNK_CHARACTERS = module._CHUNK_CHARACTERS, 7
    try:
        assert matcher.find_all(texts) == one_by_one
    finally:
        module._CHUNK_CHARACTERS = whole


def test_real_tweets_against_brute_force(shared_data: Path) -> None:
    folder = shared_data / "gazetteers" / "en"
    types = {
        name: EntityType(question="?", gazetteers=(str(folder / f"{name}.txt"),)) for name in ("PER", "LOC", "ORG")
    }
    matcher = Matcher(read_gazetteers(Task(types=types), Labels()))
    lines = (shared_data / "ner" / "twitter2015" / "test.txt").read_text(encoding="utf-8").split("\n\n")[:50]
    tweets = [" ".join(line.split("\t")[0] for line in tweet.split("\n")[1:]) for tweet in lines]
    found = matcher.find_all(tweets)
    entries = set(matcher.entries)
    matcher.entries = entries  # type: ignore[assignment]
    for tweet, entities in zip(tweets, found, strict=True):
        spans = sorted({(entity.start, entity.end) for entity in entities})
        assert spans == _brute_force(matcher, tweet, False)
    assert sum(map(len, found)) > 25
