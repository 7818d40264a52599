"""Checkpoints of a stage: written while training goes on, complete with their state, which is written last."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event
from typing import Any, Self

import torch

from cofee_dist.artifacts import file_digest, fingerprint, read_json, versions, write_json
from cofee_dist.config import Config, Stage
from cofee_dist.errors import UserError
from cofee_dist.ranks import barrier, gather_shares, sum_over_ranks
from cofee_dist.train.engine import Engine
from cofee_dist.train.shard import Shard, damage_of, write_shard

_STATE = "state.json"
_DIGEST = "digest"
_POLL_SECONDS = 0.05
#: How long the last checkpoint is waited for after an error: the other ranks may be gone.
_GRACE_SECONDS = 10.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Origin:
    """The run that a checkpoint belongs to: a digest of what decides the stage's weights, the seed, MLflow's run."""

    config: str = ""
    seed: int = 0
    mlflow_run: str | None = None

    @classmethod
    def of(cls, config: Config, stage: Stage, iteration: int, mlflow_run: str | None) -> Origin:
        """What ``Engine.deciding`` leaves out (workers, device, micro-batches, …) may change on the way.

        But for the engine and its JSON: ZeRO stages write other files, which do not load into each other.
        """
        path = config.engine.deepspeed_config
        evaluation = {"threshold", "nested", "held_out_share", "max_held_out_sentences", "max_validation_sentences"}
        decides = {
            "stage": stage.model_dump(mode="json"),
            "engine": [config.engine.name, config.engine.deciding()],
            "deepspeed": file_digest(path) if path is not None else None,
            "questions": [*config.questions.items(), config.task.entity_question],
            "max_length_tokens": config.encoder.max_length_tokens,
            "evaluation": config.evaluation.model_dump(mode="json", include=evaluation),
            "iteration": iteration,
            "seed": config.seed,
        }
        return cls(fingerprint(decides), config.seed, mlflow_run)


class Checkpoints:
    """The folder ``step=N`` of each checkpoint: every rank's files, their digests in ``rank=R.json``, ``state.json``.

    ``state.json`` has what was saved (the place in the data; the policy's state, its label set among it), the
    ``Origin``, the world size, software versions and the digest of every file. There is no other state: the learning
    rate is a function of the place, dropout one of (seed, stage, step, micro-batch).

    A kill at any time leaves the last complete checkpoint as it is. Leave the ``with`` block for the last one to be
    complete; after an error it is given a moment.
    """

    def __init__(self, folder: Path, engine: Engine, kept: int = 2, origin: Origin | None = None) -> None:
        self._folder, self._engine, self._kept = folder, engine, kept
        self._origin = origin or Origin()
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._shard: Future[None] | None = None
        self._completing: list[Future[None]] = []
        self._stopped = Event()
        self._step: int | None = None

    def save(self, step: int, state: Mapping[str, Any]) -> None:
        """Copy what the engine has to host memory; a thread writes it. Every rank calls it.

        Of a step that is saved already the weights are the same: it gets a new state. Waits first for the checkpoint
        before, if that is still on its way.

        Raises:
            Exception: Whatever went wrong with the one before, on every rank.
        """
        folder = self._folder / f"step={step}"
        if step != self._step:
            self.wait()
            self._step = step
            if self._engine.rank == 0 and folder.exists():
                shutil.rmtree(folder)
            barrier()
            self._shard = self._writer.submit(self._write, folder, self._engine.snapshot())
        if self._engine.rank == 0:
            self._completing.append(self._writer.submit(self._complete, folder, dict(state)))

    def wait(self) -> None:
        """Until what was saved is complete; every rank calls it.

        Raises:
            Exception: Whatever went wrong, on every rank.
        """
        # The shards first: rank 0 would wait for good for one that another rank cannot write.
        self._agree([] if self._shard is None else [self._shard])
        self._agree(self._completing)
        self._shard, self._completing = None, []

    def restore(self) -> dict[str, Any] | None:
        """Load the newest complete checkpoint into the engine and return its state; None where there is none.

        One with a missing or changed file is passed over with a warning; it goes, as do incomplete ones.

        Raises:
            UserError: It is of another config.
        """
        rank, world = self._engine.rank, self._engine.world_size
        # Rank 0's view counts: a network's file system need not show all ranks the same.
        steps = gather_shares([[_number(folder) for folder in self._found()]], world, rank, world)[0]
        state: dict[str, Any] | None = None
        while steps and state is None:
            state = self._checked(self._folder / f"step={steps[-1]}")
            if state is None:
                steps.pop()
        if rank == 0:
            for folder in self._folder.glob("step=*"):
                if _number(folder) not in steps:
                    _remove(folder)
        barrier()
        if state is not None:
            self._step = steps[-1]
            self._engine.load(self._folder / f"step={self._step}")
        return state

    def remove(self) -> None:
        """Delete all checkpoints: the stage is finished and its model saved. Every rank calls it."""
        self.wait()
        self._writer.shutdown()
        barrier()
        if self._engine.rank == 0:
            shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        if kind is None:
            self.wait()
            return
        if self._shard is not None:
            self._shard.exception()
        wait(self._completing, _GRACE_SECONDS)
        self._stopped.set()
        self._writer.shutdown()

    def _agree(self, futures: list[Future[None]]) -> None:
        errors = [error for future in futures if (error := future.exception()) is not None]
        failed = torch.tensor([float(bool(errors))], device=self._engine.device)
        if not bool(sum_over_ranks(failed).item()):
            return
        self._stopped.set()
        raise errors[0] if errors else RuntimeError("another rank could not write its part of the checkpoint")

    def _write(self, folder: Path, shard: Shard) -> None:
        write_json(folder / f"rank={self._engine.rank}.json", write_shard(shard, folder))

    def _complete(self, folder: Path, state: dict[str, Any]) -> None:
        """Rank 0's part, in its thread: wait for the other ranks' files, write the state, remove what is too old."""
        state |= asdict(self._origin) | {"versions": versions(), "world_size": self._engine.world_size}
        path = folder / _STATE
        if path.exists():
            before = read_json(path)
            state |= {name: before[name] for name in ("files", "world_size")}
        else:
            ranks = [folder / f"rank={rank}.json" for rank in range(self._engine.world_size)]
            while not all(rank.exists() for rank in ranks):
                if self._stopped.wait(_POLL_SECONDS):
                    return
            state["files"] = {name: digest for rank in ranks for name, digest in read_json(rank).items()}
        write_json(path, state | {_DIGEST: fingerprint(state)})
        for old in self._found()[: -self._kept]:
            _remove(old)

    def _checked(self, folder: Path) -> dict[str, Any] | None:
        """A checkpoint's state, or None and a warning if a file is not as it was written; the ranks share the files."""
        state = _read_state(folder / _STATE)
        if state is not None and state["config"] != self._origin.config:
            raise UserError(
                "the checkpoints were made with another config",
                where=self._folder,
                fix="remove them, and the stage begins anew; or set the config as it was",
            )
        rank, world = self._engine.rank, self._engine.world_size
        files = sorted(state["files"].items()) if state is not None else []
        own = [damage for name, digest in files[rank::world] if (damage := damage_of(folder / name, digest))]
        damages = [damage for share in gather_shares([own], world, rank, world) for damage in share]
        if state is None:
            damages.append(f"{_STATE} has changed")
        if damages and rank == 0:
            _log.warning("checkpoint %s is passed over: %s", folder, "; ".join(damages))
        return None if damages else state

    def _found(self) -> list[Path]:
        """The complete checkpoints, the newest last."""
        return sorted((path.parent for path in self._folder.glob(f"step=*/{_STATE}")), key=_number)


def _number(folder: Path) -> int:
    return int(folder.name.removeprefix("step="))


def _read_state(path: Path) -> dict[str, Any] | None:
    """None if it is not as it was written."""
    try:
        state: dict[str, Any] = read_json(path)
    except UserError:
        return None
    digest = state.pop(_DIGEST, None)
    return state if digest == fingerprint(state) else None


def _remove(folder: Path) -> None:
    # State first: a kill in the middle leaves an incomplete checkpoint, not a broken one.
    (folder / _STATE).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
