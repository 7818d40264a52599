"""A page that stands in several dumps: only its newest revision counts."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from cofee_dist.corpus.rows import PAGE, REDIRECT, SENTENCE
from cofee_dist.corpus.spark_paths import to_read
from cofee_dist.corpus.spark_tables import write_table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def without_older_revisions(
    spark: SparkSession, rows: DataFrame, scratch: Path, counts: Counter[str]
) -> tuple[DataFrame, DataFrame]:
    """The sentences and the redirects of ``rows`` (``rows.ROWS``) that are of their page's newest revision.

    A page's newest revision is the one of the highest number among those that could be read: it may be a redirect
    now, or have no sentence. Adds to ``counts`` the pages that a newer revision replaces, ``older_revisions``, and
    their sentences and links, ``dropped.older_revision`` and ``links_dropped.older_revision``, which leave
    ``links_kept``. The same revision in two dumps is in the result twice.
    """
    from pyspark.sql import functions as F

    def of(kind: str) -> DataFrame:
        return rows.where(F.col("kind") == kind)

    newest = of(PAGE).groupBy("page_id").agg(F.max("revision_id").alias("newest"), F.min("revision_id").alias("oldest"))
    write_table(newest.where("newest > oldest").select("page_id", "newest"), scratch / "newest")
    newest = spark.read.parquet(to_read(scratch / "newest"))
    if newest.isEmpty():  # the parts of one dump
        return of(SENTENCE), of(REDIRECT)

    def older(kind: str) -> DataFrame:
        return of(kind).join(newest, "page_id").where("revision_id < newest")

    def kept(kind: str) -> DataFrame:
        joined = of(kind).join(newest, "page_id", "left")
        return joined.where("newest is null or revision_id >= newest").drop("newest")

    counts["older_revisions"] = older(PAGE).count()
    of_links = F.coalesce(F.sum(F.size("anchors")), F.lit(0))
    [(sentences, links)] = older(SENTENCE).agg(F.count(F.lit(1)), of_links).collect()
    counts["dropped.older_revision"], counts["links_dropped.older_revision"] = sentences, links
    counts["links_kept"] -= links
    return kept(SENTENCE), kept(REDIRECT)
