"""Two spellings of Chinese, compared as one; offsets stay those of the text as it is written."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cofee_dist.config import Chinese, Labels
from cofee_dist.labels.chinese import _characters, convert
from cofee_dist.labels.gazetteer import build_gazetteer
from cofee_dist.labels.matcher import Matcher
from cofee_dist.labels.normalise import align, normalise, normalise_array

VARIANTS: tuple[Chinese, ...] = ("none", "simplified", "traditional")

#: Pairs of characters that differ, one that both spell alike, one outside the basic plane, and what NFKC moves.
texts = st.text(st.sampled_from("国國汉漢头頭发發髮后後裏里薴苧苎京㐷𠀾金㎡ﬁ か\u3099\u3000，aİ"), max_size=12)


@pytest.mark.parametrize(
    ("text", "simplified", "traditional"),
    [
        ("漢語 abc 汉语", "汉语 abc 汉语", "漢語 abc 漢語"),
        ("頭髮、头发", "头发、头发", "頭髮、頭發"),
        ("薴苧", "苎苎", "薴薴"),
        ("がJe²", "がJe²", "がJe²"),
        ("plain", "plain", "plain"),
    ],
)
def test_characters_are_converted_one_by_one(text: str, simplified: str, traditional: str) -> None:
    assert convert(text, "none") == text
    assert convert(text, "simplified") == simplified
    assert convert(text, "traditional") == traditional


@pytest.mark.parametrize("chinese", ["simplified", "traditional"])
def test_every_character_stays_one_and_is_converted_once(chinese: Chinese) -> None:
    table = _characters(chinese)
    assert len(table) > 2000
    assert all(len(spelled) == 1 and ord(spelled) not in table for spelled in table.values())


@given(texts, st.booleans(), st.sampled_from(VARIANTS))
def test_normalising_twice_changes_nothing(text: str, ignore_case: bool, chinese: Chinese) -> None:
    once = normalise(text, ignore_case, chinese)
    assert normalise(once, ignore_case, chinese) == once
    assert normalise_array(pa.array([text, None]), ignore_case, chinese).to_pylist() == [once, None]


@given(texts, st.sampled_from(VARIANTS))
def test_alignment_spells_as_normalisation_does_and_moves_no_border(text: str, chinese: Chinese) -> None:
    spelled, borders = align(text, chinese=chinese)
    assert spelled.strip() == normalise(text, chinese=chinese)
    assert borders == align(text)[1]


names = st.text(st.sampled_from("国汉语书门马学区图电脑"), min_size=1, max_size=4)


@given(names, st.text(st.sampled_from("，。 ㎡か\u3099"), max_size=5), st.sampled_from(VARIANTS[1:]))
def test_a_name_is_found_in_either_spelling_where_it_stands(name: str, before: str, chinese: Chinese) -> None:
    other = convert(name, "traditional")
    for listed, written in ((name, other), (other, name), (name, name), (other, other)):
        matcher = Matcher(build_gazetteer({"T": [listed]}, Labels(chinese=chinese)))
        text = f"{before}{written}！"
        assert [(entity.start, entity.end) for entity in matcher.find(text)] == [(len(before), len(before + written))]
        plain = Matcher(build_gazetteer({"T": [listed]}, Labels()))
        assert len(plain.find(text)) == (listed == written)


def test_the_two_spellings_of_an_entry_are_duplicates() -> None:
    gazetteer = build_gazetteer({"T": ["头发", "頭髮", "頭發"]}, Labels(chinese="simplified"))
    assert list(gazetteer.entries) == ["头发"]
    assert gazetteer.counts["T"].duplicates == 2
    kept_apart = build_gazetteer({"T": ["头发", "頭髮", "頭發"]}, Labels(chinese="traditional"))
    assert list(kept_apart.entries) == ["頭發", "頭髮"]
