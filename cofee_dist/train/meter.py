"""What a line of the training log is made of: sums over a few steps, put together over ranks."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cofee_dist.batches.collate import Batch
from cofee_dist.ranks import sum_over_ranks
from cofee_dist.train.flops import ModelFlops
from cofee_dist.train.metrics import Metrics

_CPU = torch.device("cpu")


@dataclass
class Meter:
    """One rank's sums since the last line of the log.

    ``flops`` is left out where utilisation is of no interest, ``peak_flops`` (of one device) where it is not known.
    With ``waits`` each part's seconds are those of the device too: it is waited for, which costs speed.
    """

    device: torch.device = _CPU
    flops: ModelFlops | None = None
    peak_flops: float | None = None
    waits: bool = False
    losses: dict[str, Tensor] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    tokens: int = 0
    padded_tokens: int = 0
    entities: int = 0
    model_flops: float = 0.0
    steps: int = 0
    began: float = field(default_factory=time.perf_counter)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Add the block's seconds to those of a part of the step (data, forward, backward, update)."""
        began = time.perf_counter()
        yield
        if self.waits and self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began

    def add_losses(self, losses: Mapping[str, Tensor]) -> None:
        """Count a micro-batch's share of the step's losses."""
        for name, value in losses.items():
            self.losses[name] = self.losses.get(name, torch.zeros((), device=value.device)) + value.detach()

    def add_batch(self, batch: Batch, lengths_b: NDArray[np.int64], packed: bool = False) -> None:
        """Count a micro-batch; ``lengths_b`` are those of its inputs, question included and padding not.

        ``packed``: the encoder computes no padding.
        """
        tokens = int(lengths_b.sum())
        self.tokens += tokens
        self.padded_tokens += tokens if packed else batch.input_ids_bt.numel()
        self.entities += batch.span_start_e.numel()
        if self.flops is not None:
            self.model_flops += self.flops(lengths_b)

    def metrics(self) -> Metrics:
        """Of the whole steps: each rank knows only its share of losses and tokens, so every rank calls this.

        Losses are means over steps. Tokens are those of questions and sentences, not padding. ``data_wait_share`` is
        the part of the time in which batches are cut, laid out and sent to the device, a mean over ranks; on a GPU,
        which may have work meanwhile, no more than that is lost. ``model_flops_utilisation`` is the share of the
        devices' dense peak that the model's arithmetic takes (see ``ModelFlops``); where the peak is not known,
        ``model_tflops_per_second`` of all ranks stand in its place. ``gpu_memory_gb``: peak of tensors on this rank's
        GPU since the process began, in 10^9 bytes.
        """
        seconds = time.perf_counter() - self.began
        waited = self.seconds.get("data", 0.0) / seconds
        own = [self.tokens, self.padded_tokens, self.entities, self.model_flops, waited, 1]
        shares = torch.stack([*self.losses.values()]).double()
        counts = torch.tensor(own, dtype=torch.float64, device=shares.device)
        *losses, tokens, padded, entities, flops, waited, ranks = sum_over_ranks(torch.cat([shares, counts])).tolist()
        found = {name: value / self.steps for name, value in zip(self.losses, losses, strict=True)}
        found |= {
            "tokens_per_second": tokens / seconds,
            "entities_per_second": entities / seconds,
            "padding_share": 1 - tokens / max(1, padded),
            "data_wait_share": waited / ranks,
        }
        if self.flops is not None and self.peak_flops is not None:
            found["model_flops_utilisation"] = flops / seconds / (ranks * self.peak_flops)
        elif self.flops is not None:
            found["model_tflops_per_second"] = flops / seconds / 1e12
        if self.device.type == "cuda":
            found["gpu_memory_gb"] = torch.cuda.max_memory_allocated(self.device) / 1e9
        return found
