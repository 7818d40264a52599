"""Stage 2, named entity extraction with iterative self-picking (paper, section 3.2)."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from torch import Tensor

from cofee_dist.batches.collate import Batch
from cofee_dist.batches.dataset import SpanDataset
from cofee_dist.config import Nee
from cofee_dist.labels.blocks import IterationBlocks
from cofee_dist.labels.changes import count_labels
from cofee_dist.labels.ledger import (
    from_sentences,
    iteration_files,
    iteration_made_by,
    read_blocks,
    read_labels,
    to_sentences,
)
from cofee_dist.labels.picking import pick
from cofee_dist.model.span_extractor import SpanExtractor, SpanOutput
from cofee_dist.ranks import barrier, from_first
from cofee_dist.train.best import save_model, weights_digest
from cofee_dist.train.engine import Engine
from cofee_dist.train.examples import Examples
from cofee_dist.train.loop import StepTotals
from cofee_dist.train.metrics import Metrics
from cofee_dist.train.stage_esi import mrc_loss
from cofee_dist.train.validate import Extraction, Validation

LEDGER = "labels"


@dataclass
class NeeState:
    """Where self-picking stands. ``iteration`` is the label set in use; epochs count from 0."""

    iteration: int = 0
    best_f1: float = -1.0
    best_epoch: int = -1
    best_iteration: int = 0
    epochs_without_rise: int = 0
    history: list[dict[str, float]] = field(default_factory=list)


class NeePolicy:
    """Trains on D_s, re-labels it with its own predictions above delta, trains on that, until F1 declines.

    The ledger is in ``folder``: iteration 0 is the gazetteers', iteration k what the k-th picking gave. The model
    kept is the best on validation; the labels that it was trained on are D_s^best.
    """

    def __init__(
        self,
        name: str,
        engine: Engine,
        model: SpanExtractor,
        stage: Nee,
        examples: Examples,
        extraction: Extraction,
        validation: Validation,
        folder: Path,
    ) -> None:
        self.name = name
        self._engine, self._model, self._stage = engine, model, stage
        self._examples, self._extraction, self._validation = examples, extraction, validation
        self._folder, self._ledger = folder, folder / LEDGER
        self._state = NeeState()

    def dataset(self, epoch: int) -> SpanDataset:
        """See StagePolicy."""
        iteration = self._state.iteration
        # A resumed run may have re-labelled with weights that differ in their last bits: other labels, same number.
        made_by = from_first(iteration_made_by(self._ledger, iteration) or "given")
        return self._examples.labelled(
            f"iteration={iteration}.{made_by}", partial(read_blocks, self._ledger, iteration)
        )

    def loss(self, output: SpanOutput, batch: Batch, totals: StepTotals) -> dict[str, Tensor]:
        """See StagePolicy."""
        return {"loss": mrc_loss(output, batch, totals)}

    def end_epoch(self, epoch: int) -> tuple[bool, Metrics]:
        """See StagePolicy."""
        state, found = self._state, self._validation()
        if found.f1 > state.best_f1:
            state.best_f1, state.best_epoch, state.best_iteration = found.f1, epoch, state.iteration
            state.epochs_without_rise = 0
            save_model(self._engine, self._model, self._folder / "model")
        elif state.iteration > 0:
            state.epochs_without_rise += 1
        metrics: Metrics = {
            "validation_f1": found.f1,
            "validation_p": found.precision,
            "validation_r": found.recall,
            "label_iteration": state.iteration,
        }
        state.history.append({"epoch": epoch, **metrics})
        go_on = state.epochs_without_rise < self._stage.patience
        if go_on and self._picks_after(epoch):
            metrics["labels"] = self._pick()
        return go_on, metrics

    def _picks_after(self, epoch: int) -> bool:
        since = epoch + 1 - self._stage.epochs_before_picking
        due = since >= 0 and since % self._stage.epochs_between_picking == 0
        return self._stage.picking != "none" and due and epoch + 1 < self._stage.epochs

    def _pick(self) -> int:
        """Re-label D_s with the model as it is now; the next iteration of the ledger. Returns its labels.

        The ranks take blocks in turn and write each when it is done: after a kill the others are not read again.
        """
        engine, threshold = self._engine, self._stage.picking_threshold
        tokens, self._state.iteration = self.dataset(0).tokens, self._state.iteration + 1
        with engine.evaluation() as model:
            made_by = from_first(weights_digest(model))
            blocks = IterationBlocks(self._ledger, self._state.iteration, made_by)
            # Rank 0's view: a network's file system need not show all ranks the same.
            complete = from_first(blocks.is_complete)
            if engine.rank == 0 and not complete:
                blocks.begin()
            barrier()
            begin = 0
            for block, file in enumerate(iteration_files(self._ledger, 0)):
                end = begin + pq.read_metadata(file).num_rows
                if block % engine.world_size == engine.rank and not complete and block not in blocks:
                    predicted = self._extraction(model, tokens.rows(begin, end), threshold)
                    weak = to_sentences(read_labels(file))
                    blocks.write(block, from_sentences(pick(weak, predicted, self._stage.picking)))
                begin = end
        barrier()
        if engine.rank == 0 and not complete:
            blocks.finish()
        barrier()
        return count_labels(self._ledger, self._state.iteration)[1].total()

    def state(self) -> dict[str, Any]:
        """See StagePolicy."""
        return asdict(self._state)

    def restore(self, state: dict[str, Any]) -> None:
        """See StagePolicy."""
        self._state = NeeState(**state)

    def finish(self) -> dict[str, Any]:
        """See StagePolicy."""
        dropped = dict(self.dataset(self._stage.epochs).dropped)
        return {**asdict(self._state), "validation_f1": self._state.best_f1, "dropped_entities": dropped}
