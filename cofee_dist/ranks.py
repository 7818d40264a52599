"""What ranks say to each other outside the gradients; in a single process each is a no-op."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor

T = TypeVar("T")


def _alone() -> bool:
    return not dist.is_initialized() or dist.get_world_size() == 1


def barrier() -> None:
    """Wait for every rank."""
    if not _alone():
        dist.barrier()


def from_first(value: T) -> T:
    """Rank 0's value, on every rank; every rank calls it."""
    values = [value]
    if not _alone():
        dist.broadcast_object_list(values)
    return values[0]


def sum_over_ranks(values: Tensor) -> Tensor:
    """The sum of every rank's values, on every rank; every rank calls it, with one shape."""
    if not _alone():
        dist.all_reduce(values)
    return values


def sum_arrays(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """``sum_over_ranks`` of an array, in float64; the array given stays as it is."""
    if _alone():
        return values
    # NCCL sums on the GPU only.
    device = torch.device("cuda", torch.cuda.current_device()) if dist.get_backend() == "nccl" else torch.device("cpu")
    return sum_over_ranks(torch.from_numpy(values.copy()).to(device)).cpu().numpy()


def gather_shares(share: list[T], total: int, rank: int, world_size: int) -> list[T]:
    """Put ``items[rank::world_size]`` of every rank together again, in the original order, on every rank.

    Args:
        share: this rank's items.
        total: how many items all ranks have.
        rank: of this process.
        world_size: how many there are.
    """
    if world_size == 1:
        return share
    shares: list[list[T]] = [[] for _ in range(world_size)]
    dist.all_gather_object(shares, share)
    return [shares[at % world_size][at // world_size] for at in range(total)]


def gather_rows(index_n: NDArray[np.int64], *columns: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    """Every rank's rows, on every rank: the sorted indices, then the columns in their order.

    Args:
        index_n: what this rank's rows are called among those of all ranks; no two are the same.
        columns: arrays whose first axis is that of ``index_n``.
    """
    parts: list[tuple[NDArray[Any], ...]] = [(index_n, *columns)]
    if not _alone():
        parts *= dist.get_world_size()
        dist.all_gather_object(parts, (index_n, *columns))
    joined = [np.concatenate(column) for column in zip(*parts, strict=True)]
    order = np.argsort(joined[0], kind="stable")
    return tuple(column[order] for column in joined)
