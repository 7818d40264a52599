"""Sentences of texts to the first D_s with Spark: the workers of a host match with one automaton."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pyarrow as pa

from cofee_dist.config import Labels, Task
from cofee_dist.corpus.spark_jobs import spoken_errors
from cofee_dist.corpus.spark_paths import to_read, to_write
from cofee_dist.labels.gazetteer import Gazetteer, read_gazetteers
from cofee_dist.labels.host_labeller import HostLabeller
from cofee_dist.labels.match_report import require_mentions, text_match_report
from cofee_dist.labels.never_hit import write_never_hit
from cofee_dist.labels.spark import OnProgress
from cofee_dist.labels.text_labels import TEXT_LABELS_SQL
from cofee_dist.schemas import KEY

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_STEPS = 3


@spoken_errors()
def label_texts(
    spark: SparkSession,
    sentences_path: str | Path,
    ledger_path: str | Path,
    task: Task,
    labels: Labels,
    on_progress: OnProgress | None = None,
) -> tuple[dict[str, int], dict[str, Any]]:
    """Label what gazetteers name in text without anchors: the first D_s, iteration 0, by the rule of ``matcher``.

    Args:
        spark: a session.
        sentences_path: the sentences, Parquet (schemas.SENTENCES); their anchors are not looked at.
        ledger_path: the ledger's folder; its ``iteration=0`` is written by Spark, and replaced if there.
        task: its types and their gazetteers, which are read here, and by one process on each host.
        labels: how to compare, and what an ambiguous entry gives.
        on_progress: told after each step.

    Returns:
        Counts (sentences read, sentences labelled, mentions, entities) and the match report (see
        ``text_match_report``). The labels (schemas.LABELS) are as those of ``type_anchors``.

    Raises:
        UserError: for a gazetteer that cannot be read, or if no sentence names an entry of any type.
    """
    from pyspark.sql import functions as F

    tell = on_progress or (lambda *_: None)
    gazetteer = read_gazetteers(task, labels)
    written = Path(ledger_path).absolute() / "_gazetteer"
    gazetteer.write(written)
    tell(1, _STEPS)
    sentences = spark.read.parquet(to_read(sentences_path)).select(*KEY, "text")
    named = sentences.mapInArrow(LabelTexts(written, uuid4().hex), TEXT_LABELS_SQL).persist()
    try:
        labelled = named.where(F.size("entities") > 0)
        hits = _hits(gazetteer, named)
        report = _report(gazetteer, hits, sentences.count(), labelled)
        require_mentions(report, gazetteer, labels)
        write_never_hit(gazetteer, hits, report, Path(ledger_path))
        tell(2, _STEPS)
        rows = labelled.select(*KEY, "text", "entities").orderBy(*KEY)
        output = rows.write.mode("overwrite").option("compression", "zstd")
        output.parquet(to_write(Path(ledger_path) / "iteration=0"))
    finally:
        named.unpersist()
        shutil.rmtree(written, ignore_errors=True)
    tell(_STEPS, _STEPS)
    counts = {name: report[name] for name in ("sentences", "sentences_labelled", "mentions")}
    return {**counts, "entities": sum(of_type["mentions"] for of_type in report["types"].values())}, report


def _hits(gazetteer: Gazetteer, named: DataFrame) -> dict[str, int]:
    """For each entry that the texts name, how often they do."""
    from pyspark.sql import functions as F

    hits = _counted(named.select(F.explode("hits").alias("value")))
    found = sorted(hits)
    names = gazetteer.names.take(pa.array(found, pa.int64())).to_pylist()
    return {name: hits[index] for name, index in zip(names, found, strict=True)}


def _report(gazetteer: Gazetteer, hits: dict[str, int], sentences: int, labelled: DataFrame) -> dict[str, Any]:
    from pyspark.sql import functions as F

    types = _counted(labelled.select(F.explode(F.array_distinct("entities.type")).alias("value")))
    return text_match_report(gazetteer, hits, sentences, labelled.count(), types)


def _counted(values: DataFrame) -> dict[Any, int]:
    table = values.groupBy("value").count().toArrow()
    return dict(zip(*(column.to_pylist() for column in table.columns), strict=True))


class LabelTexts:
    """The function that ``mapInArrow`` runs in each partition: sentences in, ``TEXT_LABELS`` out."""

    def __init__(self, gazetteer: Path, key: str) -> None:
        self._gazetteer, self._key = gazetteer, key

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Labels of each batch of sentences."""
        with HostLabeller(self._gazetteer, self._key) as labeller:
            for batch in batches:
                yield labeller.label(batch)
