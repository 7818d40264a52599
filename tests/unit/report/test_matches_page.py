from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from cofee_dist.artifacts import read_json
from cofee_dist.config import Labels
from cofee_dist.labels.gazetteer import build_gazetteer
from cofee_dist.labels.match_report import match_report, text_match_report
from cofee_dist.labels.never_hit import write_never_hit
from cofee_dist.report.matches_page import render_matches, write_matches
from tests.unit.report.test_page import outline

LONG = "北京大学" * 30 + "x" * 200
LISTS = {
    "PER": ["Ada", "Paris", *(f"Nobody {number}" for number in range(30))],
    "LO/C": ["Paris", "Rome", LONG, "<b>&"],
    "ORG": ["NASA", "Paris"],
}
HITS = {"Ada": 1200, "Paris": 700, "Rome": 3, LONG: 2, "<b>&": 1}


def sample(of_text: bool, ambiguity: Any = "keep_all") -> dict[str, Any]:
    """A match report with everything that makes a page hard: long names, markup, a type without a hit."""
    gazetteer = build_gazetteer(LISTS, Labels(ambiguity=ambiguity), {name: (f"{name}.txt",) for name in LISTS})
    if of_text:
        return text_match_report(gazetteer, HITS, 5000, 1300, {"PER": 1100, "LO/C": 300})
    return match_report(gazetteer, HITS, 44_000)


@pytest.mark.parametrize("ambiguity", ["keep_all", "drop"])
@pytest.mark.parametrize("of_text", [False, True])
def test_page_is_well_formed_and_asks_nothing_of_the_network(of_text: bool, ambiguity: str) -> None:
    page = render_matches(sample(of_text, ambiguity), "run <1>")
    found = outline(page)
    assert (found.faults, found.open) == ([], [])
    assert len(found.ids) == len(set(found.ids))
    assert set(found.fetched) == {"data:,"}
    assert {target.removeprefix("#") for target in found.targets} <= set(found.ids)
    assert "<script" not in page
    assert not re.search(r"url\((?!#)|@import", page)
    assert "&lt;b&gt;&amp;" in page
    assert "run &lt;1&gt;" in page
    assert ("no sentence names" if of_text else "no anchor matches") in page or ambiguity == "keep_all"


def test_page_shows_the_numbers() -> None:
    page = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", render_matches(sample(False), "r")))
    for shown in (
        "4.3 %",
        "1,906 of 44,000 anchors",
        "Ada 1,200",
        "Paris PER, LO/C, ORG 700",
        "30 entries of 32 (93.8 %)",
    ):
        assert shown in page
    assert "The first: Nobody 0, Nobody 1" in page
    page = render_matches(sample(True), "r")
    assert "26.0 %" in page
    assert "1,300 of 5,000 sentences" in page


def test_what_was_never_met_is_in_a_file_that_the_page_leads_to(tmp_path: Path) -> None:
    gazetteer = build_gazetteer(LISTS, Labels(ambiguity="drop"))
    report = match_report(gazetteer, HITS, 9000)
    write_never_hit(gazetteer, HITS, report, tmp_path)
    page = write_matches(report, tmp_path, "r")
    assert read_json(tmp_path / "matches.json") == report
    links = [target for target in outline(page.read_text(encoding="utf-8")).targets if not target.startswith("#")]
    assert links == ["never_hit/0-PER.txt", "never_hit/2-ORG.txt"]
    assert (tmp_path / links[0]).read_text(encoding="utf-8").splitlines() == LISTS["PER"][2:]
    assert (tmp_path / links[1]).read_text(encoding="utf-8") == "NASA\n"
