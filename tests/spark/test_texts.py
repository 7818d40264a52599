"""Texts to sentences to labels through Spark, against plain loops over the same files."""

from __future__ import annotations

import bz2
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from cofee_dist.config import Corpus, EntityType, Labels, Task
from cofee_dist.config.gazetteer import GazetteerFile
from cofee_dist.corpus.spark_texts import build_texts
from cofee_dist.errors import UserError
from cofee_dist.labels import ledger
from cofee_dist.labels.gazetteer import Gazetteer, read_gazetteers
from cofee_dist.labels.normalise import normalise
from cofee_dist.labels.spark_texts import label_texts
from cofee_dist.schemas import SENTENCES, Entity, LabelledSentence

pytestmark = pytest.mark.spark

NAMES = ["Ada Lovelace", "Paris", "New York", "New York City", "Washington", "Rome", "nobody known", "Ada"]
LINES = [
    f"{NAMES[at % 8]} met {NAMES[at * 3 % 8]} near {NAMES[at * 5 % 7]}s. 😀 Then {NAMES[at * 7 % 8]} left on {at // 2}."
    for at in range(60)
]
LISTS = {"PER": ["Ada Lovelace", "Ada", "Washington"], "LOC": ["Paris", "New York", "New York City", "Washington"]}


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """Plain lines, and some of them again as packed JSONL."""
    folder = tmp_path_factory.mktemp("texts")
    (folder / "plain.txt").write_text("\n".join([*LINES, "", "Short.", LINES[1] + " " + "long " * 300]), "utf-8")
    lines = [json.dumps({"id": 1, "text": text}) for text in [*LINES[:5], "A new one here.\nAda saw it all."]]
    (folder / "more.jsonl.bz2").write_bytes(bz2.compress("\n".join(lines).encode()))
    return str(folder / "plain.txt"), str(folder / "more.jsonl.bz2")


@pytest.fixture
def task(tmp_path: Path) -> Task:
    for name, entries in LISTS.items():
        (tmp_path / f"{name}.txt").write_text("\n".join(entries), encoding="utf-8")
    file = {name: GazetteerFile(path=str(tmp_path / f"{name}.txt")) for name in LISTS}
    return Task(types={name: EntityType(question=name, gazetteers=(file[name],)) for name in LISTS})


def brute_force(gazetteer: Gazetteer, text: str) -> tuple[list[Entity], Counter[str]]:
    """Leftmost-longest by trying every piece of the text from one word to another."""
    names, found, hits, at = dict(gazetteer.items()), [], Counter[str](), 0
    words = [word.span() for word in re.finditer(r"\w+", text)]
    for start, _ in words:
        ends = [end for _, end in reversed(words) if end > start >= at and normalise(text[start:end]) in names]
        if ends:
            at = ends[0]
            entry = normalise(text[start:at])
            hits[entry] += 1
            found += [Entity(start, at, name, "gazetteer") for name in sorted(names[entry])]
    return found, hits


@pytest.mark.parametrize("ambiguity", ["keep_all", "drop"])
def test_labels_are_what_brute_force_finds(
    spark: Any, texts: tuple[str, ...], task: Task, tmp_path: Path, ambiguity: Any
) -> None:
    told: list[tuple[float, float]] = []
    built = build_texts(spark, Corpus(texts=texts), "en", tmp_path / "texts")
    rows = pq.read_table(tmp_path / "texts" / "sentences").to_pylist()
    labels = Labels(source="text", ambiguity=ambiguity)
    folder = tmp_path / "texts" / "sentences"
    counts, report = label_texts(spark, folder, tmp_path / "labels", task, labels, lambda *step: told.append(step))

    gazetteer, hits, expected = read_gazetteers(task, labels), Counter[str](), []
    for row in rows:
        entities, named = brute_force(gazetteer, row["text"])
        hits += named
        if entities:
            expected.append(LabelledSentence(row["text"], tuple(entities), row["page_id"], row["sentence_index"]))
    assert ledger.to_sentences(ledger.read_iteration(tmp_path / "labels", 0)) == expected
    mentions = sum(number for entry, number in hits.items() if entry in gazetteer.entries)
    assert counts == {
        "sentences": built["sentences"],
        "sentences_labelled": len(expected),
        "mentions": mentions,
        "entities": sum(len(sentence.entities) for sentence in expected),
    }
    assert report["coverage"] == len(expected) / len(rows)
    for name, found in report["types"].items():
        by_entry = {entry: number for entry, number in hits.items() if name in gazetteer.entries.get(entry, ())}
        assert {hit["entry"]: hit["count"] for hit in found["top_hits"]} == by_entry
        with_it = sum(any(e.type == name for e in sentence.entities) for sentence in expected)
        assert found["coverage"] == with_it / len(rows)
        assert [hit["count"] for hit in found["top_ambiguous"]] == [hits["Washington"]]
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_sentences_do_not_depend_on_the_cut_and_counts_add_up(
    spark: Any, texts: tuple[str, ...], tmp_path: Path
) -> None:
    counts = build_texts(spark, Corpus(texts=texts), "en", tmp_path / "a")
    cut = Corpus(texts=(Path(texts[0]).as_uri(), texts[1]), split_bytes=700)
    assert build_texts(spark, cut, "en", tmp_path / "b") == counts
    table = pq.read_table(tmp_path / "a" / "sentences")
    assert table.schema.equals(SENTENCES)
    assert table.equals(pq.read_table(tmp_path / "b" / "sentences"))
    assert not (tmp_path / "a" / "_tmp").exists()

    rows = table.to_pylist()
    assert (counts["files"], counts["lines"], counts["blank_lines"]) == (2, 69, 1)
    assert counts["candidates"] == counts["sentences"] + sum(counts["dropped"].values())
    assert counts["sentences"] == len(rows)
    assert counts["dropped"].keys() == {"duplicate", "too_short", "too_long"}
    assert {row["text"] for row in rows if row["title"] == "more.jsonl.bz2"} == {"A new one here.", "Ada saw it all."}
    content = Path(texts[0]).read_bytes()
    for row in rows:
        assert (row["section"], row["anchors"]) == ("", [])
        if row["title"] == "plain.txt":
            assert row["text"] in content[row["page_id"] :].split(b"\n")[0].decode()
    kept = build_texts(spark, Corpus(texts=texts, max_sentences=9), "en", tmp_path / "c")
    assert kept["sentences"] == pq.read_table(tmp_path / "c" / "sentences").num_rows == 9
    assert kept["candidates"] == 9 + sum(kept["dropped"].values())


def test_errors_are_told_once_and_clearly(spark: Any, texts: tuple[str, ...], task: Task, tmp_path: Path) -> None:
    (tmp_path / "latin.txt").write_bytes(b"fine\n" * 300_000 + b"caf\xe9\n")
    (tmp_path / "short.txt").write_text("Too short\n" * 9)
    cases = [("latin.txt", r"not UTF-8[\s\S]*latin\.txt:300001"), ("short.txt", "9 candidates .* too_short 9")]
    for name, told in cases:
        with pytest.raises(UserError, match=told) as error:
            build_texts(spark, Corpus(texts=(str(tmp_path / name),)), "en", tmp_path / "out")
        assert error.value.fix
        assert "Traceback" not in str(error.value)
    build_texts(spark, Corpus(texts=texts), "en", tmp_path / "texts")
    for entries in LISTS:
        (tmp_path / f"{entries}.txt").write_text("Zzyzx")
    with pytest.raises(UserError, match=r"none of \d+ sentences names[\s\S]*PER\.txt[\s\S]*ignore_case"):
        label_texts(spark, tmp_path / "texts" / "sentences", tmp_path / "labels", task, Labels(source="text"))
    assert ledger.iterations(tmp_path / "labels") == []
