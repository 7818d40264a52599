"""A loss or a gradient that is not finite stops every rank before the update, and names the sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cofee_dist.batches.dataset import SpanDataset
from cofee_dist.errors import UserError
from cofee_dist.ranks import gather_shares, sum_over_ranks
from cofee_dist.train.engine import Engine

_SHOWN = 8
_SHOWN_CHARACTERS = 80


@dataclass(frozen=True)
class StepCheck:
    """One rank's part in a step: what it says, and of which sentences, where numbers are not finite."""

    stage: str
    number: int
    learning_rate: float
    engine: Engine
    dataset: SpanDataset
    shares: Sequence[NDArray[np.int64]]

    def losses(self, losses_m: Sequence[Tensor]) -> None:
        """Raise UserError on every rank if the loss of any rank's micro-batch m is not finite.

        Every rank calls it; it costs one all-reduce of a number for each rank.
        """
        engine = self.engine
        bad_m = ~torch.isfinite(torch.stack([*losses_m]))
        bad_r = torch.zeros(engine.world_size, device=bad_m.device)
        bad_r[engine.rank] = bad_m.any()
        if not bool(sum_over_ranks(bad_r).any()):
            return
        flagged = zip(self.shares, bad_m.tolist(), strict=True)
        self._stop("the loss", [share for share, bad in flagged if bad])

    def gradient(self, norm: float | None) -> None:
        """Raise UserError if the norm of all ranks' gradients is not finite; it is the same number on each."""
        if norm is not None and not np.isfinite(norm):
            self._stop("the gradient", self.shares)

    def _stop(self, what: str, shares: Sequence[NDArray[np.int64]]) -> None:
        engine = self.engine
        own = self._sentences(np.concatenate([np.empty(0, dtype=np.int64), *shares]))
        told = gather_shares([own], engine.world_size, engine.rank, engine.world_size)
        lines = [f"rank {rank}: {sentences}" for rank, sentences in enumerate(told) if sentences]
        raise UserError(
            f"stage {self.stage}, step {self.number}: {what} is not finite; no update was made",
            where="\n    ".join(["the sentences of the micro-batch", *lines]),
            fix=f"lower the stage's learning_rate ({self.learning_rate:.3g} in this step), raise its warmup_share, or "
            "set engine.precision to fp32",
        )

    def _sentences(self, examples: NDArray[np.int64]) -> str:
        """Page, number and text of the first sentences, none where there is no example."""
        rows = np.unique(examples // len(self.dataset.prompts)).tolist()
        told = "; ".join(self._sentence(row) for row in rows[:_SHOWN])
        return f"{told}; and {len(rows) - _SHOWN} more" if len(rows) > _SHOWN else told

    def _sentence(self, row: int) -> str:
        page, number = self.dataset.keys[row].tolist()
        name = f"page {page} sentence {number}" if page >= 0 else f"sentence {row}"
        tokenizer = self.engine.module.tokenizer
        if tokenizer is None:
            return name
        text = str(tokenizer.decode(self.dataset.tokens.row(row)[0].tolist()))
        return f"{name} {text[:_SHOWN_CHARACTERS]!r}"
