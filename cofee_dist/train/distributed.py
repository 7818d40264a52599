"""What ranks say to each other outside the gradients; in a single process each is a no-op."""

from __future__ import annotations

from typing import TypeVar

import torch.distributed as dist

T = TypeVar("T")


def barrier() -> None:
    """Wait for every rank."""
    if dist.is_initialized() and dist.get_world_size() > 1:
        dist.barrier()


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
