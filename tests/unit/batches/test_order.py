"""One global order: every example once, steps within budget, the same at any number of workers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cofee_dist.batches.order import deal, length_batches, micro_batches, plan_epoch, sample_negatives

LENGTHS = st.lists(st.integers(3, 150), min_size=1, max_size=300).map(lambda values: np.array(values, dtype=np.int64))


@given(LENGTHS, st.integers(50, 2000), st.integers(0, 5), st.integers(0, 5))
@settings(deadline=None)
def test_an_epoch_takes_every_example_once_within_the_budget(lengths, budget, seed, epoch):
    plan = plan_epoch(lengths, budget, seed, epoch)
    assert sorted(plan.examples.tolist()) == list(range(len(lengths)))
    for at in range(len(plan)):
        step = plan.step(at)
        assert len(step) == 1 or lengths[step].max() * len(step) <= budget
    again = plan_epoch(lengths, budget, seed, epoch)
    np.testing.assert_array_equal(plan.examples, again.examples)


def test_epochs_differ():
    lengths = np.arange(3, 103)
    assert plan_epoch(lengths, 500, 0, 0).examples.tolist() != plan_epoch(lengths, 500, 0, 1).examples.tolist()


@given(LENGTHS, st.integers(1, 9), st.integers(1, 4))
@settings(deadline=None)
def test_ranks_share_a_step_without_rest_in_as_many_micro_batches(lengths, asked, world_size):
    step, parts = np.arange(len(lengths)), micro_batches(asked * 100, 100, world_size)
    assert 0 <= parts - asked < world_size
    shares = [deal(step, lengths, parts, rank, world_size) for rank in range(world_size)]
    assert {len(share) for share in shares} == {parts // world_size}
    dealt = np.concatenate([part for share in shares for part in share])
    assert sorted(dealt.tolist()) == step.tolist()
    # Round the ranks in turn, they are what one rank has.
    in_turn = [part.tolist() for turn in zip(*shares, strict=True) for part in turn]
    assert in_turn == [part.tolist() for part in deal(step, lengths, parts, 0, 1)]


def smallest(lengths, parts):
    """The smallest that the largest micro-batch can be, padding included, by trying every budget."""

    def sizes(within):
        runs, run = [], []
        for length in sorted(lengths.tolist()):
            if run and length * (len(run) + 1) > within:
                runs.append(run)
                run = []
            run.append(length)
        return [run[-1] * len(run) for run in [*runs, run]]

    return min(max(found) for found in map(sizes, range(1, lengths.max() * len(lengths) + 1)) if len(found) <= parts)


@given(LENGTHS.map(lambda lengths: lengths[:40]), st.integers(1, 8))
@settings(deadline=None, max_examples=25)
def test_no_micro_batch_is_larger_than_it_must_be(lengths, parts):
    shares = [part for part in deal(np.arange(len(lengths)), lengths, parts, 0, 1) if len(part)]
    largest = max(lengths[part].max() * len(part) for part in shares)
    assert smallest(lengths, parts) <= largest <= smallest(lengths, parts) * 1.005 + 1


def test_a_micro_batch_has_its_part_of_the_tokens_and_at_most_one_example_more():
    lengths = np.random.default_rng(1).gamma(4.0, 10.0, size=5_000).astype(np.int64) + 10
    plan, parts = plan_epoch(lengths, 4096, 0, 0), micro_batches(4096, 512, 4)
    assert parts == 8
    for at in range(len(plan)):
        for share in deal(plan.step(at), lengths, parts, 0, 1):
            assert len(share) == 0 or lengths[share].max() * len(share) <= 512 + lengths[share].max()


@given(LENGTHS, st.integers(50, 1000))
@settings(deadline=None)
def test_batches_without_gradients_begin_with_the_longest(lengths, budget):
    batches = length_batches(np.arange(len(lengths)), lengths, budget)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
    assert lengths[batches[0][0]] == lengths.max()


def test_length_buckets_keep_padding_under_five_percent():
    random = np.random.default_rng(0)
    lengths = random.gamma(4.0, 10.0, size=20_000).astype(np.int64) + 10
    plan = plan_epoch(lengths, 4096, 0, 0)
    padded = sum(lengths[plan.step(at)].max() * len(plan.step(at)) for at in range(len(plan)))
    assert 1 - lengths.sum() / padded < 0.05
    batches = length_batches(np.arange(len(lengths)), lengths, 4096)
    padded = sum(lengths[batch].max() * len(batch) for batch in batches)
    assert 1 - lengths.sum() / padded < 0.05


@pytest.mark.parametrize("ranks", [2, 8, 32])
def test_ranks_wait_for_less_than_a_tenth_of_the_time(ranks):
    """What a round takes is what its largest micro-batch takes, padding included."""
    lengths = np.random.default_rng(0).gamma(4.0, 10.0, size=20_000).astype(np.int64) + 10
    plan = plan_epoch(lengths, 2048 * ranks, 0, 0)
    taken = 0
    for at in range(len(plan)):
        round_of = [deal(plan.step(at), lengths, ranks, rank, ranks)[0] for rank in range(ranks)]
        taken += ranks * max(lengths[part].max() * len(part) for part in round_of if len(part))
    assert 1 - lengths.sum() / taken < 0.1


@st.composite
def labelled(draw):
    types = draw(st.integers(1, 4))
    rows = draw(st.lists(st.lists(st.booleans(), min_size=types, max_size=types), max_size=60))
    return np.array(rows, dtype=bool).reshape(-1), types


@given(labelled(), st.floats(0, 4), st.integers(0, 5), st.integers(0, 5))
@settings(deadline=None)
def test_each_type_keeps_its_positives_and_at_most_so_many_negatives(has_entity_and_types, ratio, seed, epoch):
    has_entity, types = has_entity_and_types
    chosen = sample_negatives(has_entity, types, ratio, seed, epoch)
    assert (np.diff(chosen) > 0).all()
    assert set(np.flatnonzero(has_entity)) <= set(chosen.tolist())
    for column in range(types):
        of_type = has_entity[column::types]
        positives, negatives = int(of_type.sum()), int((~of_type).sum())
        taken = int((~has_entity[chosen[chosen % types == column]]).sum())
        assert taken == min(negatives, int(ratio * max(1, positives)))
    np.testing.assert_array_equal(chosen, sample_negatives(has_entity, types, ratio, seed, epoch))


def test_negatives_differ_between_epochs_and_come_all_in_time():
    has_entity = np.arange(90) % 3 == 0
    epochs = [sample_negatives(has_entity, 1, 0.5, 0, epoch) for epoch in range(30)]
    assert {len(chosen) for chosen in epochs} == {45}
    assert not np.array_equal(epochs[0], epochs[1])
    assert set(np.concatenate(epochs)) == set(range(90))


@given(labelled(), st.integers(0, 5))
@settings(deadline=None)
def test_without_a_limit_every_example_comes(has_entity_and_types, seed):
    chosen = sample_negatives(*has_entity_and_types, None, seed, 0)
    np.testing.assert_array_equal(chosen, np.arange(len(has_entity_and_types[0])))


@given(LENGTHS, st.data())
@settings(deadline=None)
def test_an_epoch_of_some_examples_takes_these_once(lengths, data):
    examples = np.flatnonzero(data.draw(st.lists(st.booleans(), min_size=len(lengths), max_size=len(lengths))))
    plan = plan_epoch(lengths, 500, 0, 0, examples)
    assert sorted(plan.examples.tolist()) == examples.tolist()
    assert sum(len(plan.step(at)) for at in range(len(plan))) == len(examples)
