"""What the loop asks of an engine, and the plain torch engine, which is the others' oracle."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from cofee_dist.config import Engine as EngineConfig
from cofee_dist.config import Stage
from cofee_dist.errors import UserError
from cofee_dist.model.span_extractor import SpanExtractor
from cofee_dist.train.encoder_options import set_up_encoder
from cofee_dist.train.shard import Shard, to_host

_WEIGHTS, _UPDATE = "model.safetensors", "optimizer.pt"


class Engine(Protocol):
    """One process's part in training a model. ``backward`` adds gradients; ``step`` applies and clears them."""

    module: SpanExtractor
    device: torch.device
    rank: int
    world_size: int

    def autocast(self) -> torch.autocast:
        """The precision in which forward passes run."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The model's forward pass. Training goes through here and not through ``module``: engines hook into it."""

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of this rank's terms, each divided by the step's global count already."""

    def step(self, learning_rate: float) -> float | None:
        """Sum gradients over ranks, clip, update, clear. Returns the norm before clipping, where the engine tells.

        A norm that is not finite is the same on every rank and means that no update was made.
        """

    def snapshot(self) -> Shard:
        """A copy in host memory of this rank's part of model and optimizer, as files; every rank calls it."""

    def load(self, folder: Path) -> None:
        """Read the files of every rank's ``snapshot``, with as many ranks or another number of them."""

    def full_state(self) -> dict[str, Tensor]:
        """The whole model's weights on the CPU; every rank calls it (ZeRO-3 gathers)."""

    def evaluation(self) -> AbstractContextManager[SpanExtractor]:
        """A model with the weights as they are, in which this rank runs forward passes on its own, without collectives.

        Every rank enters, each then makes as many passes as it likes. Whether layers drop out is the caller's to set.
        """


def device_of(config: EngineConfig) -> torch.device:
    """The device that the config asks for; ``auto`` takes a GPU where there is one.

    Raises UserError for a GPU that is not there.
    """
    if config.device == "cuda" and not torch.cuda.is_available():
        raise UserError(
            "there is no GPU that torch sees", where="engine.device", fix="set engine.device to auto or cpu"
        )
    cuda = torch.cuda.is_available() if config.device == "auto" else config.device == "cuda"
    return torch.device("cuda", torch.cuda.current_device()) if cuda else torch.device("cpu")


def autocast(device: torch.device, config: EngineConfig) -> torch.autocast:
    """bf16 or fp16 autocast, or none in fp32."""
    dtype = torch.float16 if config.precision == "fp16" else torch.bfloat16
    return torch.autocast(device.type, dtype=dtype, enabled=config.precision != "fp32")


def parameter_groups(module: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Weight decay for matrices; none for biases, norms and other vectors."""
    decayed = [parameter for parameter in module.parameters() if parameter.requires_grad and parameter.ndim > 1]
    others = [parameter for parameter in module.parameters() if parameter.requires_grad and parameter.ndim <= 1]
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]


def learning_rate_at(step: int, total_steps: int, stage: Stage) -> float:
    """Linear warm-up over ``warmup_share`` of the steps, then ``schedule``. A function of the place alone.

    With x the share of the other steps that is done: linear 1 - x, cosine (1 + cos(pi x)) / 2, constant 1. Where
    epochs differ in length, ``total_steps`` and ``step`` count as if all were like the one at hand.
    """
    warmup = max(1, round(stage.warmup_share * total_steps))
    if step < warmup:
        return stage.learning_rate * (step + 1) / warmup
    done = min(1.0, (step - warmup) / max(1, total_steps - warmup))
    match stage.schedule:
        case "linear":
            return stage.learning_rate * (1 - done)
        case "cosine":
            return stage.learning_rate * (1 + math.cos(math.pi * done)) / 2
        case "constant":
            return stage.learning_rate


class TorchEngine:
    """One process, AdamW, no wrapper around the model."""

    def __init__(self, module: SpanExtractor, config: EngineConfig, stage: Stage) -> None:
        self.device = device_of(config)
        self.module = module
        nn.Module.to(module, self.device)
        set_up_encoder(module, config, self.device)
        self.rank, self.world_size = 0, 1
        self._config, self._max_norm = config, stage.max_gradient_norm
        groups = parameter_groups(module, stage.weight_decay)
        self._optimizer = torch.optim.AdamW(groups, lr=stage.learning_rate, fused=True)
        # Off, it hands everything through as it is.
        self._scaler = torch.amp.GradScaler(self.device.type, enabled=config.precision == "fp16")

    def autocast(self) -> torch.autocast:
        """See Engine."""
        return autocast(self.device, self._config)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """See Engine."""
        return self.module(*args, **kwargs)

    def backward(self, loss: Tensor) -> None:
        """See Engine."""
        self._scaler.scale(loss).backward()

    def step(self, learning_rate: float) -> float | None:
        """See Engine. A step of fp16 whose gradients overflow is skipped and has no norm."""
        self._scaler.unscale_(self._optimizer)
        norm = float(nn.utils.clip_grad_norm_(self.module.parameters(), self._max_norm))
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate
        is_finite, scaled = math.isfinite(norm), self._scaler.is_enabled()
        if is_finite or scaled:
            self._scaler.step(self._optimizer)
            self._scaler.update()
        self._optimizer.zero_grad(set_to_none=True)
        return norm if is_finite or not scaled else None

    def snapshot(self) -> Shard:
        """See Engine."""
        update = {"optimizer": self._optimizer.state_dict(), "scaler": self._scaler.state_dict()}
        shard: Shard = to_host({_WEIGHTS: self.module.state_dict(), _UPDATE: update})
        return shard

    def load(self, folder: Path) -> None:
        """See Engine."""
        self.module.load_state_dict(load_file(folder / _WEIGHTS, device=str(self.device)))
        state = torch.load(folder / _UPDATE, map_location=self.device, weights_only=True)
        self._optimizer.load_state_dict(state["optimizer"])
        self._scaler.load_state_dict(state["scaler"])

    def full_state(self) -> dict[str, Tensor]:
        """See Engine."""
        return {name: value.detach().cpu().clone() for name, value in self.module.state_dict().items()}

    def evaluation(self) -> AbstractContextManager[SpanExtractor]:
        """See Engine."""
        return nullcontext(self.module)
