"""The best model of a stage so far: saved whole, swapped in atomically."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import torch
from transformers.utils import SAFE_WEIGHTS_NAME

from cofee_dist.artifacts import write_text
from cofee_dist.errors import UserError
from cofee_dist.model.span_extractor import SpanExtractor
from cofee_dist.ranks import barrier
from cofee_dist.train.engine import Engine
from cofee_dist.train.shard import digest_of

_DIGEST = f"{SAFE_WEIGHTS_NAME}.sha256"


def weights_digest(model: SpanExtractor) -> str:
    """A digest of every weight: two models with the same one label alike."""
    digest = hashlib.sha256()
    for name, value in model.state_dict().items():
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
    return digest.hexdigest()[:16]


def save_model(engine: Engine, model: SpanExtractor, folder: Path) -> None:
    """Write the engine's weights as a Hugging Face folder (safetensors, tokenizer); every rank calls it.

    A kill at any time leaves the model that was there or the new one: only its weights change within a stage, and
    they are in one file. Beside it lies their SHA-256, as ``sha256sum -c`` reads it.
    """
    state = engine.full_state()
    if engine.rank == 0:
        partial = folder.with_name(f".{folder.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        model.save_pretrained(partial, state_dict=state)
        line = _line(partial)
        if folder.exists():
            # Until the weights are swapped, the old ones are right as well.
            write_text(folder / _DIGEST, line + _digests(folder))
            for path in sorted(partial.iterdir(), key=lambda path: path.name == SAFE_WEIGHTS_NAME):
                os.replace(path, folder / path.name)
            partial.rmdir()
            write_text(folder / _DIGEST, line)
        else:
            write_text(partial / _DIGEST, line)
            partial.rename(folder)
    barrier()


def write_digest(folder: Path) -> None:
    """Put the SHA-256 of a saved model's weights beside them."""
    write_text(folder / _DIGEST, _line(folder))


def check_model(folder: Path) -> None:
    """See that weights whose SHA-256 lies beside them are as they were written; of others there is nothing to see.

    Raises:
        UserError: They are missing or have changed.
    """
    path = folder / SAFE_WEIGHTS_NAME
    if known := _digests(folder):
        found = digest_of(path)["sha256"] if path.exists() else "missing"
        if found not in known:
            raise UserError(
                "the model's weights are not as they were saved",
                where=path,
                fix="remove the folder of the stage that made it, and run the same command again",
            )


def _line(folder: Path) -> str:
    return f"{digest_of(folder / SAFE_WEIGHTS_NAME, sync=True)['sha256']}  {SAFE_WEIGHTS_NAME}\n"


def _digests(folder: Path) -> str:
    path = folder / _DIGEST
    return path.read_text(encoding="utf-8") if path.exists() else ""
