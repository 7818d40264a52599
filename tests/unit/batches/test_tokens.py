"""Tokens keep their place in the text; prompts are what the tokenizer itself would put around a sentence."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cofee_dist.batches.tokens import make_prompt, tokenize
from tests.encoders import byte_level_tokenizer, wordpiece_tokenizer


@pytest.mark.parametrize("make", [wordpiece_tokenizer, byte_level_tokenizer])
@given(texts=st.lists(st.text(max_size=40), max_size=5))
@settings(max_examples=60, deadline=None)
def test_offsets_lie_in_the_text_and_carry_no_white_space(make, texts):
    table = tokenize(make(), texts)
    assert len(table) == len(texts)
    for row, text in enumerate(texts):
        _, starts, ends = table.row(row)
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
            surface = text[start:end]
            assert 0 <= start <= end <= len(text)
            assert surface == surface.strip()


@pytest.mark.parametrize("make", [wordpiece_tokenizer, byte_level_tokenizer])
def test_prompt_and_row_are_what_the_tokenizer_gives_for_a_pair(make):
    tokenizer = make()
    question, sentence = "Find persons .", "Ada Lovelace lived in London ."
    prompt, table = make_prompt(tokenizer, question), tokenize(tokenizer, [sentence])
    ids = [*prompt.prefix_ids, *table.row(0)[0].tolist(), *prompt.suffix_ids]
    whole = tokenizer(question, sentence, return_token_type_ids=True)
    assert ids == whole["input_ids"]
    types = [*prompt.prefix_types, *[prompt.sentence_type] * len(table.ids), *prompt.suffix_types]
    assert types == (whole.get("token_type_ids") or [0] * len(ids))


def test_rows_keep_every_piece():
    table = tokenize(wordpiece_tokenizer(), ["one two", "", "three four five", "six"])
    picked = table.rows(1, 3)
    assert len(picked) == 2
    np.testing.assert_array_equal(picked.lengths, table.lengths[1:3])
    for at, row in enumerate([1, 2]):
        for left, right in zip(picked.row(at), table.row(row), strict=True):
            np.testing.assert_array_equal(left, right)
