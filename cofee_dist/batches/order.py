"""The one global order of an epoch: the same steps at any number of workers, sought and not replayed."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Steps' worth of examples that are sorted by length together: enough to fill steps with near-equal lengths.
_BUCKET_STEPS = 64


@dataclass(frozen=True)
class EpochPlan:
    """An epoch cut into optimizer steps: step i takes ``examples[splits[i]:splits[i + 1]]``."""

    examples: NDArray[np.int64]
    splits: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.splits) - 1

    def step(self, index: int) -> NDArray[np.int64]:
        """Example indices of one optimizer step, over all ranks and micro-batches."""
        return self.examples[self.splits[index] : self.splits[index + 1]]


def sample_negatives(
    has_entity: NDArray[np.bool_], types: int, negatives_per_positive: float | None, seed: int, epoch: int
) -> NDArray[np.int64]:
    """The examples of an epoch: all that have an entity, and of each type's others at most so many for each of these.

    Args:
        has_entity: of each example ``sentence * types + type``, bool [examples].
        types: how many there are.
        negatives_per_positive: null takes every example. A type without entities counts as one with one.
        seed: of the run.
        epoch: counted from 0; (seed, epoch) fixes the sample.

    Returns:
        Example indices, ascending, int64.
    """
    if negatives_per_positive is None:
        return np.arange(len(has_entity))
    # A stream of its own: the order of an epoch draws from [seed, epoch].
    random = np.random.Generator(np.random.PCG64([seed, epoch, 1]))
    chosen = [np.flatnonzero(has_entity)]
    for column in range(types):
        negatives = np.flatnonzero(~has_entity[column::types]) * types + column
        positives = int(has_entity[column::types].sum())
        wanted = math.floor(negatives_per_positive * max(1, positives))
        chosen.append(random.permutation(negatives)[:wanted])
    return np.sort(np.concatenate(chosen))


def plan_epoch(
    input_lengths: NDArray[np.int64],
    batch_tokens: int,
    seed: int,
    epoch: int,
    examples: NDArray[np.int64] | None = None,
) -> EpochPlan:
    """Shuffle, sort by length within buckets, cut at a token budget, shuffle the steps.

    Args:
        input_lengths: tokens of each example, int64 [examples].
        batch_tokens: at most this many tokens a step, padding included; one longer example is a step alone.
        seed: of the run.
        epoch: counted from 0; (seed, epoch) fixes the order.
        examples: those that the epoch takes; all if left out.
    """
    random = np.random.Generator(np.random.PCG64([seed, epoch]))
    examples = np.arange(len(input_lengths)) if examples is None else examples
    order = examples[random.permutation(len(examples))]
    mean = max(1.0, float(input_lengths[order].mean())) if len(order) else 1.0
    bucket = max(1, int(_BUCKET_STEPS * batch_tokens / mean))
    pieces = []
    for at in range(0, len(order), bucket):
        part = order[at : at + bucket]
        pieces.append(part[np.argsort(input_lengths[part], kind="stable")])
    order = np.concatenate(pieces) if pieces else order
    steps = _cut(order, input_lengths, batch_tokens)
    steps = [steps[at] for at in random.permutation(len(steps))]
    splits = np.concatenate([[0], np.cumsum([len(step) for step in steps])]).astype(np.int64)
    return EpochPlan(np.concatenate(steps) if steps else order, splits)


def micro_batches(batch_tokens: int, micro_batch_tokens: int, world_size: int) -> int:
    """Into how many micro-batches a step is cut: what the tokens ask for, rounded up to a multiple of the ranks.

    So any number of ranks that divides ``batch_tokens / micro_batch_tokens`` has the same micro-batches.
    """
    asked = -(-batch_tokens // micro_batch_tokens)
    return -(-asked // world_size) * world_size


def deal(
    step: NDArray[np.int64], input_lengths: NDArray[np.int64], parts: int, rank: int, world_size: int
) -> list[NDArray[np.int64]]:
    """One rank's micro-batches of a step; every rank gets as many (empty ones where examples run out).

    Sorted by length and cut into ``parts`` (see ``micro_batches``), which go round the ranks in turn. The largest is
    as small as can be, so that no rank waits long for another: with padding it has about its part of the step's
    tokens, and at most one example more.
    """
    order = step[np.argsort(input_lengths[step], kind="stable")]
    shares = np.split(order, _even_cuts(input_lengths[order].tolist(), parts))
    shares += [np.empty(0, dtype=np.int64)] * (parts - len(shares))
    return shares[rank::world_size]


def _even_cuts(lengths: list[int], parts: int) -> list[int]:
    """Where to cut ascending lengths into so many runs or fewer, the largest of which is the smallest that can be.

    Sizes are with padding; the smallest is found to within half a percent.
    """
    least, most = sum(lengths) // parts, len(lengths) * lengths[-1]
    stride = 1 + least // 200
    budgets = range(least, most + stride, stride)
    enough = bisect_left(budgets, True, key=lambda budget: len(_cuts(lengths, budget)) < parts)
    return _cuts(lengths, budgets[enough])


def _cuts(lengths: list[int], budget: int) -> list[int]:
    """Where to cut ascending lengths into the longest runs whose padded size is within the budget."""
    cuts: list[int] = []
    begin = _run_end(lengths, 0, budget)
    while begin < len(lengths):
        cuts.append(begin)
        begin = _run_end(lengths, begin, budget)
    return cuts


def _run_end(lengths: list[int], begin: int, budget: int) -> int:
    """A longer example than the budget is a run alone."""
    ends = range(begin + 1, len(lengths) + 1)
    return begin + max(1, bisect_right(ends, budget, key=lambda end: (end - begin) * lengths[end - 1]))


def length_batches(
    examples: NDArray[np.int64], input_lengths: NDArray[np.int64], batch_tokens: int
) -> list[NDArray[np.int64]]:
    """Batches for a pass without gradients: longest first, so that memory runs out at once or never."""
    order = examples[np.argsort(-input_lengths[examples], kind="stable")]
    return _cut(order, input_lengths, batch_tokens)


def _cut(order: NDArray[np.int64], lengths: NDArray[np.int64], budget: int) -> list[NDArray[np.int64]]:
    """Cut an order into runs whose padded size (count times longest) stays within the budget."""
    runs, begin, longest = [], 0, 0
    for at, length in enumerate(lengths[order].tolist()):
        longest = max(longest, length)
        if at > begin and longest * (at - begin + 1) > budget:
            runs.append(order[begin:at])
            begin, longest = at, length
    if begin < len(order):
        runs.append(order[begin:])
    return runs
