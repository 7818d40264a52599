"""The DeepSpeed engine: ZeRO 0-3 behind the same few calls."""

from __future__ import annotations

import argparse
import io
import math
import os
import shutil
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cofee_dist.artifacts import read_json
from cofee_dist.config import Engine as EngineConfig
from cofee_dist.config import Stage
from cofee_dist.errors import UserError
from cofee_dist.model.span_extractor import SpanExtractor
from cofee_dist.ranks import barrier
from cofee_dist.train.encoder_options import set_up_encoder
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
    "fp16",
    "bf16",
    "torch_autocast",
    "zero_force_ds_cpu_optimizer",
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
        set_up_encoder(module, config, self.device)
        groups = parameter_groups(module, stage.weight_decay)
        # Torch's fused one, which needs no compiler where the optimizer's state and so the update are on the host.
        optimizer = torch.optim.AdamW(groups, lr=stage.learning_rate, fused=True)
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
        """See Engine. From ZeRO-1 on DeepSpeed itself makes no update where the norm is not finite.

        A step of fp16 whose gradients overflow is skipped and has none.
        """
        for group in self._engine.optimizer.param_groups:
            group["lr"] = learning_rate
        self._norm = None
        with suppress(_NotFiniteError):
            self._engine.step()
        norm = self._engine.get_global_grad_norm() if self._norm is None else self._norm
        if norm is None or (self._config.precision == "fp16" and not math.isfinite(norm)):
            return None
        return float(norm)

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
        """See Engine. DeepSpeed's own files hold its optimizer's classes: they are read from our run only.

        Shards of another number of ranks are converted to DeepSpeed's universal format first, beside them.
        """
        tag = "engine"
        if len(list((folder / tag).glob("*_optim_states.pt"))) not in (0, self.world_size):
            tag = "universal"
            if self.rank == 0 and not (folder / "latest_universal").exists():
                to_universal(folder / "engine", folder / tag)
            barrier()
        decays = [group["weight_decay"] for group in self._engine.optimizer.param_groups]
        self._engine._config.load_universal_checkpoint = tag == "universal"
        path, _ = self._engine.load_checkpoint(str(folder), tag=tag)
        self._engine._config.load_universal_checkpoint = False
        if path is None:
            raise ValueError(f"no DeepSpeed checkpoint in {folder}")
        if tag == "universal":
            self._mend_universal(decays)

    def _mend_universal(self, decays: list[float]) -> None:
        """ZeRO-3 gives all groups the first one's weight decay, and one step counter, which each then counts up."""
        for group, decay in zip(self._engine.optimizer.param_groups, decays, strict=True):
            group["weight_decay"] = decay
        for state in getattr(self._engine.optimizer, "optimizer", self._engine.optimizer).state.values():
            if isinstance(state.get("step"), Tensor):
                state["step"] = state["step"].clone()

    def full_state(self) -> dict[str, Tensor]:
        """See Engine."""
        import deepspeed

        state = {}
        for name, value in self.module.state_dict(keep_vars=True).items():
            sharded = hasattr(value, "ds_id")
            with deepspeed.zero.GatheredParameters([value], enabled=sharded):
                # A copy in float32, fp16's weights too: the next stage reads what it finds.
                state[name] = value.detach().to("cpu", torch.float32 if value.is_floating_point() else None, copy=True)
        return state


def to_universal(shards: Path, folder: Path) -> None:
    """Write the shards of any number of ranks as files for each parameter, which any number of ranks can load."""
    from deepspeed.checkpoint import ds_to_universal

    arguments = argparse.Namespace(
        input_folder=str(shards),
        output_folder=str(folder),
        num_extract_workers=1,
        num_merge_workers=1,
        keep_temp_folder=False,
        strict=True,
        # What is said there of parallel layers is for models that are cut: this one is not.
        inject_missing_state=True,
    )
    shutil.rmtree(folder, ignore_errors=True)
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        ds_to_universal.main(arguments)


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
                fix="remove them: batch sizes, clipping, precision and optimizer come from the run's config",
            )
        settings.setdefault("zero_optimization", {"stage": 0})
    if config.compile and settings["zero_optimization"].get("stage") == 3:
        # Its hooks in every layer make torch compile again and again, until it gives up.
        raise UserError(
            "torch.compile does not go with ZeRO-3", where="engine.compile", fix="set it to false, or take ZeRO-2"
        )
    if config.precision == "fp16":
        settings["fp16"] = {"enabled": True}
    return settings | {
        "train_micro_batch_size_per_gpu": 1,
        # The loop knows how many micro-batches a step has; it differs from step to step.
        "managed_gradient_accumulation": False,
        "gradient_clipping": stage.max_gradient_norm,
        "zero_allow_untested_optimizer": True,
        "zero_force_ds_cpu_optimizer": False,
    }


def _free_port() -> int:
    import socket

    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])
