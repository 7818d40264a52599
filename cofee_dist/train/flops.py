"""How much arithmetic a model asks for, and how much a card can do: what utilisation is a ratio of."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

#: Dense peaks in TFLOP/s without sparsity, from NVIDIA's data sheets, by what is in the device's name: (bf16 or fp16
#: with fp32 sums on tensor cores, fp32 outside of them). Of two names that fit, the first counts.
_PEAKS: tuple[tuple[str, float, float], ...] = (
    ("B200", 2250.0, 75.0),
    ("H200 NVL", 835.5, 60.0),
    ("H200", 989.4, 67.0),
    ("H100 PCIe", 756.0, 51.0),
    ("H100 NVL", 835.5, 60.0),
    ("H100", 989.4, 67.0),
    ("H800 PCIe", 756.0, 51.0),
    ("H800", 989.4, 67.0),
    ("A100", 312.0, 19.5),
    ("A800", 312.0, 19.5),
    ("A40", 149.7, 37.4),
    ("A30", 165.0, 10.3),
    ("A10G", 70.0, 35.0),
    ("A10", 125.0, 31.2),
    ("L40S", 362.0, 91.6),
    ("L40", 181.0, 90.5),
    ("L4", 121.0, 30.3),
    ("V100", 125.0, 15.7),
    ("T4", 65.0, 8.1),
    ("RTX 6000 Ada", 364.2, 91.1),
    ("RTX A6000", 154.8, 38.7),
    ("RTX 4090", 165.2, 82.6),
    ("RTX 3090", 71.0, 35.6),
)


@dataclass(frozen=True)
class ModelFlops:
    """Floating-point operations of a forward and a backward pass over one sequence, by its length.

    6 N + 12 L d T for each of T tokens (PaLM, Chowdhery et al. 2022, appendix B; 12 for scores and their use, each
    2 T d a layer, and twice that on the way back). N: parameters outside of embedding tables, L: layers, d: hidden
    size. Every layer is taken to attend to the whole sequence and to have weights of its own; softmax, norms and the
    update are left out.
    """

    parameters: int
    layers: int
    hidden_size: int

    @classmethod
    def of(cls, module: Any) -> ModelFlops:
        """Of a SpanExtractor, whose parameters ZeRO-3 may have scattered."""
        tables = {id(table.weight) for table in module.modules() if isinstance(table, nn.Embedding)}
        sizes = (_size(value) for value in module.parameters() if id(value) not in tables)
        encoder = module.config.encoder
        return cls(sum(sizes), encoder.num_hidden_layers, encoder.hidden_size)

    def __call__(self, lengths_b: NDArray[np.int64]) -> float:
        """Of sequences of these lengths, padding left out."""
        of_weights = 6 * self.parameters * float(lengths_b.sum())
        of_attention = 12 * self.layers * self.hidden_size * float(np.square(lengths_b.astype(np.float64)).sum())
        return of_weights + of_attention


def _size(parameter: nn.Parameter) -> int:
    return int(getattr(parameter, "ds_numel", parameter.numel()))


def peak_flops(device: torch.device, precision: str) -> float | None:
    """The device's dense peak in FLOP/s at this precision; None where it is not known (a CPU, another card)."""
    if device.type != "cuda":
        return None
    if precision == "fp32" and torch.get_float32_matmul_precision() != "highest":
        return None  # TF32: another unit of the card.
    return named_peak(torch.cuda.get_device_name(device), precision)


def named_peak(name: str, precision: str) -> float | None:
    """``peak_flops`` of a card by its name, such as "NVIDIA A100-SXM4-80GB"."""
    for known, half, single in _PEAKS:
        if re.search(rf"\b{known}\b", name):
            return 1e12 * (single if precision == "fp32" else half)
    return None
