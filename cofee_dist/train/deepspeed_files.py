"""DeepSpeed's checkpoint files: taken as copies in place of being written, and read without running what is in them."""

from __future__ import annotations

import argparse
import io
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import torch
from deepspeed.checkpoint import ds_to_universal
from deepspeed.runtime.checkpoint_engine.checkpoint_engine import CheckpointCommitInfo, CheckpointEngine
from deepspeed.runtime.fp16.loss_scaler import DynamicLossScaler, LossScaler
from deepspeed.runtime.zero.config import ZeroStageEnum
from deepspeed.utils.tensor_fragment import fragment_address

from cofee_dist.train.shard import Shard, to_host

#: All that is in the files beside tensors, containers, numbers and strings: plain values in classes of DeepSpeed's.
_CLASSES = [DynamicLossScaler, LossScaler, ZeroStageEnum, fragment_address]
_FORCE = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"


class Snapshots(CheckpointEngine):
    """DeepSpeed gives it what it would write, which has live tensors in it; it takes copies."""

    def __init__(self) -> None:
        super().__init__()
        self._taken: dict[str, dict[str, Any]] = {}

    def hand_over(self) -> Shard:
        """The copies by their path; none of them is kept."""
        taken, self._taken = self._taken, {}
        return taken

    def create(self, info: CheckpointCommitInfo) -> None:
        """A new checkpoint."""
        self._taken = {}

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """Nothing: whoever writes the copies makes their folders."""

    def save(self, state_dict: dict[str, Any], path: str) -> None:
        """Take a copy."""
        self._taken[Path(path).as_posix()] = to_host(state_dict)

    def load(self, path: str, map_location: Any = None) -> Any:
        """Read a file."""
        return torch.load(path, map_location=map_location, weights_only=True)

    def commit(self, info: CheckpointCommitInfo) -> bool:
        """Nothing is on its way."""
        return True


@contextmanager
def weights_only() -> Iterator[None]:
    """Within it, ``torch.load`` makes no objects but of ``_CLASSES``, even where DeepSpeed asks for any."""
    before = os.environ.get(_FORCE)
    os.environ[_FORCE] = "1"
    try:
        with torch.serialization.safe_globals(_CLASSES):
            yield
    finally:
        if before is None:
            del os.environ[_FORCE]
        else:
            os.environ[_FORCE] = before


def to_universal(shards: Path, folder: Path) -> None:
    """Write the shards of any number of ranks as files for each parameter, which any number of ranks can load."""
    arguments = argparse.Namespace(
        input_folder=str(shards),
        output_folder=str(folder),
        num_extract_workers=1,
        num_merge_workers=1,
        keep_temp_folder=False,
        strict=True,
        # What is said there of parallel layers is for models that are cut: this one is not.
        inject_missing_state=True,
    )
    shutil.rmtree(folder, ignore_errors=True)
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        ds_to_universal.main(arguments)
