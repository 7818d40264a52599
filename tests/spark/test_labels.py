"""The join of anchors with gazetteers, against a plain loop over the same rows."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cofee_dist.config import EntityType, Labels, Task
from cofee_dist.errors import UserError
from cofee_dist.labels import ledger
from cofee_dist.labels.gazetteer import read_gazetteers
from cofee_dist.labels.matcher import Matcher
from cofee_dist.labels.normalise import normalise
from cofee_dist.labels.spark import type_anchors
from cofee_dist.labels.spark_texts import label_texts
from cofee_dist.schemas import SENTENCES, Entity, LabelledSentence

pytestmark = pytest.mark.spark

_ENTRIES = {
    "PER": ["Ada Lovelace", "Paris", "Ｍozart", "Straße", "İnönü", "Paris (mythology)", "\u212bngström"],
    "LOC": ["Paris", "New  York", "東京", "Ada", "Washington", "\u00c5ngström"],
    "ORG": ["NASA", "unseen thing"],
}
# Surface, target; emoji before them make UTF-16 and code points differ.
_ANCHORS = [
    ("Ada Lovelace", "Ada Lovelace"),
    ("Paris", "Paris"),
    ("he", "Paris (mythology)"),
    ("New\u00a0York", "New York City"),
    ("Mozart", "Wolfgang Amadeus Mozart"),
    ("STRASSE", "Road"),
    ("i̇nönü", "İsmet İnönü"),
    ("東京", "東京都"),
    ("东京", "东京都"),
    ("nasa", "NASA"),
    ("D.C.", "Washington (city)"),
    ("A\u030angström", "Unit"),
    ("😀", "Emoji"),
    ("  Ada ", "Ada (given name)"),
    ("nothing", "Nothing at all"),
]


def _sentences() -> list[dict[str, Any]]:
    rows = []
    for number in range(60):
        text, anchors = "😀 𝒳: ", []
        for surface, target in (_ANCHORS[(number * step + step) % len(_ANCHORS)] for step in (1, 3, 5)):
            anchors.append({"start": len(text), "end": len(text) + len(surface), "target": target})
            text += surface + " — "
        rows.append(
            {
                "page_id": 100 - number // 3,
                "revision_id": 1,
                "title": "T",
                "section": "",
                "sentence_index": number % 3,
                "text": text,
                "anchors": anchors if number % 7 else [],
            }
        )
    return rows


@pytest.fixture(scope="module")
def sentences_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sentences")
    rows = _sentences()
    for part in range(3):
        pq.write_table(pa.Table.from_pylist(rows[part::3], schema=SENTENCES), folder / f"part-{part}.parquet")
    return folder


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Task:
    return _task(tmp_path_factory.mktemp("gazetteers"), _ENTRIES)


def _task(folder: Path, entries: dict[str, list[str]]) -> Task:
    types = {}
    for name, lines in entries.items():
        (folder / name).write_text("\n".join(lines), encoding="utf-8")
        types[name] = EntityType(question=name, gazetteers=(str(folder / name),))
    return Task(types=types)


def _oracle(rows: list[dict[str, Any]], task: Task, labels: Labels) -> tuple[list[LabelledSentence], Counter[str]]:
    gazetteer = dict(read_gazetteers(task, labels).items())
    expected, hits = [], Counter[str]()
    for row in sorted(rows, key=lambda row: (row["page_id"], row["sentence_index"])):
        entities = []
        for anchor in row["anchors"]:
            surface, title = row["text"][anchor["start"] : anchor["end"]], anchor["target"]
            base = title[: title.rindex("(")] if title.endswith(")") else title
            candidates = {"surface": [surface], "target": [title, base], "both": [title, surface, base]}
            for candidate in candidates[labels.match_on]:
                name = normalise(candidate, labels.ignore_case, labels.chinese)
                if name in gazetteer:
                    hits[name] += 1
                    entities += [Entity(anchor["start"], anchor["end"], t, "gazetteer") for t in gazetteer[name]]
                    break
        if entities:
            ordered = tuple(sorted(entities, key=lambda e: (e.start, e.end, e.type)))
            expected.append(LabelledSentence(row["text"], ordered, row["page_id"], row["sentence_index"]))
    return expected, hits


@pytest.mark.parametrize("match_on", ["surface", "target", "both"])
@pytest.mark.parametrize(
    "settings", [{}, {"ambiguity": "drop", "ignore_case": True, "chinese": "simplified"}], ids=["plain", "folded"]
)
def test_the_join_equals_a_loop(
    spark: Any, sentences_path: Path, task: Task, tmp_path: Path, match_on: Any, settings: dict[str, Any]
) -> None:
    labels = Labels(match_on=match_on, **settings)
    counts, report = type_anchors(spark, sentences_path, tmp_path, task, labels)
    expected, hits = _oracle(_sentences(), task, labels)

    assert expected
    assert ledger.to_sentences(ledger.read_iteration(tmp_path, 0)) == expected
    entries = read_gazetteers(task, labels).entries
    assert counts == {
        "sentences": 60,
        "anchors": sum(len(row["anchors"]) for row in _sentences()),
        "sentences_labelled": len(expected),
        "anchors_typed": sum(count for name, count in hits.items() if name in entries),
        "entities": sum(len(sentence.entities) for sentence in expected),
    }
    for name, of_type in report["types"].items():
        by_entry = {entry: count for entry, count in hits.items() if name in entries.get(entry, ())}
        assert {hit["entry"]: hit["count"] for hit in of_type["top_hits"]} == by_entry
        assert of_type["entries_hit"] == len(by_entry)
        assert not set(of_type["never_hit"]["examples"]) & set(hits)


def test_a_shuffled_join_gives_the_same_files(
    spark: Any, sentences_path: Path, task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = Labels(match_on="both")
    type_anchors(spark, sentences_path, tmp_path, task, labels)
    monkeypatch.setattr("cofee_dist.labels.spark._BROADCAST_ENTRIES", 0)
    threshold = spark.conf.get("spark.sql.autoBroadcastJoinThreshold")
    spark.conf.set("spark.sql.autoBroadcastJoinThreshold", "-1")
    try:
        type_anchors(spark, sentences_path, tmp_path / "shuffled", task, labels)
    finally:
        spark.conf.set("spark.sql.autoBroadcastJoinThreshold", threshold)
    assert ledger.read_iteration(tmp_path, 0).equals(ledger.read_iteration(tmp_path / "shuffled", 0))


@pytest.mark.parametrize("source", ["anchors", "text"])
def test_labels_do_not_depend_on_how_the_work_is_cut(
    spark: Any, sentences_path: Path, task: Task, tmp_path: Path, source: Any
) -> None:
    label = type_anchors if source == "anchors" else label_texts
    labels = Labels(match_on="both", source=source, ambiguity="drop", ignore_case=True)
    counts, report = label(spark, sentences_path, tmp_path / "one", task, labels)
    rows = _sentences()
    (tmp_path / "many").mkdir()
    for part in range(7):
        some = rows[len(rows) - 1 - part :: -7]
        pq.write_table(pa.Table.from_pylist(some, schema=SENTENCES), tmp_path / "many" / f"part-{part}.parquet")
    partitions = spark.conf.get("spark.sql.shuffle.partitions")
    spark.conf.set("spark.sql.shuffle.partitions", "3")
    try:
        again = label(spark, tmp_path / "many", tmp_path / "other", task, labels)
    finally:
        spark.conf.set("spark.sql.shuffle.partitions", partitions)
    assert again == (counts, report)
    found = ledger.read_iteration(tmp_path / "one", 0)
    assert found.num_rows
    assert ledger.read_iteration(tmp_path / "other", 0).equals(found)
    of_type = report["types"]["ORG"]["never_hit"]
    assert (tmp_path / "one" / of_type["file"]).read_text(encoding="utf-8").splitlines() == of_type["examples"]
    assert not list(tmp_path.glob("*/_gazetteer"))


@pytest.mark.parametrize("ambiguity", ["keep_all", "drop"])
@pytest.mark.parametrize(
    "settings", [{}, {"ignore_case": True, "chinese": "simplified"}, {"chinese": "traditional"}],
    ids=["plain", "folded", "traditional"],
)  # fmt: skip
def test_text_is_labelled_as_one_matcher_labels_it(
    spark: Any, sentences_path: Path, task: Task, tmp_path: Path, ambiguity: Any, settings: dict[str, Any]
) -> None:
    labels = Labels(source="text", ambiguity=ambiguity, **settings)
    label_texts(spark, sentences_path, tmp_path, task, labels)
    rows = sorted(_sentences(), key=lambda row: (row["page_id"], row["sentence_index"]))
    found = Matcher(read_gazetteers(task, labels)).find_all([row["text"] for row in rows])
    expected = [
        LabelledSentence(row["text"], tuple(sorted(e, key=lambda e: (e.start, e.end, e.type))), row["page_id"],
                         row["sentence_index"])
        for row, e in zip(rows, found, strict=True) if e
    ]  # fmt: skip
    assert ledger.to_sentences(ledger.read_iteration(tmp_path, 0)) == expected
    surfaces = {row.text[e.start : e.end] for row in expected for e in row.entities}
    assert {"Mozart", "New\u00a0York", "A\u030angström"} - surfaces == (
        {"A\u030angström"} if ambiguity == "drop" else set()
    )
    assert ("东京" in surfaces) == ("chinese" in settings)
    assert ({"STRASSE", "nasa"} <= surfaces) == ("ignore_case" in settings)
    assert ("Paris" in surfaces) == (ambiguity == "keep_all")


def test_steps_are_told_and_a_second_run_replaces_the_first(
    spark: Any, sentences_path: Path, task: Task, tmp_path: Path
) -> None:
    told: list[tuple[float, float]] = []
    (tmp_path / "started.json").write_text("{}")
    type_anchors(spark, sentences_path, tmp_path, task, Labels(), lambda *step: told.append(step))
    first = ledger.read_iteration(tmp_path, 0)
    type_anchors(spark, sentences_path, tmp_path, task, Labels())
    assert ledger.read_iteration(tmp_path, 0).equals(first)
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert (tmp_path / "started.json").exists(), "only iteration 0 is replaced"


def test_one_type_without_matches_is_a_warning(spark: Any, sentences_path: Path, task: Task, tmp_path: Path) -> None:
    _, report = type_anchors(spark, sentences_path, tmp_path, task, Labels())
    assert [warning for warning in report["warnings"] if "ORG" in warning]
    assert len(report["warnings"]) == 1


def test_no_match_at_all_is_the_users_to_mend(spark: Any, sentences_path: Path, tmp_path: Path) -> None:
    task = _task(tmp_path, {"PER": ["Nobody"], "LOC": ["Nowhere"]})
    with pytest.raises(UserError, match=r"none of \d+ anchors.*(?s:.)*PER: .*PER; LOC: .*(?s:.)*ignore_case"):
        type_anchors(spark, sentences_path, tmp_path, task, Labels())
    assert ledger.iterations(tmp_path) == []
