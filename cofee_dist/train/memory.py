"""Out of memory: told with the settings that decide how much a step takes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from cofee_dist.artifacts import read_json
from cofee_dist.config import Config
from cofee_dist.errors import UserError

#: How torch says it of the host's memory and of cuBLAS's workspace, in a plain RuntimeError.
_SIGNS = ("can't allocate memory", "CUBLAS_STATUS_ALLOC_FAILED")
_MOST_CHARACTERS = 200


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a GPU's or the host's memory has run out."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _SIGNS)


@contextmanager
def out_of_memory_told(config: Config, stage: str) -> Iterator[None]:
    """Raise UserError, with what to change, where the block runs out of memory."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        said = " ".join(str(error).split())[:_MOST_CHARACTERS]
        raise UserError(
            f"stage {stage} ran out of memory{': ' if said else ''}{said}", fix="; ".join(_ways_out(config))
        ) from error


def _ways_out(config: Config) -> Iterator[str]:
    engine = config.engine
    yield f"lower engine.micro_batch_tokens (now {engine.micro_batch_tokens}; an update takes as many)"
    yield f"lower encoder.max_length_tokens (now {config.encoder.max_length_tokens})"
    if engine.precision == "fp32":
        yield "set engine.precision to bf16 (now fp32)"
    if engine.name == "torch":
        yield "set engine.name to deepspeed, whose ZeRO stages share model and optimizer among workers or offload them"
    else:
        yield f"take a higher ZeRO stage, or offload, in engine.deepspeed_config (now stage {_zero_stage(config)})"
    yield "`cofee profile` with the same config says which micro_batch_tokens fits"


def _zero_stage(config: Config) -> int:
    path = config.engine.deepspeed_config
    settings = {} if path is None else read_json(Path(path))
    return int(settings.get("zero_optimization", {}).get("stage", 1 if path is None else 0))
