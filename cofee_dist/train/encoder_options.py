"""How the encoder runs: which kernels attend, what is kept for the way back, whether it is compiled."""

from __future__ import annotations

import os
import shutil

import torch

from cofee_dist.config import Engine as EngineConfig
from cofee_dist.errors import UserError
from cofee_dist.model.packed import set_up_packing
from cofee_dist.model.span_extractor import SpanExtractor


def set_up_encoder(module: SpanExtractor, config: EngineConfig, device: torch.device) -> None:
    """Do what the config asks for; names and values of the weights stay as they are.

    Raises:
        UserError: The encoder or this machine cannot.
    """
    _set_attention(module, config, device)
    _pack(module, config)
    _checkpoint_activations(module, config)
    _compile(module, config)


def _set_attention(module: SpanExtractor, config: EngineConfig, device: torch.device) -> None:
    """``auto`` leaves what transformers chose: sdpa where the encoder has it."""
    wanted, encoder = config.attention, module.encoder
    before = encoder.config._attn_implementation
    if wanted in ("auto", before) or (wanted == "sdpa" and module.packed):
        return
    where, fix = "engine.attention", "set engine.attention to auto"
    if wanted == "flash_attention_2" and (config.precision == "fp32" or device.type != "cuda"):
        raise UserError("flash attention wants a GPU and engine.precision bf16 or fp16", where=where, fix=fix)
    try:
        encoder.set_attn_implementation(wanted)
    except (ImportError, ValueError) as error:
        raise UserError(f"no {wanted} here: {' '.join(str(error).split())}", where=where, fix=fix) from error
    if encoder.config._attn_implementation == before:
        raise UserError(
            f"the encoder ({encoder.config.model_type}) computes its attention itself ({before})", where=where, fix=fix
        )


def _pack(module: SpanExtractor, config: EngineConfig) -> None:
    """Compute no padding in the encoder."""
    if not config.packed:
        return
    where = "engine.packed"
    if config.attention == "eager":
        raise UserError("eager attention cannot be packed", where=where, fix="set engine.attention to auto")
    if config.compile:
        # A graph for every set of lengths.
        raise UserError("torch.compile does not go with packed inputs", where=where, fix="set one of them to false")
    set_up_packing(module.encoder)
    module.packed = True


def _checkpoint_activations(module: SpanExtractor, config: EngineConfig) -> None:
    """Keep only the layers' inputs and compute the rest again on the way back."""
    if not config.activation_checkpointing:
        return
    if not module.encoder.supports_gradient_checkpointing:
        raise UserError(
            f"the encoder ({module.config.encoder.model_type}) cannot checkpoint activations",
            fix="set engine.activation_checkpointing to false",
        )
    # The older name of the same, for the releases of transformers that have no other.
    enable = getattr(module.encoder, "activation_checkpointing_enable", module.encoder.gradient_checkpointing_enable)
    enable()


def _compile(module: SpanExtractor, config: EngineConfig) -> None:
    """Compile the encoder once for batches of any size; it begins when the first one comes."""
    if not config.compile:
        return
    compilers = (os.environ.get("CXX", "g++"), "g++", "clang++")
    if not any(shutil.which(name) for name in compilers):
        raise UserError(
            "torch.compile finds no C++ compiler", where="engine.compile", fix="install g++, or set it to false"
        )
    module.encoder.compile(dynamic=True)
