"""Examples in files are those in memory, however the sentences were cut."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from cofee_dist.batches.dataset import build_dataset
from cofee_dist.batches.files import open_dataset, open_tokens, write_labels, write_tokens
from cofee_dist.labels.blocks import cut
from cofee_dist.labels.ledger import from_sentences
from cofee_dist.schemas import LABELS, Entity, LabelledSentence
from tests.encoders import wordpiece_tokenizer
from tests.training import made_up

QUESTIONS = {"PER": "Find persons", "LOC": "Find places"}
LENGTH = 16


def assert_equal(left: object, right: object) -> None:
    for field in fields(left):  # type: ignore[arg-type]
        mine, other = getattr(left, field.name), getattr(right, field.name)
        if isinstance(mine, np.ndarray):
            assert mine.dtype == other.dtype
            np.testing.assert_array_equal(mine, other, field.name)
        elif field.name == "tokens":
            assert_equal(mine, other)
        else:
            assert mine == other


@pytest.mark.parametrize("rows", [1, 7, 100])
def test_files_equal_memory(rows: int, tmp_path: Path) -> None:
    long = LabelledSentence("in " * 12 + "London", (Entity(36, 42, "LOC"), Entity(0, 2, "PER")), 99, 1)
    sentences, tokenizer = [*made_up(20), long, *made_up(19, seed=1)], wordpiece_tokenizer()
    expected = build_dataset(tokenizer, sentences, QUESTIONS, LENGTH)
    assert expected.dropped["beyond max_length_tokens"] == 1
    tokens, labels, tables = tmp_path / "tokens", tmp_path / "labels", list(cut([from_sentences(sentences)], rows))
    write_tokens(tokens, tokenizer, tables)
    write_labels(labels, tokens, tables, tokenizer, QUESTIONS, LENGTH)
    found = open_dataset(tokens, labels, tokenizer, QUESTIONS, LENGTH)
    assert_equal(found, expected)
    for mapped in (found.tokens.ids, found.splits, found.first):
        assert isinstance(mapped.base, np.memmap)
    begin, end = 3, 19
    assert_equal(
        build_dataset(tokenizer, sentences[begin:end], QUESTIONS, LENGTH).with_clusters(found.rows(begin, end).cluster),
        _own_tokens(found.rows(begin, end), expected.dropped),
    )


def _own_tokens(data: object, dropped: object) -> object:
    """A part of a data set with pieces of its own in place of a view of all."""
    from dataclasses import replace

    tokens = data.tokens  # type: ignore[attr-defined]
    begin, end = tokens.splits[0], tokens.splits[-1]
    own = replace(
        tokens,
        ids=tokens.ids[begin:end],
        starts=tokens.starts[begin:end],
        ends=tokens.ends[begin:end],
        splits=tokens.splits - begin,
    )
    return replace(data, tokens=own, dropped={reason: 0 for reason in dropped})  # type: ignore


def test_no_sentences(tmp_path: Path) -> None:
    tokenizer = wordpiece_tokenizer()
    write_tokens(tmp_path / "tokens", tokenizer, [])
    write_labels(tmp_path / "labels", tmp_path / "tokens", [LABELS.empty_table()], tokenizer, QUESTIONS, LENGTH)
    found = open_dataset(tmp_path / "tokens", tmp_path / "labels", tokenizer, QUESTIONS, LENGTH)
    assert len(found) == len(found.first) == 0


def test_what_was_cut_off_is_not_there(tmp_path: Path) -> None:
    def killed():
        yield from_sentences(made_up(5))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_tokens(tmp_path / "tokens", wordpiece_tokenizer(), killed())
    assert not (tmp_path / "tokens").exists()
    write_tokens(tmp_path / "tokens", wordpiece_tokenizer(), [from_sentences(made_up(5))])
    assert len(open_tokens(tmp_path / "tokens")[0]) == 5


def test_labels_of_other_sentences_are_refused(tmp_path: Path) -> None:
    tokenizer, sentences = wordpiece_tokenizer(), made_up(5)
    write_tokens(tmp_path / "tokens", tokenizer, [from_sentences(sentences)])
    with pytest.raises(ValueError, match="labels of 4 sentences, but 5"):
        write_labels(
            tmp_path / "labels", tmp_path / "tokens", [from_sentences(sentences[:4])], tokenizer, QUESTIONS, LENGTH
        )
    assert not (tmp_path / "labels").exists()
