"""A saved model, ready to predict on the device at hand."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cofee_dist.model.span_extractor import SpanExtractor


def load_model(folder: Path) -> SpanExtractor:
    """Read a model; on a GPU where there is one.

    Raises:
        UserError: Its weights are not as they were saved.
    """
    import torch

    from cofee_dist.model.span_extractor import SpanExtractor
    from cofee_dist.train.best import check_model

    quiet_transformers()
    check_model(folder)
    model = SpanExtractor.from_pretrained(folder)
    torch.nn.Module.to(model, "cuda" if torch.cuda.is_available() else "cpu")
    return model


def quiet_transformers() -> None:
    """No bars for reading and writing weights: ours are the ones to watch."""
    import torch
    from transformers.utils import logging

    if not torch.cuda.is_available():
        # Where accelerate is installed transformers imports DeepSpeed, which warns that it sees no GPU.
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
    logging.disable_progress_bar()
    logging.set_verbosity_error()
