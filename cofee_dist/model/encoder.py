"""What differs between encoders: poolers, token types, how many positions they embed."""

from __future__ import annotations

import inspect
import os
from typing import Any

import torch
import transformers
from torch import nn
from transformers import AutoConfig, AutoModel, PreTrainedModel
from transformers.configuration_utils import PreTrainedConfig


def read_encoder(name: str | os.PathLike[str]) -> PreTrainedModel:
    """A pre-trained encoder in float32, without its pooler.

    Args:
        name: A hub name or a folder.

    Raises:
        OSError: There is no such encoder.
        ValueError: Its kind is unknown, or weights are missing.
    """
    config = AutoConfig.from_pretrained(name)
    if type(config) not in AutoModel._model_mapping:
        raise ValueError(f"transformers has no encoder of the kind {config.model_type!r}")
    # The library's report of what a checkpoint has beside the encoder (pooler, old heads) is no news.
    verbosity = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    try:
        encoder, loaded = AutoModel.from_pretrained(
            name, dtype=torch.float32, output_loading_info=True, **without_pooler(config)
        )
    finally:
        transformers.logging.set_verbosity(verbosity)
    if missing := sorted(loaded["missing_keys"]):
        raise ValueError(f"{len(missing)} of its weights are missing, the first is {missing[0]}")
    return encoder


def without_pooler(encoder_config: PreTrainedConfig) -> dict[str, bool]:
    """BERT's pooler would be parameters that no loss reaches; encoders without one know no such argument."""
    encoder_class: Any = AutoModel._model_mapping[type(encoder_config)]
    known = "add_pooling_layer" in inspect.signature(encoder_class).parameters
    return {"add_pooling_layer": False} if known else {}


def takes_token_types(encoder: PreTrainedModel) -> bool:
    """Whether the encoder tells question and sentence apart; RoBERTa's forward takes types, but knows only one."""
    parameters = inspect.signature(encoder.forward).parameters
    return "token_type_ids" in parameters and getattr(encoder.config, "type_vocab_size", None) not in (0, 1)


def max_positions(encoder: PreTrainedModel) -> int | None:
    """How many positions the encoder can embed; RoBERTa and its kin begin to count after the padding index."""
    table = getattr(getattr(encoder, "embeddings", None), "position_embeddings", None)
    if isinstance(table, nn.Embedding):
        return table.num_embeddings - (0 if table.padding_idx is None else table.padding_idx + 1)
    return getattr(encoder.config, "max_position_embeddings", None)
