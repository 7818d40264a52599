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


def deal(
    step: NDArray[np.int64], input_lengths: NDArray[np.int64], micro_batch_tokens: int, rank: int, world_size: int
) -> list[NDArray[np.int64]]:
    """One rank's micro-batches of a step; every rank gets as many (an empty one where there is nothing to share).

    Sorted by length, cut into as few as ``micro_batch_tokens`` allow, rounded up to the number of ranks, and the
    largest of these as small as can be, so that no rank waits long for another; they go round the ranks in turn.
    """
    order = step[np.argsort(input_lengths[step], kind="stable")]
    parts = np.split(order, _even_cuts(input_lengths[order].tolist(), micro_batch_tokens, world_size))
    rounds = -(-len(parts) // world_size)
    parts += [np.empty(0, dtype=np.int64)] * (rounds * world_size - len(parts))
    return parts[rank::world_size]


def _even_cuts(lengths: list[int], budget: int, multiple: int) -> list[int]:
    """Where to cut ascending lengths: in as few runs as the budget allows, rounded up to a multiple, and evenly.

    Evenly means for the smallest budget that still does with so many runs, to within half a percent.
    """
    cuts = _cuts(lengths, budget)
    if multiple == 1:
        return cuts
    most = -(-(len(cuts) + 1) // multiple) * multiple
    least = sum(lengths) // most
    budgets = range(least, budget, 1 + least // 200)
    enough = bisect_left(budgets, True, key=lambda smaller: len(_cuts(lengths, smaller)) < most)
    return cuts if enough == len(budgets) else _cuts(lengths, budgets[enough])


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
