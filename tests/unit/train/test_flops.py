from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import BertConfig

from cofee_dist.model.span_extractor import SpanExtractor
from cofee_dist.train.flops import ModelFlops, named_peak, peak_flops
from tests.encoders import wordpiece_tokenizer


@pytest.mark.parametrize(("layers", "width"), [(1, 128), (3, 192)])
@pytest.mark.parametrize("length", [8, 60])
def test_the_formula_is_what_torch_counts(layers: int, width: int, length: int) -> None:
    tokenizer = wordpiece_tokenizer()
    encoder = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=4 * width,
        max_position_embeddings=64,
    )
    # Torch's counter knows the matrix products of which "eager" attention is made.
    encoder._attn_implementation = "eager"
    model = SpanExtractor.from_encoder(encoder, {"PER": "persons"}, "Find Entities", 64, tokenizer=tokenizer)
    ids = torch.ones((3, length), dtype=torch.int64)
    with FlopCounterMode(display=False) as counter:
        output = model(ids, torch.ones_like(ids))
        (output.start_logits_bt2.sum() + output.end_logits_bt2.sum()).backward()
    # The formula counts biases and norms like matrices: 13 d beside 12 d² parameters of a layer.
    assert ModelFlops.of(model)(np.full(3, length)) == pytest.approx(counter.get_total_flops(), rel=0.015)


@pytest.mark.parametrize(
    ("name", "precision", "tflops"),
    [
        ("NVIDIA A100-SXM4-80GB", "bf16", 312),
        ("NVIDIA A10", "bf16", 125),
        ("NVIDIA A10G", "fp32", 35),
        ("NVIDIA H100 PCIe", "bf16", 756),
        ("NVIDIA H100 80GB HBM3", "bf16", 989.4),
        ("NVIDIA H200", "fp32", 67),
        ("NVIDIA L40S", "bf16", 362),
        ("NVIDIA L4", "bf16", 121),
        ("Tesla T4", "fp16", 65),
        ("NVIDIA GeForce RTX 4090", "fp16", 165.2),
    ],
)
def test_peaks_by_name(name: str, precision: str, tflops: float) -> None:
    assert named_peak(name, precision) == tflops * 1e12


def test_unknown_devices_have_no_peak() -> None:
    assert named_peak("NVIDIA GeForce GTX 970", "fp32") is None
    assert peak_flops(torch.device("cpu"), "bf16") is None
