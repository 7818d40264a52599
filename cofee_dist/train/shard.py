"""One rank's part of a checkpoint: a copy in host memory, its files, and their digests."""

from __future__ import annotations

import copy
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

#: File name below the checkpoint's folder to what is in it: of ``.safetensors`` tensors, of ``.pt`` a state dict.
Shard = Mapping[str, Mapping[str, Any]]


def to_host(value: Any) -> Any:
    """A copy that shares nothing with the original, its tensors contiguous and in host memory.

    From a GPU it goes into pinned memory, which torch keeps for the next copy.
    """
    copied = _copied(value)
    if torch.cuda.is_initialized():
        torch.cuda.current_stream().synchronize()
    return copied


def _copied(value: Any) -> Any:
    if isinstance(value, Tensor):
        host = torch.empty(value.shape, dtype=value.dtype, pin_memory=value.is_cuda)
        return host.copy_(value.detach(), non_blocking=True)
    if isinstance(value, dict):
        # Not a new dict: torch's carry their layers' versions in an attribute.
        copied = copy.copy(value)
        copied.update({key: _copied(item) for key, item in value.items()})
        return copied
    if type(value) in (list, tuple):
        return type(value)(_copied(item) for item in value)
    return copy.deepcopy(value)


def write_shard(shard: Shard, folder: Path) -> dict[str, dict[str, Any]]:
    """Write the files of a shard, and see them on the disk; returns each file's ``digest_of``."""
    for name, content in shard.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".safetensors":
            save_file(dict(content), path, metadata={"format": "pt"})
        else:
            torch.save(content, path)
    return {name: digest_of(folder / name, sync=True) for name in shard}


def digest_of(path: Path, sync: bool = False) -> dict[str, Any]:
    """A file's SHA-256 and size in bytes; with ``sync``, once the disk has it."""
    if sync:
        with path.open("rb+") as file:
            os.fsync(file.fileno())
    with path.open("rb") as file:
        return {"sha256": hashlib.file_digest(file, "sha256").hexdigest(), "bytes": path.stat().st_size}


def damage_of(path: Path, digest: Mapping[str, Any]) -> str | None:
    """What is wrong with a file of which ``digest_of`` is known: in a few words, or None."""
    if not path.exists():
        return f"{path.name} is missing"
    if path.stat().st_size != digest["bytes"]:
        return f"{path.name} has {path.stat().st_size} bytes, not {digest['bytes']}"
    return None if digest_of(path) == digest else f"{path.name} has changed (SHA-256)"
