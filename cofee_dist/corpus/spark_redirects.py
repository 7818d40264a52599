"""Redirects: chains followed to their end, and the anchors of sentences turned to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cofee_dist.schemas import KEY

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

#: Each doubles the length of the chains that are resolved; MediaWiki itself follows chains of one.
_DOUBLINGS = 5


def resolved_redirects(redirects: DataFrame) -> DataFrame:
    """(source, to) with chains followed to their end; redirects in or into a loop lead nowhere and are left out.

    Chains of up to 2^5 redirects are followed; longer ones count as loops.
    """
    from pyspark.sql import functions as F

    once = redirects.groupBy("source").agg(F.min("to").alias("to")).where("source != to")
    current = once.cache()
    for _ in range(_DOUBLINGS):
        if _leading_on(current).isEmpty():
            break
        onward = current.select(F.col("source").alias("to"), F.col("to").alias("onward"))
        doubled = current.join(onward, "to", "left").select("source", F.coalesce("onward", "to").alias("to"))
        current = doubled.where("source != to").cache()
    return current.join(_leading_on(current).select("source"), "source", "left_anti")


def _leading_on(redirects: DataFrame) -> DataFrame:
    """The redirects whose target is a redirect."""
    from pyspark.sql import functions as F

    return redirects.join(redirects.select(F.col("source").alias("to")), "to", "left_semi")


def resolve_anchors(sentences: DataFrame, redirects: DataFrame) -> DataFrame:
    """Sentences whose anchors' targets are no redirects.

    One join of all anchors with the redirects, from which only the sentences that hold one come back.
    """
    from pyspark.sql import functions as F

    targets = sentences.select(*KEY, F.explode("anchors.target").alias("source"))
    found = targets.join(redirects, "source").groupBy(*KEY)
    led = found.agg(F.map_from_entries(F.collect_set(F.struct("source", "to"))).alias("led"))

    def turned(anchor: F.Column) -> F.Column:
        target = F.coalesce(F.element_at("led", anchor["target"]), anchor["target"])
        return F.struct(anchor["start"].alias("start"), anchor["end"].alias("end"), target.alias("target"))

    joined = sentences.join(led, list(KEY), "left")
    return joined.withColumn("anchors", F.transform("anchors", turned)).drop("led")
