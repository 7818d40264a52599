"""Vectorised alignment against a loop over characters, for tokenizers of every kind."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cofee_dist.batches.align import BEYOND, INSIDE, align
from cofee_dist.batches.tokens import TokenTable, tokenize
from cofee_dist.labels.ledger import from_sentences
from cofee_dist.schemas import Entity, LabelledSentence
from tests.encoders import byte_level_tokenizer, wordpiece_tokenizer
from tests.families import tokenizer_of

TYPES = ("PER", "LOC")
LIMITS = np.array([6, 4])
TOKENIZERS = {
    "wordpiece": wordpiece_tokenizer,
    "byte-level": byte_level_tokenizer,
    "unigram": cache(lambda: tokenizer_of("xlm-roberta")),
}

entity = st.builds(Entity, st.integers(0, 14), st.integers(0, 16), st.sampled_from(TYPES))
sentence = st.builds(
    LabelledSentence,
    st.text(st.sampled_from("Ada in London 北京é😀. "), max_size=24),
    st.lists(entity, max_size=6).map(tuple),
)


def loop(tokens: TokenTable, sentences: list[LabelledSentence]) -> tuple[set[tuple[int, int, int]], dict[str, int]]:
    """The definition, one entity at a time."""
    found, dropped = set(), {INSIDE: 0, BEYOND: 0}
    for row, one in enumerate(sentences):
        _, starts, ends = tokens.row(row)
        written = [at for at in range(len(starts)) if starts[at] < ends[at]]
        for label in one.entities:
            column = TYPES.index(label.type)
            first = [at for at in written if starts[at] == label.start]
            last = [at for at in written if ends[at] == label.end]
            if not first or not last or last[-1] < first[0]:
                dropped[INSIDE] += 1
            elif last[-1] >= LIMITS[column]:
                dropped[BEYOND] += 1
            else:
                found.add((row * len(TYPES) + column, first[0], last[-1]))
    return found, dropped


@pytest.mark.parametrize("kind", TOKENIZERS)
@settings(max_examples=100, deadline=None)
@given(sentences=st.lists(sentence, max_size=6), skipped=st.integers(0, 2))
def test_alignment_equals_the_loop(kind: str, sentences: list[LabelledSentence], skipped: int) -> None:
    # Rows in the middle of a larger table, as a block of a file is.
    before = ["Ada in", "London"][:skipped]
    whole = tokenize(TOKENIZERS[kind](), [*before, *(one.text for one in sentences), "in the end"])
    tokens = whole.rows(skipped, skipped + len(sentences))
    found = align(tokens, from_sentences(sentences), TYPES, LIMITS)
    expected, dropped = loop(tokens, sentences)
    rows = list(zip(found.example.tolist(), found.first.tolist(), found.last.tolist(), strict=True))
    assert rows == sorted(expected)
    assert found.dropped == dropped
