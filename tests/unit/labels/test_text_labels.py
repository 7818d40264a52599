"""Batches of text to labels: what the matcher finds, as columns of the ledger."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from cofee_dist.config import Labels
from cofee_dist.labels.gazetteer import build_gazetteer
from cofee_dist.labels.matcher import Matcher
from cofee_dist.labels.normalise import normalise
from cofee_dist.labels.text_labels import TEXT_LABELS, TextLabeller
from cofee_dist.schemas import SENTENCES

LISTS = {
    "PER": ["Ada", "Ada Lovelace", "Straße", "Paris"],
    "LOC": ["Paris", "New  York", "東京", "Ｙork"],
    "ORG": ["Paris", "New York Times", "NASA"],
}
WORDS = ["Ada", "ADA", "Lovelace", "Paris", "New", "York", "Times", "東京", "都", "straße", "nasa", "x", "😀", ",", "ﬁ"]
TEXTS = st.lists(st.lists(st.sampled_from(WORDS), max_size=9), max_size=6)
GLUE = st.sampled_from([" ", "  ", "\u00a0", ""])
LABELS = st.builds(
    Labels, source=st.just("text"), ambiguity=st.sampled_from(["keep_all", "drop"]), ignore_case=st.booleans()
)


def batch(texts: list[str]) -> pa.RecordBatch:
    rows = [
        {"page_id": 7, "revision_id": 0, "title": "a.txt", "section": "", "sentence_index": at, "text": text}
        for at, text in enumerate(texts)
    ]
    table = pa.Table.from_pylist([{**row, "anchors": []} for row in rows], schema=SENTENCES)
    return table.combine_chunks().to_batches()[0] if rows else pa.RecordBatch.from_pylist([], schema=SENTENCES)


@given(TEXTS, GLUE, LABELS)
def test_every_label_names_an_entry_of_its_type_and_none_is_lost(
    words: list[list[str]], glue: str, labels: Labels
) -> None:
    texts = [glue.join(row) for row in words]
    gazetteer = build_gazetteer(LISTS, labels)
    found = TextLabeller(gazetteer).label(batch(texts))
    found.validate(full=True)
    assert found.schema.equals(TEXT_LABELS)

    names = list(gazetteer.items())
    rows = {row["sentence_index"]: row for row in found.to_pylist()}
    assert list(rows) == sorted(rows)
    for row in rows.values():
        assert (row["page_id"], row["text"]) == (7, texts[row["sentence_index"]])
        assert row["hits"]
        labelled = [(e["start"], e["end"], e["type"]) for e in row["entities"]]
        assert labelled == sorted(labelled)
        for entity in row["entities"]:
            surface = row["text"][entity["start"] : entity["end"]]
            entry = normalise(surface, labels.ignore_case)
            assert entity["type"] in gazetteer.entries[entry]
            assert (entity["source"], entity["score"]) == ("gazetteer", 1.0)
            assert entry in {names[hit][0] for hit in row["hits"]}
    for at, expected in enumerate(Matcher(gazetteer).find_all(texts)):
        here = rows.get(at, {"entities": []})["entities"]
        assert {(e["start"], e["end"], e["type"]) for e in here} == {(e.start, e.end, e.type) for e in expected}
        assert len(here) == len(expected)


def test_what_is_dropped_hits_without_a_label() -> None:
    gazetteer = build_gazetteer(LISTS, Labels(ambiguity="drop"))
    (row,) = TextLabeller(gazetteer).label(batch(["none", "To Paris."])).to_pylist()
    assert (row["sentence_index"], row["entities"]) == (1, [])
    assert [list(gazetteer.items())[hit] for hit in row["hits"]] == [("Paris", ())]
