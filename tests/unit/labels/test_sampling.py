from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cofee_dist.labels.ledger import from_sentences
from cofee_dist.labels.sampling import held_out_rows, key_hashes, sample_rows, sampled
from cofee_dist.schemas import LABELS, LabelledSentence

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


@pytest.mark.parametrize("cut", [1, 90, 4999])
def test_a_sample_of_tables_does_not_depend_on_how_they_are_cut_or_ordered(cut: int) -> None:
    table = from_sentences(SENTENCES)
    whole = list(sampled(lambda: [table], 40, 5))
    parts = list(sampled(lambda: iter([table.slice(0, cut), table.slice(cut)]), 40, 5))
    assert pa.concat_tables(parts).equals(whole[0])
    turned = list(sampled(lambda: [table.slice(cut), table.slice(0, cut)], 40, 5))
    assert (
        pa.concat_tables(turned).sort_by([("page_id", "ascending"), ("sentence_index", "ascending")]).equals(whole[0])
    )
    assert whole[0].num_rows == 40
    assert not next(sampled(lambda: [table], 40, 6)).equals(whole[0])
    assert list(sampled(lambda: [table], None, 5)) == [table]
    assert list(sampled(lambda: [LABELS.empty_table()], 40, 5)) == [LABELS.empty_table()]


def held_out(sentences: list[LabelledSentence], share: float, seed: int) -> set[LabelledSentence]:
    rows = held_out_rows(from_sentences(sentences), share, seed)
    return {sentences[row] for row in np.flatnonzero(rows).tolist()}


def test_the_split_is_by_key_whatever_the_order() -> None:
    found = held_out(SENTENCES, 0.1, seed=1)
    assert 400 < len(found) < 600
    assert held_out(SENTENCES[::-2], 0.1, seed=1) == found & set(SENTENCES[::-2])
    assert held_out(SENTENCES, 0.1, seed=2) != found
    assert held_out(SENTENCES, 0.2, seed=1) > found


def test_a_sample_is_not_all_held_out() -> None:
    pages, indices = ([getattr(s, name) for s in SENTENCES] for name in ("page_id", "sentence_index"))
    rows = sample_rows(key_hashes(pages, indices, 1), 1000).tolist()
    assert 60 < len(held_out([SENTENCES[row] for row in rows], 0.1, seed=1)) < 150


def test_sentences_without_a_key_are_told_apart_by_their_text() -> None:
    assert 240 < len(held_out([LabelledSentence(f"text {n}") for n in range(1000)], 0.3, seed=0)) < 360
