"""What is said when too many pages could not be read."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from cofee_dist.config import Corpus
from cofee_dist.corpus.quarantine import Quarantined, check_quarantined
from cofee_dist.errors import UserError


def found() -> Quarantined:
    quarantined = Quarantined()
    for number in range(1200):
        quarantined.add("too_large", number, f"List\n {number}")
    quarantined.add("malformed_page", 7, "")
    quarantined.add("malformed_page", -1, "")
    quarantined.add("too_slow", 8, "x" * 100)
    return quarantined


def test_reasons_name_their_first_pages() -> None:
    assert str(found()) == (
        f"too_large 1,200 (List 0, List 1, List 2, …); malformed_page 2 (page 7, no title); too_slow 1 ({'x' * 60}…)"
    )


def test_too_many_are_told_with_reasons_and_pages(tmp_path: Path) -> None:
    dump = tmp_path / "d.xml"
    dump.write_bytes(b"x" * 100)
    counts = Counter(pages=2000, quarantined=1203)
    with pytest.raises(UserError) as raised:
        check_quarantined(counts, found(), Corpus(dumps=(str(dump),)))
    said = str(raised.value)
    assert "1,203 of 2,000 pages could not be read (60.2%; at most 5.0% may)" in said
    assert "too_large 1,200 (List 0, List 1, List 2, …)" in said
    check_quarantined(counts, found(), Corpus(dumps=(str(dump),), max_quarantined_share=0.7))


def test_damage_is_told_with_its_first_places_and_the_folder_of_all(tmp_path: Path) -> None:
    dump = tmp_path / "d.xml"
    dump.write_bytes(b"x" * 100)
    places = [f"bytes {start} to {start + 5} of d.bz2 cannot be decoded" for start in (1000, 20, 300, 7)]
    with pytest.raises(UserError) as raised:
        check_quarantined(
            Counter(damaged_bytes=20, damaged_streams=4),
            Quarantined(tmp_path / "q", places),
            Corpus(dumps=(str(dump),)),
        )
    said = str(raised.value)
    assert "bytes 7 to 12 of d.bz2 cannot be decoded; bytes 20 to 25 of" in said
    assert "bytes 300 to" in said
    assert "bytes 1000 to" not in said
    assert str(tmp_path / "q") in said
