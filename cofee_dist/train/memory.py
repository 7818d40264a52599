"""Out of memory: told with the settings that decide how much a step takes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from cofee_dist.artifacts import read_json
from cofee_dist.config import Config, Fet, Stage
from cofee_dist.errors import UserError

#: How it is said in a plain RuntimeError, by torch of the host and of a GPU, by cuBLAS, cuDNN, NCCL, FAISS and C++.
_SIGNS = (
    "out of memory",
    "can't allocate memory",
    "cannot allocate memory",
    "cublas_status_alloc_failed",
    "cudnn_status_alloc_failed",
    "std::bad_alloc",
)
#: What Ray says of workers that it killed before the machine had no memory left.
_BY_RAY = "running low on memory"
#: What Ray and Python's pool say of a process that ended without a word, as after SIGKILL.
_KILLED = ("killed by the oom killer", "killed by sigkill", "terminated abruptly")
_MOST_CHARACTERS = 200


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a GPU's or the host's memory has run out."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error).lower() for sign in _SIGNS)


@contextmanager
def out_of_memory_told(config: Config, stage: str, settings: Stage) -> Iterator[None]:
    """Raise UserError, with what to change, where the block runs out of memory; ``settings`` are the stage's."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        said = " ".join(str(error).split())[:_MOST_CHARACTERS]
        raise UserError(
            f"stage {stage} ran out of memory{': ' if said else ''}{said}", fix="; ".join(_ways_out(config, settings))
        ) from error


@contextmanager
def killed_workers_told(config: Config, stage: str, settings: Stage) -> Iterator[None]:
    """The same where the block starts processes that the system, or Ray, kills for the memory that they take."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        said = str(error).lower()
        if _BY_RAY in said:
            what = f"stage {stage} ran out of memory: Ray killed its workers before their machine had none left"
            ways = list(_ways_out(config, settings))
        elif any(sign in said for sign in _KILLED):
            what = f"stage {stage}: its processes were killed, as a system does that has no memory left"
            ways = ["see the machine's log (`dmesg`)", *_ways_out(config, settings)]
        else:
            raise
        raise UserError(what, fix="; ".join(ways)) from error


def _ways_out(config: Config, settings: Stage) -> Iterator[str]:
    engine = config.engine
    yield f"lower engine.micro_batch_tokens (now {engine.micro_batch_tokens}; an update takes as many)"
    if not engine.activation_checkpointing:
        yield "set engine.activation_checkpointing to true (a third more arithmetic, far less memory)"
    if engine.precision == "fp32":
        yield "set engine.precision to bf16 (now fp32)"
    if engine.name == "torch":
        yield "set engine.name to deepspeed, whose ZeRO stages share model and optimizer among workers or offload them"
    else:
        yield f"take a higher ZeRO stage, or offload, in engine.deepspeed_config (now stage {_zero_stage(config)})"
    yield f"lower encoder.max_length_tokens (now {config.encoder.max_length_tokens})"
    if isinstance(settings, Fet):
        points = "all entities" if settings.kmeans_points is None else settings.kmeans_points
        yield (
            f"if it was k-means (FAISS): lower stages.fet.kmeans_points (now {points}), or set "
            "stages.fet.embedding_precision to fp16 or stages.fet.pca_dimensions"
        )
    yield "`cofee profile` with the same config says which micro_batch_tokens fits"


def _zero_stage(config: Config) -> int:
    path = config.engine.deepspeed_config
    settings = {} if path is None else read_json(Path(path))
    return int((settings.get("zero_optimization") or {}).get("stage", 1 if path is None else 0))
