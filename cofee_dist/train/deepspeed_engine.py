"""The DeepSpeed engine: ZeRO 0-3 behind the same few calls."""

from __future__ import annotations

import math
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cofee_dist.artifacts import read_json
from cofee_dist.config import Engine as EngineConfig
from cofee_dist.config import Stage
from cofee_dist.errors import UserError
from cofee_dist.model.span_extractor import SpanExtractor
from cofee_dist.train.engine import autocast, device_of, parameter_groups

#: What the loop decides; a JSON file that sets them otherwise would be silently wrong.
_OURS = (
    "train_batch_size",
    "train_micro_batch_size_per_gpu",
    "gradient_accumulation_steps",
    "managed_gradient_accumulation",
    "gradient_clipping",
    "optimizer",
    "scheduler",
)


class _NotFiniteError(Exception):
    """Leaves DeepSpeed's step before the update."""


class DeepSpeedEngine:
    """A rank of a DeepSpeed job; in a process without a launcher it is a world of one."""

    def __init__(self, module: SpanExtractor, config: EngineConfig, stage: Stage) -> None:
        self.device = device_of(config)
        if self.device.type == "cpu":
            os.environ.setdefault("DS_ACCELERATOR", "cpu")
        # Without these DeepSpeed looks for MPI.
        for name, value in (("RANK", "0"), ("WORLD_SIZE", "1"), ("LOCAL_RANK", "0"), ("MASTER_ADDR", "127.0.0.1")):
            os.environ.setdefault(name, value)
        os.environ.setdefault("MASTER_PORT", str(_free_port()))
        import deepspeed

        deepspeed.init_distributed("nccl" if self.device.type == "cuda" else "gloo", verbose=False)
        self._config = config
        settings = _settings(config, stage)
        optimizer = torch.optim.AdamW(parameter_groups(module, stage.weight_decay), lr=stage.learning_rate)
        self._engine, *_ = deepspeed.initialize(model=module, optimizer=optimizer, config=settings)
        self._engine.clip_fp32_gradients = self._clip
        self._norm: float | None = None
        self._max_norm = stage.max_gradient_norm
        self.module = self._engine.module
        self.rank, self.world_size = torch.distributed.get_rank(), torch.distributed.get_world_size()

    def autocast(self) -> torch.autocast:
        """See Engine."""
        return autocast(self.device, self._config)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """See Engine. ZeRO-3 counts micro-batches in its own forward."""
        return self._engine(*args, **kwargs)

    def backward(self, loss: Tensor) -> None:
        """See Engine. DeepSpeed averages gradients over ranks; here they are summed."""
        self._engine.backward(loss * self.world_size)

    def step(self, learning_rate: float) -> float | None:
        """See Engine. From ZeRO-1 on DeepSpeed itself makes no update where the norm is not finite."""
        for group in self._engine.optimizer.param_groups:
            group["lr"] = learning_rate
        self._norm = None
        with suppress(_NotFiniteError):
            self._engine.step()
        norm = self._engine.get_global_grad_norm() if self._norm is None else self._norm
        return None if norm is None else float(norm)

    def _clip(self) -> None:
        """In place of ZeRO-0's own, which keeps the norm to itself and updates with whatever it is."""
        self._norm = float(nn.utils.clip_grad_norm_(self.module.parameters(), self._max_norm))
        if not math.isfinite(self._norm):
            self._engine.zero_grad()
            raise _NotFiniteError

    def save(self, folder: Path) -> None:
        """See Engine."""
        self._engine.save_checkpoint(str(folder), tag="engine", save_latest=False)

    def load(self, folder: Path) -> None:
        """See Engine. DeepSpeed's own files hold its optimizer's classes: they are read from our run only."""
        path, _ = self._engine.load_checkpoint(str(folder), tag="engine")
        if path is None:
            raise ValueError(f"no DeepSpeed checkpoint in {folder}")

    def full_state(self) -> dict[str, Tensor]:
        """See Engine."""
        import deepspeed

        state = {}
        for name, value in self.module.state_dict(keep_vars=True).items():
            sharded = hasattr(value, "ds_id")
            with deepspeed.zero.GatheredParameters([value], enabled=sharded):
                state[name] = value.detach().cpu().clone()
        return state


def _settings(config: EngineConfig, stage: Stage) -> dict[str, Any]:
    """The user's DeepSpeed JSON, with what the loop owns filled in."""
    settings: dict[str, Any] = {"zero_optimization": {"stage": 1}}
    if config.deepspeed_config is not None:
        path = Path(config.deepspeed_config)
        if not path.exists():
            raise UserError("the DeepSpeed config does not exist", where=path, fix="set engine.deepspeed_config")
        settings = read_json(path)
        taken = [key for key in _OURS if key in settings]
        if taken:
            raise UserError(
                f"the DeepSpeed config sets {', '.join(taken)}",
                where=path,
                fix="remove them: batch sizes, clipping and optimizer come from the run's config",
            )
    if settings.get("bf16", {}).get("enabled"):
        # In bf16 weights DeepSpeed otherwise updates with whatever the gradients are.
        settings["bf16"] = {"check_grad_overflow": True} | settings["bf16"]
    return settings | {
        "train_micro_batch_size_per_gpu": 1,
        # The loop knows how many micro-batches a step has; it differs from step to step.
        "managed_gradient_accumulation": False,
        "gradient_clipping": stage.max_gradient_norm,
        "zero_allow_untested_optimizer": True,
    }


def _free_port() -> int:
    import socket

    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])
