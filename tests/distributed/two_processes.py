"""Runs a function on several processes that talk over gloo, as a launcher would start them."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Any

import torch.multiprocessing as mp


def run_on(processes: int, function: Callable[..., None], *arguments: Any) -> None:
    """Call ``function(rank, *arguments)`` on each; an error in one of them is raised here."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
    mp.spawn(_enter, (processes, port, function, arguments), nprocs=processes)


def _enter(rank: int, processes: int, port: int, function: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    os.environ |= {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(processes),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "OMP_NUM_THREADS": "1",
        "DS_ACCELERATOR": "cpu",
    }
    import torch

    torch.set_num_threads(1)
    function(rank, *arguments)
    if torch.distributed.is_initialized():
        # Else gloo's threads may still run when the process ends, which then aborts.
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()
