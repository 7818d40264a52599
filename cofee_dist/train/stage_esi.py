"""Stage 1, entity span identification: every anchor is an Entity (paper, section 3.1)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from cofee_dist.batches.collate import Batch
from cofee_dist.batches.dataset import SpanDataset
from cofee_dist.model.losses import span_loss
from cofee_dist.model.span_extractor import SpanExtractor, SpanOutput
from cofee_dist.train.best import save_model
from cofee_dist.train.engine import Engine
from cofee_dist.train.examples import Examples
from cofee_dist.train.loop import StepTotals
from cofee_dist.train.metrics import Metrics
from cofee_dist.train.validate import Validation


def mrc_loss(output: SpanOutput, batch: Batch, totals: StepTotals) -> Tensor:
    """Eq. 5 over a micro-batch's share of the step."""
    return span_loss(
        output.start_logits_bt2,
        output.end_logits_bt2,
        batch.start_targets_bt,
        batch.end_targets_bt,
        batch.positions_bt,
        totals.positions,
    )


class EsiPolicy:
    """Trains on D_g; the last epoch's model is the stage's. Held-out anchors only tell how it goes."""

    def __init__(
        self, name: str, engine: Engine, model: SpanExtractor, examples: Examples, validation: Validation, folder: Path
    ) -> None:
        self.name = name
        self._engine, self._model, self._examples, self._validation = engine, model, examples, validation
        self._folder = folder
        self._f1 = 0.0

    def dataset(self, epoch: int) -> SpanDataset:
        """See StagePolicy."""
        return self._examples.labelled("anchors")

    def loss(self, output: SpanOutput, batch: Batch, totals: StepTotals) -> dict[str, Tensor]:
        """See StagePolicy."""
        return {"loss": mrc_loss(output, batch, totals)}

    def end_epoch(self, epoch: int) -> tuple[bool, Metrics]:
        """See StagePolicy."""
        found = self._validation()
        self._f1 = found.f1
        return True, {"validation_f1": found.f1, "validation_p": found.precision, "validation_r": found.recall}

    def state(self) -> dict[str, Any]:
        """See StagePolicy."""
        return {"f1": self._f1}

    def restore(self, state: dict[str, Any]) -> None:
        """See StagePolicy."""
        self._f1 = state["f1"]

    def finish(self) -> dict[str, Any]:
        """See StagePolicy."""
        save_model(self._engine, self._model, self._folder / "model")
        return {"validation_f1": self._f1, "dropped_entities": dict(self.dataset(0).dropped)}
