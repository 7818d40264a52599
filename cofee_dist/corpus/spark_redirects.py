"""Redirects: chains followed to their end, and the anchors of sentences turned to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from cofee_dist.schemas import KEY

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def resolved_redirects(redirects: DataFrame) -> DataFrame:
    """(source, to) with chains followed to their end; redirects in or into a loop lead nowhere and are left out.

    Only redirects to redirects come to this process: wikis keep these few, since MediaWiki follows one step only.
    """
    from pyspark.sql import functions as F

    once = redirects.groupBy("source").agg(F.min("to").alias("to"))
    onward = once.select(F.col("source").alias("to"), F.col("to").alias("onward"))
    steps = once.join(onward, "to").select("source", "to", "onward").collect()
    if not steps:
        return once
    chained = {row["source"]: row["to"] for row in steps} | {row["to"]: row["onward"] for row in steps}
    ends = [(row["source"], chain_end(row["source"], chained)) for row in steps]
    table = once.sparkSession.createDataFrame(ends, "source string, end string").withColumn("chained", F.lit(True))
    joined = once.join(F.broadcast(table), "source", "left")
    to = F.when(F.col("chained"), F.col("end")).otherwise(F.col("to"))
    return joined.select("source", to.alias("to")).where("to is not null")


def chain_end(source: str, redirects: Mapping[str, str]) -> str | None:
    """Where the redirects from ``source`` end; None if they run in a loop."""
    seen = {source}
    at = redirects[source]
    while at in redirects:
        if at in seen:
            return None
        seen.add(at)
        at = redirects[at]
    return at


def resolve_anchors(sentences: DataFrame, extracted: DataFrame, redirects: DataFrame) -> DataFrame:
    """Sentences whose anchors' targets are no redirects.

    One join of all anchors with the redirects, from which only the sentences that hold one come back. The anchors are
    those of ``extracted``, which holds ``sentences`` and more: so duplicates are looked for once.
    """
    from pyspark.sql import functions as F

    targets = extracted.select(*KEY, F.explode("anchors.target").alias("source"))
    found = targets.join(redirects, "source").groupBy(*KEY)
    led = found.agg(F.map_from_entries(F.collect_set(F.struct("source", "to"))).alias("led"))

    def turned(anchor: F.Column) -> F.Column:
        target = F.coalesce(F.element_at("led", anchor["target"]), anchor["target"])
        rebuilt = F.struct(anchor["start"].alias("start"), anchor["end"].alias("end"), target.alias("target"))
        # Else Spark infers that no anchor is null, and the table's schema differs from one without redirects.
        return F.when(anchor.isNotNull(), rebuilt)

    joined = sentences.join(led, list(KEY), "left")
    return joined.withColumn("anchors", F.transform("anchors", turned)).drop("led")
