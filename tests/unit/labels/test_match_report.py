from __future__ import annotations

import pytest

from cofee_dist.config import Labels
from cofee_dist.errors import UserError
from cofee_dist.labels.gazetteer import Gazetteer, build_gazetteer
from cofee_dist.labels.match_report import match_report, require_matches, require_mentions, text_match_report

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
        "never_hit": {"count": 1, "examples": ["Bob"]},
    }
    assert report["types"]["ORG"]["entries_hit"] == 0
    assert report["warnings"] == ["no anchor matches an entry of type ORG (ORG.txt): it gets no weak label"]


def test_a_report_of_text_counts_mentions_and_sentences() -> None:
    gazetteer = _gazetteer(Labels(ambiguity="drop"))
    report = text_match_report(gazetteer, HITS, sentences=50, labelled=5, labelled_by_type={"PER": 2, "LOC": 3})
    assert (report["sentences"], report["sentences_labelled"], report["coverage"]) == (50, 5, 0.1)
    assert report["mentions"] == 6
    of_anchors = match_report(gazetteer, HITS, anchors=44)["types"]["LOC"]
    same = {name: value for name, value in of_anchors.items() if name not in ("anchors_typed", "coverage")}
    assert report["types"]["LOC"] == {**same, "mentions": 3, "coverage": 3 / 50}
    assert report["warnings"] == ["no sentence names an entry of type ORG (ORG.txt): it gets no weak label"]
    require_mentions(report, gazetteer, Labels())


def test_text_without_a_mention_is_the_users_to_mend() -> None:
    gazetteer = _gazetteer(Labels(ambiguity="drop"))
    report = text_match_report(gazetteer, {"Paris": 9}, sentences=50, labelled=0, labelled_by_type={})
    with pytest.raises(UserError, match="none of 50 sentences") as caught:
        require_mentions(report, gazetteer, Labels(ambiguity="drop"))
    assert "keep_all" in str(caught.value)
    assert "language of the texts" in str(caught.value)
    assert "match_on" not in str(caught.value)


def test_dropped_entries_type_nothing_but_are_told() -> None:
    report = match_report(_gazetteer(Labels(ambiguity="drop")), HITS, anchors=44)
    assert report["anchors_typed"] == 6
    assert report["types"]["LOC"]["top_hits"] == [{"entry": "Rome", "count": 3}]
    assert report["types"]["LOC"]["top_ambiguous"][0]["count"] == 5


def test_entries_that_no_anchor_named() -> None:
    lists = {"T": [f"e{n}" for n in range(50, 0, -1)], "U": ["e50", "e49", "x"]}
    for ambiguity in ("keep_all", "drop"):
        gazetteer = build_gazetteer(lists, Labels(ambiguity=ambiguity))
        types = match_report(gazetteer, {"e50": 1, "e47": 2}, 9)["types"]
        unseen = [f"e{n}" for n in (49, 48, *range(46, 0, -1))]
        dropped = unseen[1:] if ambiguity == "drop" else unseen
        assert types["T"]["never_hit"] == {"count": 48, "examples": dropped[:20]}
        assert types["U"]["never_hit"]["count"] == 2
        assert sorted(types["U"]["never_hit"]["examples"]) == ["e49", "x"]


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
    assert "simplified" not in str(caught.value)


def test_a_list_in_chinese_may_be_in_the_other_variant() -> None:
    for labels, told in ((Labels(), True), (Labels(chinese="simplified"), False)):
        gazetteer = build_gazetteer({"LOC": ["Rome", "北京"]}, labels)
        with pytest.raises(UserError) as caught:
            require_matches(match_report(gazetteer, {}, 9), gazetteer, labels)
        assert ("labels.chinese=simplified" in str(caught.value)) is told
