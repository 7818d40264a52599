"""The best model of a stage so far: saved whole, swapped in atomically."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import torch

from cofee_dist.model.span_extractor import SpanExtractor
from cofee_dist.ranks import barrier
from cofee_dist.train.engine import Engine


def weights_digest(model: SpanExtractor) -> str:
    """A digest of every weight: two models with the same one label alike."""
    digest = hashlib.sha256()
    for name, value in model.state_dict().items():
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
    return digest.hexdigest()[:16]


def save_model(engine: Engine, model: SpanExtractor, folder: Path) -> None:
    """Write the engine's weights as a Hugging Face folder (safetensors, tokenizer); every rank calls it."""
    state = engine.full_state()
    if engine.rank == 0:
        partial = folder.with_name(f".{folder.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        model.save_pretrained(partial, state_dict=state)
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
    barrier()
