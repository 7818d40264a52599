"""CoNLL and JSONL readers: exact offsets, the rule for I- without B-, and one clear message for each fault."""

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities

from cofee_dist.config import LabelledFile
from cofee_dist.errors import UserError
from cofee_dist.evaluate.readers import read_labelled, read_truth, token_spans

TYPES = ("PER", "LOC")


def _write(folder: Path, text: str, name: str = "file.txt") -> str:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def _surfaces(sentence):
    return [(sentence.text[entity.start : entity.end], entity.type) for entity in sentence.entities]


def test_bio_offsets_point_at_the_surface(tmp_path):
    path = _write(tmp_path, "-DOCSTART- O\n\nAnna B-PER\nLee I-PER\nsaw O\nRome B-LOC\nParis B-LOC\n\nNothing O\n")
    first, second = read_labelled(LabelledFile(path=path), TYPES)
    assert first.text == "Anna Lee saw Rome Paris"
    assert _surfaces(first) == [("Anna Lee", "PER"), ("Rome", "LOC"), ("Paris", "LOC")]
    assert (second.text, second.entities) == ("Nothing", ())


def test_characters_are_joined_by_nothing(tmp_path):
    path = _write(tmp_path, "马\tB-PER\n云\tE-PER\n在\tO\n京\tS-LOC\n")
    (sentence,) = read_labelled(LabelledFile(path=path, scheme="bioes", joiner=""), TYPES)
    assert sentence.text == "马云在京"
    assert _surfaces(sentence) == [("马云", "PER"), ("京", "LOC")]


@pytest.mark.parametrize(
    ("labels", "spans"),
    [
        ("I-A I-A", [(0, 2, "A")]),
        ("O I-A I-B", [(1, 2, "A"), (2, 3, "B")]),
        ("B-A B-A I-A", [(0, 1, "A"), (1, 3, "A")]),
        ("B-A I-B I-A", [(0, 1, "A"), (1, 2, "B"), (2, 3, "A")]),
        ("B-A E-A I-A", [(0, 2, "A"), (2, 3, "A")]),
        ("S-A S-A", [(0, 1, "A"), (1, 2, "A")]),
        ("B-A S-A E-A", [(0, 1, "A"), (1, 2, "A"), (2, 3, "A")]),
        ("E-A O B-A", [(0, 1, "A"), (2, 3, "A")]),
    ],
)
def test_labels_to_spans(labels, spans):
    split = [("O", "") if label == "O" else tuple(label.split("-")) for label in labels.split()]
    assert token_spans(split) == spans


@settings(deadline=None)
@given(st.lists(st.sampled_from(["O", "B-A", "I-A", "B-B", "I-B"]), min_size=1, max_size=12))
def test_bio_agrees_with_seqeval(labels):
    split = [("O", "") if label == "O" else tuple(label.split("-")) for label in labels]
    expected = [(start, end + 1, type_) for type_, start, end in get_entities(labels)]
    assert token_spans(split) == sorted(expected)


def test_columns_types_and_lines_can_be_left_out(tmp_path):
    path = _write(tmp_path, "IMGID:1\nPER-x a Rome\n", "a.txt")
    (sentence,) = read_labelled(
        LabelledFile(
            path=path, scheme="io", label_column=0, token_column=2,
            skip_lines_starting_with=("IMGID:",), ignore_types=("PER-x",),
        ),
        TYPES,
    )  # fmt: skip
    assert (sentence.text, sentence.entities) == ("Rome", ())


def test_io_takes_bare_types_with_hyphens(tmp_path):
    path = _write(tmp_path, "Bo\tperson-actor\nLi\tperson-actor\n")
    (sentence,) = read_labelled(LabelledFile(path=path, scheme="io"), ["person-actor"])
    assert _surfaces(sentence) == [("Bo Li", "person-actor")]


def test_tabs_keep_spaces_in_tokens_and_windows_line_ends_are_no_labels(tmp_path):
    path = _write(tmp_path, "\ufeffNew York\tB-LOC\r\n \tO\r\n\r\nAnna\tB-PER\r\n")
    first, second = read_labelled(LabelledFile(path=path, joiner=""), TYPES)
    assert first.text == "New York "
    assert _surfaces(first) == [("New York", "LOC")]
    assert _surfaces(second) == [("Anna", "PER")]


def test_jsonl_by_name_and_by_format(tmp_path):
    record = {"text": "𝔸nna in Rome", "entities": [
        {"start": 8, "end": 12, "type": "LOC", "fine": "city"}, {"start": 0, "end": 4, "type": "PER", "fine": "poet"},
    ]}  # fmt: skip
    line = json.dumps(record) + "\n\n"
    by_name = read_labelled(LabelledFile(path=_write(tmp_path, line, "a.jsonl")), TYPES)
    by_format = read_labelled(LabelledFile(path=_write(tmp_path, line, "a.txt"), format="jsonl"), TYPES)
    assert by_name == by_format
    assert _surfaces(by_name[0]) == [("𝔸nna", "PER"), ("Rome", "LOC")]
    fine = read_truth(tmp_path / "a.jsonl", key="fine")
    assert [entity.type for entity in fine["𝔸nna in Rome"]] == ["poet", "city"]


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ("Anna B-PER\nsaw\n", "no token", 2),
        ("Anna B-PER\nRome B-GPE\n", "'GPE' is not one", 2),
        ("Anna\tX-PER\n", "'X-PER' does not fit", 1),
        ("a O\n\nAnna\tE-PER\n", "'E-PER' does not fit", 3),
        ("Anna\tB-\n", "'B-' does not fit", 1),
        ("Anna\tPER\n", "'PER' does not fit", 1),
        ("\tB-PER\n", "no token", 1),
    ],
)
def test_a_bad_conll_line_is_named(tmp_path, text, message, line):
    path = _write(tmp_path, text)
    with pytest.raises(UserError, match=message) as error:
        read_labelled(LabelledFile(path=path), TYPES)
    assert error.value.where == f"{path}:{line}"
    assert error.value.fix


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "not valid JSON"),
        ("[]", "no 'text'"),
        ('{"text": "a"}', "no list of 'entities'"),
        ('{"text": "a", "entities": [{"start": 0, "end": 1}]}', "lacks"),
        ('{"text": "a", "entities": [7]}', "lacks"),
        ('{"text": "a", "entities": [{"start": "0", "end": 1, "type": "PER"}]}', "wrong kind"),
        ('{"text": "a", "entities": [{"start": false, "end": 1, "type": "PER"}]}', "wrong kind"),
        ('{"text": "a", "entities": [{"start": 0, "end": 2, "type": "PER"}]}', "not a span"),
        ('{"text": "a", "entities": [{"start": 0, "end": 0, "type": "PER"}]}', "not a span"),
        ('{"text": "a", "entities": [{"start": -1, "end": 1, "type": "PER"}]}', "not a span"),
        ('{"text": "a", "entities": [{"start": 0, "end": 1, "type": "GPE"}]}', "'GPE' is not one"),
    ],
)
def test_a_bad_json_line_is_named(tmp_path, line, message):
    path = _write(tmp_path, '{"text": "fine", "entities": []}\n' + line + "\n", "a.jsonl")
    with pytest.raises(UserError, match=message) as error:
        read_labelled(LabelledFile(path=path), TYPES)
    assert error.value.where == f"{path}:2"


@pytest.mark.parametrize("content", [b"", b"\n\n", b"IMGID:1\n", b"\xff\xfe\x00"])
def test_a_file_without_sentences_is_an_error(tmp_path, content):
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(UserError):
        read_labelled(LabelledFile(path=str(tmp_path / "a.txt"), skip_lines_starting_with=("IMGID:",)), TYPES)


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(UserError, match="cannot read"):
        read_labelled(LabelledFile(path=str(tmp_path / "none.txt")), TYPES)


REAL = [
    (LabelledFile(path="twitter2015/test.txt", skip_lines_starting_with=("IMGID:",)), 3257,
     # 1,816 + 1,697 + 839 + 720 begin with B-; 135 more begin with an I- that has no B- before it.
     {"PER": 1873, "LOC": 1720, "ORG": 860, "OTHER": 754}),
    (LabelledFile(path="ecommerce/test.txt.bieos", scheme="bioes", joiner=""), 498, {"HC": 1345, "HP": 222}),
    (LabelledFile(path="wikigold/wikigold.conll.txt", scheme="io"), 1696,
     {"PER": 934, "LOC": 1014, "ORG": 898, "MISC": 712}),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "sentences", "counts"), REAL, ids=["twitter", "ecommerce", "wikigold"])
def test_real_files_give_their_known_counts(shared_data, spec, sentences, counts):
    spec = spec.model_copy(update={"path": str(shared_data / "ner" / spec.path)})
    found = read_labelled(spec, counts)
    assert len(found) == sentences
    assert Counter(entity.type for sentence in found for entity in sentence.entities) == counts
    for sentence in found:
        assert all(0 <= entity.start < entity.end <= len(sentence.text) for entity in sentence.entities)


def test_twitter_is_counted_independently(shared_data):
    """B- labels, plus each I- after a label of another type: the rule, told another way."""
    path = shared_data / "ner" / "twitter2015" / "test.txt"
    strict, orphans, before = Counter(), Counter(), "O"
    for line in path.read_text(encoding="utf-8").split("\n"):
        label = line.split("\t")[1] if "\t" in line else "O"
        if label.startswith("B-"):
            strict[label[2:]] += 1
        elif label.startswith("I-") and before[2:] != label[2:]:
            orphans[label[2:]] += 1
        before = label
    assert strict == {"PER": 1816, "LOC": 1697, "ORG": 839, "OTHER": 720}
    assert strict + orphans == REAL[0][2]


@pytest.mark.parametrize("name", ["a.jsonl", "a.conll"])
def test_of_a_long_file_no_more_is_read_than_is_asked_for(tmp_path, name):
    good = {"a.jsonl": '{"text": "Ada", "entities": []}\n', "a.conll": "Ada O\n\n"}[name]
    path = _write(tmp_path, good * 5 + "not a line of this format\n", name)
    assert len(read_labelled(LabelledFile(path=path), TYPES, 3)) == 3
    with pytest.raises(UserError):
        read_labelled(LabelledFile(path=path), TYPES)
