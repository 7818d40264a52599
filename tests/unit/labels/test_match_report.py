from __future__ import annotations

import pytest

from cofee_dist.config import Labels
from cofee_dist.errors import UserError
from cofee_dist.labels.gazetteer import Gazetteer, build_gazetteer
from cofee_dist.labels.match_report import match_report, require_matches

LISTS = {"PER": ["Ada", "Paris", "Bob", "Bob"], "LOC": ["Paris", "Rome"], "ORG": ["NASA"]}
FILES = {name: (f"{name}.txt",) for name in LISTS}
HITS = {"Ada": 3, "Paris": 5, "Rome": 3}


def _gazetteer(labels: Labels) -> Gazetteer:
    return build_gazetteer(LISTS, labels, FILES)


def test_a_report() -> None:
    report = match_report(_gazetteer(Labels()), HITS, anchors=44)
    assert (report["anchors"], report["anchors_typed"], report["coverage"]) == (44, 11, 0.25)
    assert report["types"]["PER"] == {
        "entries": 3,
        "duplicates": 1,
        "ambiguous": 1,
        "entries_hit": 2,
        "anchors_typed": 8,
        "coverage": 8 / 44,
        "top_hits": [{"entry": "Paris", "count": 5}, {"entry": "Ada", "count": 3}],
        "top_ambiguous": [{"entry": "Paris", "count": 5, "types": ["PER", "LOC"]}],
    }
    assert report["types"]["ORG"]["entries_hit"] == 0
    assert report["warnings"] == ["no anchor matches an entry of type ORG (ORG.txt): it gets no weak label"]


def test_dropped_entries_type_nothing_but_are_told() -> None:
    report = match_report(_gazetteer(Labels(ambiguity="drop")), HITS, anchors=44)
    assert report["anchors_typed"] == 6
    assert report["types"]["LOC"]["top_hits"] == [{"entry": "Rome", "count": 3}]
    assert report["types"]["LOC"]["top_ambiguous"][0]["count"] == 5


def test_twenty_at_the_top() -> None:
    gazetteer = build_gazetteer({"T": [f"e{n:02}" for n in range(30)]}, Labels())
    top = match_report(gazetteer, {f"e{n:02}": 1 + n // 2 for n in range(30)}, 1000)["types"]["T"]["top_hits"]
    assert [hit["entry"] for hit in top[:3]] == ["e28", "e29", "e26"]
    assert len(top) == 20


def test_advice_fits_the_settings() -> None:
    labels = Labels(match_on="both", ambiguity="drop", ignore_case=True)
    gazetteer = _gazetteer(labels)
    with pytest.raises(UserError, match="none of 9 anchors") as caught:
        require_matches(match_report(gazetteer, {"paris": 4}, 9), gazetteer, labels)
    assert "keep_all" in str(caught.value)
    assert "ignore_case" not in str(caught.value)
    assert "PER: PER.txt; LOC: LOC.txt; ORG: ORG.txt" in str(caught.value)
    with pytest.raises(UserError, match="no anchors to match"):
        require_matches(match_report(gazetteer, {}, 0), gazetteer, labels)
    require_matches(match_report(gazetteer, {"ada": 1}, 9), gazetteer, labels)
