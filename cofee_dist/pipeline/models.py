"""A saved model, ready to predict on the device at hand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cofee_dist.model.span_extractor import SpanExtractor


def load_model(folder: Path) -> SpanExtractor:
    """Read a model; on a GPU where there is one."""
    import torch

    from cofee_dist.model.span_extractor import SpanExtractor

    quiet_transformers()
    model = SpanExtractor.from_pretrained(folder)
    torch.nn.Module.to(model, "cuda" if torch.cuda.is_available() else "cpu")
    return model


def quiet_transformers() -> None:
    """No bars for reading and writing weights: ours are the ones to watch."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
