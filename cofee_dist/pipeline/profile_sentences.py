"""Sentences to measure with: those of the run, if it has them, or made-up ones of usual lengths."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cofee_dist.config import Config
from cofee_dist.labels.esi import esi_labels
from cofee_dist.labels.ledger import iteration_files, iterations, to_sentences
from cofee_dist.schemas import ENTITY, LABELS, SENTENCES, Entity, LabelledSentence

#: English Wikipedia's sentences have about 22 words; the spread of their logarithm is about a half.
_MEDIAN_WORDS, _SPREAD = 22, 0.5
#: One of so many made-up sentences is as long as an input may be.
_EVERY_LONG = 50
_WORDS = (
    *("the", "of", "and", "in", "to", "was", "is", "on", "for", "with", "by", "at", "from", "as"),
    *("city", "river", "company", "born", "first", "played", "between"),
)
_UNSPACED = ("zh", "ja", "th")


def sentences_of_run(config: Config, stage: str, most: int) -> list[LabelledSentence]:
    """The first sentences that the stage trains on, with their first labels; none where the run has none yet."""
    if stage == "esi":
        table = _first_rows(sorted((config.run_folder / "corpus" / "sentences").glob("*.parquet")), SENTENCES, most)
        return to_sentences(esi_labels(table, config.stages.esi.min_anchors))
    ledger = config.run_folder / "labels"
    return to_sentences(_first_rows(iteration_files(ledger, 0) if 0 in iterations(ledger) else [], LABELS, most))


def _first_rows(files: Sequence[Path], schema: pa.Schema, most: int) -> pa.Table:
    batches: list[pa.RecordBatch] = []
    missing = most
    for file in files:
        if missing <= 0:
            break
        for batch in pq.ParquetFile(file).iter_batches(columns=schema.names):
            batches.append(batch.slice(0, missing))
            missing -= len(batches[-1])
            if missing <= 0:
                break
    tables = [pa.Table.from_batches([batch]).select(schema.names).cast(schema) for batch in batches]
    return pa.concat_tables(tables) if tables else schema.empty_table()


def made_up_sentences(config: Config, stage: str, size: int) -> list[LabelledSentence]:
    """Sentences whose words mean nothing, with two entities each; the same for the same config."""
    random = np.random.default_rng(config.seed)
    unspaced = config.task.language in _UNSPACED
    between = "" if unspaced else " "
    questions = "".join(config.questions.values())
    words = (
        sorted(set(questions) - {" "}) if unspaced else sorted({*_WORDS, *" ".join(config.questions.values()).split()})
    )
    types = [ENTITY] if stage == "esi" else list(config.task.types)
    counts = random.lognormal(np.log(_MEDIAN_WORDS), _SPREAD, size).astype(int).clip(4)
    counts[::_EVERY_LONG] = config.encoder.max_length_tokens
    made = []
    for row, count in enumerate(counts.tolist()):
        drawn = random.choice(words, count).tolist()
        begins = np.concatenate([[0], np.cumsum([len(word) + len(between) for word in drawn])])
        spans = ((0, 1), (count // 2, count // 2 + 1))
        entities = tuple(
            Entity(int(begins[first]), int(begins[last]) + len(drawn[last]), str(random.choice(types)))
            for first, last in spans
        )
        made.append(LabelledSentence(between.join(drawn), entities, row, 0))
    return made
