"""Entities end up at their first and last piece, under their own question, and every loss is counted."""

from __future__ import annotations

import numpy as np
import pytest

from cofee_dist.batches.collate import collate
from cofee_dist.batches.dataset import build_dataset
from cofee_dist.errors import UserError
from cofee_dist.schemas import Entity, LabelledSentence
from tests.encoders import wordpiece_tokenizer
from tests.families import tokenizer_of

QUESTIONS = {"PER": "Find persons", "LOC": "Find places"}
TEXT = "Ada Lovelace lived in London ."
SENTENCES = [
    LabelledSentence(TEXT, (Entity(0, 12, "PER"), Entity(22, 28, "LOC"))),
    LabelledSentence("one two three"),
    LabelledSentence("Paris is a city of France", (Entity(0, 5, "LOC"), Entity(19, 25, "LOC"), Entity(0, 5, "PER"))),
]


def dataset(max_length_tokens: int = 64):
    return build_dataset(wordpiece_tokenizer(), SENTENCES, QUESTIONS, max_length_tokens)


def surfaces(data, example):
    row, _ = divmod(example, len(data.prompts))
    _, starts, ends = data.tokens.row(row)
    found = range(data.splits[example], data.splits[example + 1])
    return [SENTENCES[row].text[starts[data.first[at]] : ends[data.last[at]]] for at in found]


def test_each_question_has_the_entities_of_its_type():
    data = dataset()
    assert [surfaces(data, example) for example in range(len(data))] == [
        ["Ada Lovelace"],
        ["London"],
        [],
        [],
        ["Paris"],
        ["Paris", "France"],
    ]
    assert sum(data.dropped.values()) == 0


def test_targets_lie_at_the_entity_in_the_padded_input():
    data = dataset()
    tokenizer = wordpiece_tokenizer()
    batch = collate(data, np.arange(len(data)))
    for entity in range(len(batch.span_example_e)):
        example, first, last = batch.span_example_e[entity], batch.span_start_e[entity], batch.span_end_e[entity]
        decoded = tokenizer.decode(batch.input_ids_bt[example, first : last + 1])
        assert decoded in {"Ada Lovelace", "London", "Paris", "France"}
        assert batch.start_targets_bt[example, first] == 1
        assert batch.end_targets_bt[example, last] == 1
    assert batch.start_targets_bt.sum() == batch.end_targets_bt.sum() == 5
    lengths = batch.positions_bt.sum(1)
    np.testing.assert_array_equal(lengths.numpy(), data.sentence_lengths)
    np.testing.assert_array_equal(batch.attention_mask_bt.sum(1).numpy(), data.input_lengths)


def test_only_the_sentence_is_a_position():
    data = dataset()
    batch = collate(data, np.array([0, 2]))
    for at, example in enumerate([0, 2]):
        ids = batch.input_ids_bt[at][batch.positions_bt[at]].tolist()
        assert ids == data.tokens.row(example // 2)[0].tolist()


@pytest.mark.parametrize("family", ["bert", "roberta", "xlm-roberta", "modernbert"])
def test_inputs_are_what_the_tokenizer_makes_of_question_and_sentence(family):
    tokenizer = tokenizer_of(family)
    texts = [text for text in (TEXT, "In Paris Charles Babbage built engines .", "", "Ada") for _ in range(3)]
    questions = {"PER": "Find persons", "LOC": "Find places", "X": "organisations Find Find Entities"}
    data = build_dataset(tokenizer, [LabelledSentence(text) for text in texts], questions, 64)
    examples = np.random.default_rng(0).permutation(len(data))[:20]
    batch = collate(data, examples)
    pairs = [(questions[data.types[example % 3]], texts[example // 3]) for example in examples]
    expected = tokenizer(pairs, padding=True, return_token_type_ids=True)
    assert batch.input_ids_bt.tolist() == expected["input_ids"]
    assert batch.attention_mask_bt.tolist() == expected["attention_mask"]
    if family == "bert":
        assert batch.token_type_ids_bt.tolist() == expected["token_type_ids"]
    sequence = [[which == 1 for which in expected.sequence_ids(at)] for at in range(len(examples))]
    assert batch.positions_bt.tolist() == sequence


def test_what_the_length_cuts_off_is_counted():
    text = "one two three four five six seven " * 3 + "Paris"
    long = LabelledSentence(text, (Entity(len(text) - 5, len(text), "LOC"), Entity(0, 3, "PER")))
    data = build_dataset(wordpiece_tokenizer(), [long], QUESTIONS, 20)
    assert (len(data.first), data.dropped["beyond max_length_tokens"]) == (1, 1)
    assert data.input_lengths.max() == 20


def test_a_boundary_inside_a_piece_is_counted():
    data = build_dataset(wordpiece_tokenizer(), [LabelledSentence(TEXT, (Entity(0, 2, "PER"),))], QUESTIONS, 64)
    assert (len(data.first), data.dropped["inside a piece"]) == (0, 1)


@pytest.mark.parametrize("family", ["xlm-roberta", "deberta-v2"])
def test_an_entity_begins_at_a_piece_with_characters(family):
    """SentencePiece may give a word's space a piece of its own, of which only white space is the surface."""
    tokenizer, text = tokenizer_of(family), "Ada lived in Paris ."
    assert tokenizer.tokenize(text)[-4:-1] == ["▁in", "▁", "Paris"]
    data = build_dataset(tokenizer, [LabelledSentence(text, (Entity(13, 18, "LOC"),))], QUESTIONS, 64)
    _, starts, ends = data.tokens.row(0)
    assert text[starts[data.first[0]] : ends[data.last[0]]] == "Paris"
    assert starts[data.first[0]] < ends[data.first[0]]


def test_a_type_without_a_question_is_the_users_mistake():
    with pytest.raises(UserError, match="ORG"):
        build_dataset(wordpiece_tokenizer(), [LabelledSentence(TEXT, (Entity(0, 3, "ORG"),))], QUESTIONS, 64)


def test_a_question_that_leaves_no_room_is_the_users_mistake():
    with pytest.raises(UserError, match="leaves no room"):
        build_dataset(wordpiece_tokenizer(), SENTENCES, {"PER": "one two three four five " * 10, "LOC": "x"}, 40)
