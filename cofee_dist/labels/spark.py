"""D_g to the first D_s with Spark: a join of exploded anchors with the gazetteers."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from cofee_dist.config import Labels, Task
from cofee_dist.corpus.spark_jobs import spoken_errors
from cofee_dist.corpus.spark_paths import to_read, to_write
from cofee_dist.labels.gazetteer import ENTRIES, Gazetteer, read_gazetteers
from cofee_dist.labels.match_report import match_report, require_matches
from cofee_dist.labels.never_hit import write_never_hit
from cofee_dist.labels.normalise import base_titles, normalise_array
from cofee_dist.schemas import KEY

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

#: Called with how much of how much is done.
OnProgress = Callable[[float, float], None]

_STEPS = 3
# Above this many entries Spark chooses how to join, by the sizes that it measures.
_BROADCAST_ENTRIES = 2_000_000


@spoken_errors()
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
    gazetteer = read_gazetteers(task, labels)
    tell(1, _STEPS)
    sentences = spark.read.parquet(to_read(sentences_path)).select(*KEY, "text", "anchors")
    read = sentences.agg(F.count("*"), F.sum(F.size("anchors"))).collect()[0]
    # A file: what goes through Spark's session has to fit in the JVM.
    entries = Path(ledger_path).resolve() / "_gazetteer"
    gazetteer.write(entries)
    matched = _match(spark, _anchor_names(sentences, labels), gazetteer, entries).persist()
    try:
        named = matched.select(F.explode("hits.name").alias("name")).groupBy("name").count().toArrow()
        hits = dict(zip(*(column.to_pylist() for column in named.columns), strict=True))
        report = match_report(gazetteer, hits, read[1] or 0)
        require_matches(report, gazetteer, labels)
        write_never_hit(gazetteer, hits, report, Path(ledger_path))
        labelled = matched.select(*KEY, "entities").where(F.size("entities") > 0)
        counts = {
            "sentences": read[0],
            "anchors": report["anchors"],
            "sentences_labelled": labelled.count(),
            "anchors_typed": report["anchors_typed"],
            "entities": sum(of_type["anchors_typed"] for of_type in report["types"].values()),
        }
        tell(2, _STEPS)
        rows = sentences.select(*KEY, "text").join(labelled, [*KEY], "inner").orderBy(*KEY)
        output = rows.select(*KEY, "text", "entities").write.mode("overwrite").option("compression", "zstd")
        output.parquet(to_write(Path(ledger_path) / "iteration=0"))
    finally:
        matched.unpersist()
        shutil.rmtree(entries, ignore_errors=True)
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
    name, base = _normalisers(labels)
    names: dict[str, list[Column]] = {
        "surface": [name("surface")],
        "target": [name("title"), base("title")],
        "both": [name("title"), name("surface"), base("title")],
    }
    wide = anchor.select(*KEY, "start", "end", F.array(*names[labels.match_on]).alias("names"))
    return wide.select(*KEY, "start", "end", F.posexplode("names").alias("rank", "name"))


def _normalisers(labels: Labels) -> tuple[Callable[..., Column], Callable[..., Column]]:
    """Spark functions that normalise a name, and a title without suffix, exactly as entries are."""
    from pyspark.sql.functions import arrow_udf

    ignore_case, chinese = labels.ignore_case, labels.chinese

    def normalised(texts: pa.Array) -> pa.Array:
        return normalise_array(texts, ignore_case, chinese)

    def normalised_base(titles: pa.Array) -> pa.Array:
        return normalise_array(base_titles(titles), ignore_case, chinese)

    # Spark reads the kind of function off its annotations, which its own type stubs do not know.
    return arrow_udf(normalised, "string"), arrow_udf(normalised_base, "string")  # type: ignore[call-overload]


def _match(spark: SparkSession, anchor_names: DataFrame, gazetteer: Gazetteer, entries: Path) -> DataFrame:
    """One row for each sentence with an anchor that an entry names: key, hits (with start, end, name), entities."""
    from pyspark.sql import functions as F

    table = spark.read.parquet(to_read(entries / ENTRIES))
    table = F.broadcast(table) if len(gazetteer.names) <= _BROADCAST_ENTRIES else table
    joined = anchor_names.join(table, "name", "inner")
    hit = F.struct("start", "end", "rank", "name", "kind")
    found = joined.groupBy(*KEY).agg(F.array_sort(F.collect_list(hit)).alias("found"))

    def names_anchor(hit: Column, at: Column) -> Column:
        """Whether it is the first of its anchor's hits, which are by rank."""
        before = F.get("found", at - 1)
        return (at == 0) | (hit.start != before.start) | (hit.end != before.end)

    labels_of = gazetteer.labels_of_kind
    types_of = F.array(*(F.array(*map(F.lit, types)).cast("array<string>") for types in labels_of))
    weak = F.lit("gazetteer").alias("source"), F.lit(1.0).cast("float").alias("score")

    def entities(hit: Column) -> Column:
        def entity(name: Column) -> Column:
            return F.struct(hit.start.alias("start"), hit.end.alias("end"), name.alias("type"), *weak)

        return F.transform(F.get(types_of, hit.kind), entity)

    hits = found.select(*KEY, F.filter("found", names_anchor).alias("hits"))
    return hits.select(*KEY, "hits", F.array_sort(F.flatten(F.transform("hits", entities))).alias("entities"))
