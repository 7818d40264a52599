"""What ranks say to each other outside the gradients; in a single process each is a no-op."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor

T = TypeVar("T")


def barrier() -> None:
    """Wait for every rank."""
    if dist.is_initialized() and dist.get_world_size() > 1:
        dist.barrier()


def sum_over_ranks(values: Tensor) -> Tensor:
    """The sum of every rank's values, on every rank; every rank calls it, with one shape."""
    if dist.is_initialized() and dist.get_world_size() > 1:
        dist.all_reduce(values)
    return values


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


def gather_rows(index: NDArray[np.int64], rows: NDArray[np.float32], total: int) -> NDArray[np.float32]:
    """Every rank's rows in their places of one array [total, d], on every rank.

    Args:
        index: where this rank's rows belong, int64 [share].
        rows: float32 [share, d].
        total: rows over all ranks.
    """
    gathered = np.empty((total, rows.shape[1]), dtype=np.float32)
    parts = [(index, rows)]
    if dist.is_initialized() and dist.get_world_size() > 1:
        parts = [(index, rows)] * dist.get_world_size()
        dist.all_gather_object(parts, (index, rows))
    for places, values in parts:
        gathered[places] = values
    return gathered
