from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cofee_dist.labels.sampling import hold_out, key_hashes, sample_rows
from cofee_dist.schemas import LabelledSentence

SENTENCES = [LabelledSentence(f"s{n}", (), n // 10, n % 10) for n in range(5000)]


def _hash(page_id: int, sentence_index: int, seed: int) -> int:
    """The same in Python's integers."""

    def mix(value: int) -> int:
        value = (value + 0x9E3779B97F4A7C15) % 2**64
        value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        value = (value ^ value >> 27) * 0x94D049BB133111EB % 2**64
        return value ^ value >> 31

    return mix(mix(mix(seed) ^ page_id % 2**64) ^ sentence_index % 2**64)


@given(st.lists(st.tuples(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**31), 2**31 - 1))), st.integers(0, 2**32))
def test_hashes_equal_plain_integers(keys: list[tuple[int, int]], seed: int) -> None:
    pages, indices = [page for page, _ in keys], [index for _, index in keys]
    hashes = key_hashes(np.array(pages, np.int64), np.array(indices, np.int32), seed)
    assert hashes.tolist() == [_hash(page, index, seed) for page, index in keys]


def test_a_larger_sample_holds_the_smaller_in_the_rows_order() -> None:
    hashes = key_hashes(np.arange(1000), np.zeros(1000), 3)
    small, large = sample_rows(hashes, 100).tolist(), sample_rows(hashes, 300).tolist()
    assert (len(small), len(large)) == (100, 300)
    assert set(small) < set(large)
    assert large == sorted(large)
    assert sample_rows(hashes, 2000).tolist() == list(range(1000))


def test_the_split_is_by_key_whatever_the_order() -> None:
    kept, held_out = hold_out(SENTENCES, 0.1, seed=1)
    assert 400 < len(held_out) < 600
    assert sorted(kept + held_out, key=lambda s: (s.page_id, s.sentence_index)) == SENTENCES
    assert set(hold_out(SENTENCES[::-2], 0.1, seed=1)[1]) == set(held_out) & set(SENTENCES[::-2])
    assert set(hold_out(SENTENCES, 0.1, seed=2)[1]) != set(held_out)
    assert set(hold_out(SENTENCES, 0.2, seed=1)[1]) > set(held_out)


def test_a_sample_is_not_all_held_out() -> None:
    pages, indices = ([getattr(s, name) for s in SENTENCES] for name in ("page_id", "sentence_index"))
    rows = sample_rows(key_hashes(pages, indices, 1), 1000).tolist()
    _, held_out = hold_out([SENTENCES[row] for row in rows], 0.1, seed=1)
    assert 60 < len(held_out) < 150


def test_sentences_without_a_key_are_told_apart_by_their_text() -> None:
    sentences = [LabelledSentence(f"text {n}") for n in range(1000)]
    kept, held_out = hold_out(sentences, 0.3, seed=0)
    assert 240 < len(held_out) < 360
    assert len(kept) + len(held_out) == 1000
