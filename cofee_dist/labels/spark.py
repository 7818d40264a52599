"""D_g to the first D_s with Spark: a join of exploded anchors with the gazetteers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from cofee_dist.config import Labels, Task
from cofee_dist.labels.gazetteer import Gazetteer, read_gazetteers
from cofee_dist.labels.match_report import match_report, require_matches
from cofee_dist.labels.normalise import base_titles, normalise_array
from cofee_dist.schemas import KEY

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

#: Called with how much of how much is done.
OnProgress = Callable[[float, float], None]

_STEPS = 3
# Above this many entries Spark chooses how to join, by the sizes that it measures.
_BROADCAST_ENTRIES = 2_000_000


def type_anchors(
    spark: SparkSession,
    sentences_path: str | Path,
    ledger_path: str | Path,
    task: Task,
    labels: Labels,
    on_progress: OnProgress | None = None,
) -> tuple[dict[str, int], dict[str, Any]]:
    """Label the anchors that gazetteers name (section 3.2 of the paper: the first D_s, iteration 0).

    An anchor is looked up, normalised, by what ``labels.match_on`` says: its surface; its target, which is tried
    as the whole title and then without a parenthesised suffix (``Paris (mythology)``, ``Paris``); or both, then
    in the order title, surface, title without suffix. The first that is an entry decides, so that a title listed
    as such is not overruled by a shorter namesake.

    Args:
        spark: a session.
        sentences_path: the sentences of D_g, Parquet (schemas.SENTENCES).
        ledger_path: the ledger's folder; its ``iteration=0`` is written by Spark, and replaced if there.
        task: its types and their gazetteers.
        labels: how to match, and what an ambiguous entry gives.
        on_progress: told after each step.

    Returns:
        Counts (sentences and anchors read, sentences labelled, anchors typed, entities) and the match report
        (see ``match_report``). The labels (schemas.LABELS) have a row for each sentence with an entity, by page_id
        and sentence_index, entities by start, end and type.

    Raises:
        UserError: for a gazetteer that cannot be read, or if no entry of any type names an anchor.
    """
    from pyspark.sql import functions as F

    tell = on_progress or (lambda *_: None)
    output_path = f"{ledger_path}/iteration=0"
    gazetteer = read_gazetteers(task, labels)
    tell(1, _STEPS)
    sentences = spark.read.parquet(str(sentences_path)).select(*KEY, "text", "anchors")
    read = sentences.agg(F.count("*"), F.sum(F.size("anchors"))).collect()[0]
    matched = _match(_anchor_names(sentences, labels), _entry_table(spark, gazetteer)).persist()
    try:
        hits = matched.groupBy("name").count().toArrow()
        report = match_report(gazetteer, dict(zip(*(c.to_pylist() for c in hits.columns), strict=True)), read[1] or 0)
        require_matches(report, gazetteer, labels)
        tell(2, _STEPS)
        _write(sentences, matched, output_path)
    finally:
        matched.unpersist()
    written = spark.read.parquet(output_path).agg(F.count("*"), F.sum(F.size("entities"))).collect()[0]
    counts = {
        "sentences": read[0],
        "anchors": report["anchors"],
        "sentences_labelled": written[0],
        "anchors_typed": report["anchors_typed"],
        "entities": written[1],
    }
    tell(_STEPS, _STEPS)
    return counts, report


def _anchor_names(sentences: DataFrame, labels: Labels) -> DataFrame:
    """Anchors with the names to look up: key, start, end, rank (the lowest that is an entry decides), name."""
    from pyspark.sql import functions as F

    anchor = sentences.select(*KEY, "text", F.explode("anchors").alias("anchor")).select(
        *KEY,
        F.col("anchor.start").alias("start"),
        F.col("anchor.end").alias("end"),
        # Spark counts code points here, as we do; from 1.
        F.expr("substring(text, anchor.start + 1, anchor.end - anchor.start)").alias("surface"),
        F.col("anchor.target").alias("title"),
    )
    name, base = _normalisers(labels.ignore_case)
    names: dict[str, list[Column]] = {
        "surface": [name("surface")],
        "target": [name("title"), base("title")],
        "both": [name("title"), name("surface"), base("title")],
    }
    wide = anchor.select(*KEY, "start", "end", F.array(*names[labels.match_on]).alias("names"))
    return wide.select(*KEY, "start", "end", F.posexplode("names").alias("rank", "name"))


def _normalisers(ignore_case: bool) -> tuple[Callable[..., Column], Callable[..., Column]]:
    """Spark functions that normalise a name, and a title without suffix, exactly as entries are."""
    from pyspark.sql.functions import arrow_udf

    def normalised(texts: pa.Array) -> pa.Array:
        return normalise_array(texts, ignore_case)

    def normalised_base(titles: pa.Array) -> pa.Array:
        return normalise_array(base_titles(titles), ignore_case)

    # Spark reads the kind of function off its annotations, which its own type stubs do not know.
    return arrow_udf(normalised, "string"), arrow_udf(normalised_base, "string")  # type: ignore[call-overload]


def _entry_table(spark: SparkSession, gazetteer: Gazetteer) -> DataFrame:
    from pyspark.sql import functions as F

    names = list(gazetteer.names())
    table = spark.createDataFrame(
        pa.table(
            {
                "name": pa.array([name for name, _ in names], pa.string()),
                "types": pa.array([list(types) for _, types in names], pa.list_(pa.string())),
            }
        )
    )
    return F.broadcast(table) if len(names) <= _BROADCAST_ENTRIES else table


def _match(anchor_names: DataFrame, entries: DataFrame) -> DataFrame:
    """One row for each anchor that an entry names: key, start, end, name, types."""
    from pyspark.sql import functions as F

    joined = anchor_names.join(entries, "name", "inner")
    best = F.min_by(F.struct("name", "types"), F.col("rank")).alias("best")
    return joined.groupBy(*KEY, "start", "end").agg(best).select(*KEY, "start", "end", "best.*")


def _write(sentences: DataFrame, matched: DataFrame, output_path: str) -> None:
    from pyspark.sql import functions as F

    typed = matched.select(*KEY, "start", "end", F.explode("types").alias("type"))
    source, score = F.lit("gazetteer").alias("source"), F.lit(1.0).cast("float").alias("score")
    labelled = typed.select(*KEY, F.struct("start", "end", "type", source, score).alias("entity")).groupBy(*KEY)
    entities = labelled.agg(F.array_sort(F.collect_list("entity")).alias("entities"))
    rows = sentences.select(*KEY, "text").join(entities, [*KEY], "inner")
    ordered = rows.select(*KEY, "text", "entities").orderBy(*KEY)
    ordered.write.mode("overwrite").option("compression", "zstd").parquet(output_path)
