from __future__ import annotations

import sys
import unicodedata
from itertools import pairwise

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cofee_dist.labels.normalise import (
    IRREGULAR,
    align,
    base_titles,
    normalise,
    normalise_array,
    spelling_table,
)

#: Characters that normalisation moves: composing, growing, shrinking, odd spaces, cases of other lengths.
TRICKY = (
    "aAeJıİßẞſǰŉ\u0301\u030c\u0345\u0327\u1161\u11a8각ﬁ㎡½Å\u212b¨\u3000\u00a0 \t\x1f\u2028\u200b，１가か\u3099ｶﾞ東😀𝒳ΐ"
)
texts = st.one_of(
    st.text(st.sampled_from(TRICKY), max_size=12),
    st.text(st.characters(exclude_categories=("Cs",)), max_size=20),
    st.text(st.characters(max_codepoint=127), max_size=20),
)


@pytest.mark.parametrize(
    ("raw", "expected", "folded"),
    [
        (" New \t York\u00a0", "New York", "new york"),
        ("Ｍozart", "Mozart", "mozart"),
        ("A\u030angström", "\u00c5ngström", "\u00e5ngström"),
        ("Straße", "Straße", "strasse"),
        ("İnönü", "İnönü", "i̇nönü"),
        ("\u3000", "", ""),
    ],
)
def test_examples(raw: str, expected: str, folded: str) -> None:
    assert normalise(raw) == expected
    assert normalise(raw, ignore_case=True) == folded


@given(texts, st.booleans())
def test_normalising_twice_changes_nothing(text: str, ignore_case: bool) -> None:
    once = normalise(text, ignore_case)
    assert normalise(once, ignore_case) == once


@given(st.text(st.sampled_from(TRICKY)))
@example("\u0345\uff9e")
def test_case_does_not_tell_names_apart_when_ignored(text: str) -> None:
    # Not NFD: halfwidth marks move before U+0345 when they decompose, and no more once it is a letter.
    folded = unicodedata.normalize("NFKD", text).casefold()
    assert normalise(folded, ignore_case=True) == normalise(text, ignore_case=True)


@given(st.lists(st.none() | texts), st.booleans())
def test_arrays_are_normalised_as_strings_are(names: list[str | None], ignore_case: bool) -> None:
    expected = [None if name is None else normalise(name, ignore_case) for name in names]
    assert normalise_array(pa.array(names, pa.string()), ignore_case).to_pylist() == expected


@given(texts, st.booleans())
@example("J\u030cß", True)
@example("a \u00a8", False)
def test_alignment_spells_as_normalisation_does_and_leads_back(text: str, ignore_case: bool) -> None:
    spelled, borders = align(text, ignore_case)
    assert spelled.strip() == normalise(text, ignore_case)
    borders = list(range(len(text) + 1)) if borders is None else borders
    assert len(borders) == len(spelled) + 1
    real = [(at, border) for at, border in enumerate(borders) if border >= 0]
    assert real[-1] == (len(spelled), len(text))
    assert [border for _, border in real] == sorted({border for _, border in real})
    # What lies between two borders is spelled as if it stood alone.
    for (at, border), (next_at, next_border) in pairwise(real):
        alone = normalise(text[border:next_border], ignore_case)
        assert spelled[at:next_at].strip() == alone


@pytest.mark.parametrize("ignore_case", [False, True])
def test_every_code_point_aligns_alone(ignore_case: bool) -> None:
    for code in range(0, sys.maxunicode + 1):
        if 0xD800 <= code < 0xE000 or 0x30000 <= code < 0xE0000 or code >= 0xE0200:
            continue
        character = chr(code)
        spelled, borders = align(character, ignore_case)
        assert spelled.strip() == normalise(character, ignore_case), hex(code)
        assert (borders or [0, 1])[-1] == 1, hex(code)


@pytest.mark.parametrize("ignore_case", [False, True])
def test_the_table_spells_a_character_as_alignment_does(ignore_case: bool) -> None:
    table = spelling_table(ignore_case, "simplified")
    irregular = []
    for code in (*range(0x3100), *range(0x4E00, 0x5200), *range(0xF900, 0x10000), 0x1F600, 0x2F800, 0xE0101):
        if 0xD800 <= code < 0xE000:
            continue
        spelled, _ = align(chr(code), ignore_case, "simplified")
        if table[code] == IRREGULAR:
            irregular.append(chr(code))
        else:
            assert chr(table[code]) == spelled, hex(code)
    assert {"\t", "\u00a8", "½", "ﬁ", "\u0301", "\u3099", "\u1161"} <= set(irregular)
    assert not {"a", " ", "\u00a0", "é", "東", "，", "Ａ"} & set(irregular)


def test_a_character_that_grows_has_no_border_inside() -> None:
    assert align("2㎡ x") == ("2m2 x", [0, 1, -1, 2, 3, 4])
    assert align("a  b") == ("a b", [0, 1, 3, 4])
    assert align("plain text") == ("plain text", None)
    assert align("东京，大阪") == ("东京,大阪", None)


def test_base_titles() -> None:
    titles = ["Paris (mythology)", "Paris", "(What's the Story)", "A (b) (c)", "A (b) c", "X(Y)", None]
    assert base_titles(pa.array(titles)).to_pylist() == [
        "Paris", "Paris", "(What's the Story)", "A (b)", "A (b) c", "X", None,
    ]  # fmt: skip
    wide = ["Paris（消歧义）", "巴黎\u3000（市） ", "巴黎（市)", "（全）", "A（b）（c）"]
    assert base_titles(pa.array(wide)).to_pylist() == ["Paris", "巴黎", "巴黎", "（全）", "A（b）"]
