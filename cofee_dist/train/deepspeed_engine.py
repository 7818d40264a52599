"""The DeepSpeed engine: ZeRO 0-3 behind the same few calls."""

from __future__ import annotations

import copy
import math
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cofee_dist.artifacts import read_json
from cofee_dist.config import Engine as EngineConfig
from cofee_dist.config import Stage
from cofee_dist.errors import UserError
from cofee_dist.model.span_extractor import SpanExtractor
from cofee_dist.ranks import barrier, from_first
from cofee_dist.train.encoder_options import set_up_encoder
from cofee_dist.train.engine import autocast, device_of, parameter_groups
from cofee_dist.train.shard import Shard

_SHARDS = "engine"

#: What the loop decides; a JSON file that sets them otherwise would be silently wrong.
_OURS = (
    "train_batch_size",
    "train_micro_batch_size_per_gpu",
    "gradient_accumulation_steps",
    "managed_gradient_accumulation",
    "gradient_clipping",
    "optimizer",
    "scheduler",
    "amp",
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

        from cofee_dist.train.deepspeed_files import Snapshots

        if self.device.type == "cpu":
            # Asked for its operators, DeepSpeed compiles one here (a minute) that only inference uses; a process killed
            # meanwhile leaves torch's lock on the build, for which every later one on the machine waits without end.
            deepspeed.ops.__compatible_ops__ = {}
        deepspeed.init_distributed("nccl" if self.device.type == "cuda" else "gloo", verbose=False)
        self._config = config
        settings = _settings(config, stage)
        self._replica = _without_weights(module) if settings["zero_optimization"].get("stage") == 3 else None
        set_up_encoder(module, config, self.device)
        groups = parameter_groups(module, stage.weight_decay)
        # Torch's fused one, which needs no compiler where the optimizer's state and so the update are on the host.
        optimizer = torch.optim.AdamW(groups, lr=stage.learning_rate, fused=True)
        self._engine, *_ = deepspeed.initialize(model=module, optimizer=optimizer, config=settings)
        self._engine.clip_fp32_gradients = self._clip
        self._snapshots = Snapshots()
        self._engine.checkpoint_engine = self._snapshots
        # Scripts that DeepSpeed would put beside the files.
        self._engine._copy_recovery_script = lambda folder: None
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

    def snapshot(self) -> Shard:
        """See Engine."""
        self._engine.save_checkpoint(".", tag=_SHARDS, save_latest=False)
        return self._snapshots.hand_over()

    def load(self, folder: Path) -> None:
        """See Engine.

        Shards of another number of ranks are first converted to DeepSpeed's universal format, which is gone after it.
        """
        from cofee_dist.train.deepspeed_files import to_universal, weights_only

        tag = _SHARDS
        converts = from_first(len(list((folder / tag).glob("*_optim_states.pt")))) not in (0, self.world_size)
        decays = [group["weight_decay"] for group in self._engine.optimizer.param_groups]
        with weights_only():
            if converts:
                tag = "universal"
                if self.rank == 0:
                    to_universal(folder / _SHARDS, folder / tag)
                barrier()
            self._engine._config.load_universal_checkpoint = converts
            path, _ = self._engine.load_checkpoint(str(folder), tag=tag)
            self._engine._config.load_universal_checkpoint = False
        if path is None:
            raise ValueError(f"no DeepSpeed checkpoint in {folder}")
        if converts:
            self._mend_universal(decays)
            barrier()
            if self.rank == 0:
                shutil.rmtree(folder / tag)
                (folder / "latest_universal").unlink(missing_ok=True)

    def _mend_universal(self, decays: list[float]) -> None:
        """ZeRO-3 gives all groups the first one's weight decay, and one step counter, which each then counts up."""
        for group, decay in zip(self._engine.optimizer.param_groups, decays, strict=True):
            group["weight_decay"] = decay
        for state in getattr(self._engine.optimizer, "optimizer", self._engine.optimizer).state.values():
            if isinstance(state.get("step"), Tensor):
                state["step"] = state["step"].clone()

    def full_state(self) -> dict[str, Tensor]:
        """See Engine. In float32, fp16's weights too: the next stage reads what it finds."""
        return self._gathered(torch.device("cpu"))

    @contextmanager
    def evaluation(self) -> Iterator[SpanExtractor]:
        """See Engine. Under ZeRO-3 a replica, whose weights are on the device as long as it is in use."""
        if self._replica is None:
            yield self.module
            return
        weights = self._gathered(self.device)
        try:
            self._replica.load_state_dict(weights, assign=True)
            nn.Module.to(self._replica, self.device)
            yield self._replica
        finally:
            _drop_weights(self._replica)

    def _gathered(self, device: torch.device) -> dict[str, Tensor]:
        """A copy of the whole model's weights in float32, gathered one after another."""
        import deepspeed

        state = {}
        for name, value in self.module.state_dict(keep_vars=True).items():
            sharded = hasattr(value, "ds_id")
            with deepspeed.zero.GatheredParameters([value], enabled=sharded):
                state[name] = value.detach().to(device, torch.float32 if value.is_floating_point() else None, copy=True)
        return state


def _without_weights(module: SpanExtractor) -> SpanExtractor:
    """A copy of a model that ZeRO has not cut yet, its weights left out; it shares the tokenizer."""
    replica = copy.deepcopy(module, {id(module.tokenizer): module.tokenizer}).requires_grad_(False)
    _drop_weights(replica)
    return replica


def _drop_weights(module: nn.Module) -> None:
    # What no state_dict holds (positions, say) stays as it is.
    module.load_state_dict({name: value.to("meta") for name, value in module.state_dict().items()}, assign=True)


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
        if "activation_checkpointing" in settings:
            # It sets up DeepSpeed's own function, which no encoder of transformers calls.
            raise UserError(
                "activation_checkpointing in the DeepSpeed config would do nothing",
                where=path,
                fix="remove it, and set engine.activation_checkpointing in the run's config",
            )
        settings["zero_optimization"] = settings.get("zero_optimization") or {"stage": 0}
        for name, what in (("offload_optimizer", "an optimizer"), ("offload_param", "weights")):
            if (settings["zero_optimization"].get(name) or {}).get("device") == "nvme":
                raise UserError(
                    f"checkpoints cannot hold {what} offloaded to NVMe",
                    where=path,
                    fix=f"offload to the host: set {name}.device to cpu",
                )
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
