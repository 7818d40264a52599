"""What each stage trains and is validated on: D_g by its anchors, D_s by a set of labels."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from cofee_dist.config import Esi, Nee
from cofee_dist.evaluate.readers import read_labelled
from cofee_dist.labels.blocks import block_rows, write_blocks
from cofee_dist.labels.esi import esi_labels
from cofee_dist.labels.ledger import BLOCK_ROWS, count_sentences, iterations, read_blocks, to_sentences, write_iteration
from cofee_dist.labels.sampling import held_out_rows, sampled
from cofee_dist.ranks import barrier
from cofee_dist.schemas import ENTITY, SENTENCES, LabelledSentence
from cofee_dist.train.examples import Examples
from cofee_dist.train.stage_nee import LEDGER

if TYPE_CHECKING:
    from cofee_dist.train.worker import StageJob

EXAMPLES = "examples"
#: Held-out sentences of D_g only tell how ESI goes.
_MAX_HELD_OUT = 500


class StageData:
    """A job's sentences, read a block at a time. ``validation`` is small, and in memory."""

    def __init__(self, job: StageJob, rank: int, tokenizer: Any) -> None:
        self._job, self._rank = job, rank
        config = job.config
        of_esi = isinstance(job.settings, Esi)
        self.questions = {ENTITY: config.task.entity_question} if of_esi else config.questions
        match job.settings:
            case Esi():
                sentences, self.validation = partial(self._anchors, False), self._held_out()
            case Nee():
                sentences, self.validation = self._own_ledger(), self._gold()
            case _:
                sentences, self.validation = partial(self._labels), self._gold()
        folder, longest = job.folder / EXAMPLES, config.encoder.max_length_tokens
        self.examples = Examples(folder, rank, tokenizer, self.questions, longest, sentences)

    def _anchors(self, held_out: bool) -> Iterator[pa.Table]:
        """D_g to train on, or what of it is held out."""
        config, stage = self._job.config, self._job.settings
        assert isinstance(stage, Esi)

        def labelled() -> Iterator[pa.Table]:
            for table in read_sentences(self._job.data):
                yield esi_labels(table, stage.min_anchors)

        total = sum(pq.read_metadata(file).num_rows for file in self._job.data.glob("*.parquet"))
        share = config.evaluation.held_out_of(min(total, stage.max_sentences or total))
        for table in sampled(labelled, stage.max_sentences, config.seed):
            rows = held_out_rows(table, share, config.seed)
            yield table.filter(pa.array(rows == held_out))

    def _held_out(self) -> list[LabelledSentence]:
        """The first of them; rank 0 goes through D_g."""
        ledger = self._job.folder / "held_out"
        if self._rank == 0 and not iterations(ledger):
            found: list[LabelledSentence] = []
            for table in self._anchors(True):
                found += to_sentences(table)
                if len(found) >= _MAX_HELD_OUT:
                    break
            write_iteration(ledger, 0, found[:_MAX_HELD_OUT])
        barrier()
        return [sentence for table in read_blocks(ledger, 0) for sentence in to_sentences(table)]

    def _labels(self) -> Iterator[pa.Table]:
        job = self._job
        return sampled_labels(job.data, job.iteration, job.settings.max_sentences, job.config.seed)

    def _own_ledger(self) -> Any:
        """D_s of the stage, which begins with the labels that it is given."""
        ledger = self._job.folder / LEDGER
        if self._rank == 0 and not iterations(ledger):
            given = count_sentences(self._job.data, self._job.iteration)
            rows = block_rows(min(given, self._job.settings.max_sentences or given))
            write_blocks(ledger, 0, self._labels(), rows)
        barrier()
        return partial(read_blocks, ledger, 0)

    def _gold(self) -> list[LabelledSentence]:
        config = self._job.config
        return read_labelled(self._job.validation, config.task.types, config.evaluation.max_validation_sentences)


def sampled_labels(ledger: Path, iteration: int, max_sentences: int | None, seed: int) -> Iterator[pa.Table]:
    """The sentences of a label set that a stage trains on (all, or a sample of ``max_sentences``), block by block."""
    return sampled(partial(read_blocks, ledger, iteration), max_sentences, seed)


def read_sentences(folder: Path) -> Iterator[pa.Table]:
    """D_g (schemas.SENTENCES) a block at a time, file by file in their order."""
    for file in sorted(folder.glob("*.parquet")):
        for batch in pq.ParquetFile(file).iter_batches(BLOCK_ROWS, columns=SENTENCES.names):
            yield pa.Table.from_batches([batch]).select(SENTENCES.names).cast(SENTENCES)
