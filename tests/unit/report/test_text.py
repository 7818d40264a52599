from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from cofee_dist.report.text import amount, count, duration, listed, percent, plural, score, shorten, signed


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, "–"),
        (0.44, "0.4 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.6, "1 min 00 s"),
        (200, "3 min 20 s"),
        (3599.7, "1 h 00 min"),
        (3900, "1 h 05 min"),
        (360000, "100 h 00 min"),
    ],
)
def test_duration(seconds: float | None, said: str) -> None:
    assert duration(seconds) == said


def test_numbers() -> None:
    assert (score(None), score(54.55), count(None), count(1234567)) == ("–", "54.5", "–", "1,234,567")
    assert [signed(value) for value in (3.21, -1.0, 0.04, -0.04)] == ["+3.2", "−1.0", "±0.0", "±0.0"]
    assert (plural(1, "entity", "entities"), plural(0, "cluster")) == ("1 entity", "0 clusters")


@given(st.text(), st.integers(1, 40))
def test_shorten_never_exceeds_its_columns(text: str, cells: int) -> None:
    short = shorten(text, cells)
    assert cell_len(short) <= cells
    assert short == text or short.endswith("…")


def test_shorten_counts_chinese_characters_twice() -> None:
    assert shorten("全自动洗衣机", 12) == "全自动洗衣机"
    assert shorten("全自动洗衣机", 11) == "全自动洗衣…"


def test_listed_stops_where_names_no_longer_fit() -> None:
    assert listed(["Paris", "Rome", "Kyoto"], 12) == "Paris, Rome"
    assert listed(["Constantinople", "Rome"], 8) == "Constan…"
    assert listed([], 8) == ""


def test_amount_and_percent() -> None:
    assert [amount(value) for value in (283_212.4, 15.84, 0.012336, 0.0, None)] == [
        "283,200", "15.84", "0.01234", "0", "–",
    ]  # fmt: skip
    assert amount(1449.9, 3) == "1,450"
    assert amount(1.2342e12) == "1.234e+12"
    assert [percent(value) for value in (0.0, 0.004, 0.006, 1, None)] == [
        "0\u00a0%",
        "<1\u00a0%",
        "1\u00a0%",
        "100\u00a0%",
        "–",
    ]
