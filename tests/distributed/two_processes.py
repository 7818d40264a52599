"""Runs a function on several processes that talk over gloo, as a launcher would start them."""

from __future__ import annotations

import functools
import os
import socket
from collections.abc import Callable
from multiprocessing import forkserver, set_forkserver_preload
from typing import Any

import torch.multiprocessing as mp

#: What a launcher sets alike for all processes.
_ALIKE = {"MASTER_ADDR": "127.0.0.1", "OMP_NUM_THREADS": "1", "DS_ACCELERATOR": "cpu"}


def run_on(processes: int, function: Callable[..., None], *arguments: Any) -> None:
    """Call ``function(rank, *arguments)`` on each; an error in one of them is raised here."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
    _load_once()
    told = (processes, port, function, arguments)
    mp.start_processes(_enter, told, nprocs=processes, start_method="forkserver")


@functools.cache
def _load_once() -> None:
    """A server that has loaded the libraries forks all processes: loading them takes each ten seconds of CPU."""
    set_forkserver_preload(["torch", "transformers", "deepspeed", "pyarrow.parquet", "cofee_dist.train.worker"])
    before = dict(os.environ)
    os.environ |= _ALIKE
    forkserver.ensure_running()
    os.environ.clear()
    os.environ |= before


def _enter(rank: int, processes: int, port: int, function: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    os.environ |= _ALIKE
    os.environ |= {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(processes),
        "MASTER_PORT": str(port),
    }
    import torch

    torch.set_num_threads(1)
    function(rank, *arguments)
    if torch.distributed.is_initialized():
        # Else gloo's threads may still run when the process ends, which then aborts.
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()
