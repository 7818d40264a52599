"""Dumps -> D_g with Spark: extract in one pass, resolve redirects, drop duplicates, write in one order."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.dataset as ds

from cofee_dist.config import Corpus
from cofee_dist.corpus.dump import read_site
from cofee_dist.corpus.dump_location import one_name
from cofee_dist.corpus.quarantine import Quarantined, check_quarantined, write_quarantine
from cofee_dist.corpus.spark_jobs import Progress, spoken_errors, watched
from cofee_dist.corpus.spark_redirects import resolve_anchors, resolved_redirects
from cofee_dist.corpus.spark_rows import REDIRECT, ROWS_SQL, SENTENCE, PagesToRows
from cofee_dist.corpus.spark_tables import (
    dropped,
    drops,
    listed,
    sum_counts,
    without_duplicates,
    write_sentences,
    write_table,
)
from cofee_dist.errors import UserError
from cofee_dist.schemas import SENTENCES

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def build_corpus(
    spark: SparkSession, config: Corpus, language: str, output: Path, on_progress: Progress | None = None
) -> dict[str, Any]:
    """Build D_g from ``config.dumps``: ``output/sentences`` (SENTENCES) and ``output/quarantine`` (QUARANTINE).

    What is written depends on the dumps and the config only, not on how the work was cut: sentences are sorted by
    page and index. ``sentence_index`` counts a page's sentences before duplicates and ``max_sentences`` take some.
    Of equal sentences the first by that order stays; which ``max_sentences`` are kept is decided by a hash of the key.

    Args:
        spark: any session; its workers must be able to import this package.
        config: what to read and what to keep.
        language: of the text, ISO 639-1; decides how sentences are split and measured.
        output: a folder that the workers share with this process.
        on_progress: told (splits read, splits) while dumps are read, from another thread.

    Returns:
        Counts: ``pages`` = ``articles`` + ``redirects`` + ``other_namespaces`` + ``quarantined``; ``links`` of all
        articles; ``candidates`` = ``sentences`` + the sum of ``dropped`` (by reason); ``anchors`` of the sentences;
        ``quarantined_by_reason``; ``damaged_streams`` and ``damaged_bytes``: places in bz2 dumps that could not be
        decoded, each a row of the quarantine, whose pages are in no other count.

    Raises:
        UserError: for dumps that cannot be read or are truncated, too large a share of pages in quarantine or of
            bytes damaged, and a corpus without a single sentence.
    """
    if not config.dumps:
        raise UserError("no dump is given", where="corpus.dumps", fix="--set 'corpus.dumps=[path/to/dump.xml.bz2]'")
    scratch = output / "_tmp"
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        with spoken_errors():
            _extract(spark, config, language, scratch / "rows", on_progress)
            counts = sum_counts(scratch / "rows")
            quarantined = write_quarantine(scratch / "rows", output / "quarantine")
            check_quarantined(counts, quarantined, config)
            if counts["candidates"] == dropped(counts):
                raise _no_sentence(counts, config)
            _finish(spark, config, scratch, output / "sentences", counts)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return _summary(counts, quarantined)


def _extract(spark: SparkSession, config: Corpus, language: str, rows: Path, on_progress: Progress | None) -> None:
    from cofee_dist.corpus.spark_source import MediaWikiSource

    paths = [one_name(path) for path in config.dumps]
    if repeated := [path for path, times in Counter(paths).items() if times > 1]:
        raise UserError("a dump is given twice", where=", ".join(repeated), fix="list each dump once in corpus.dumps")
    sites = {path: read_site(path) for path in paths}
    spark.dataSource.register(MediaWikiSource)
    pages = (
        spark.read.format("mediawiki")
        .option("paths", json.dumps(paths))
        .option("split_bytes", str(config.split_bytes))
        .option("max_page_bytes", str(config.max_page_bytes))
        .option("articles_only", "true")
        .load()
    )
    found = pages.mapInArrow(PagesToRows(sites, config, language), ROWS_SQL)
    with watched(spark, on_progress):
        write_table(found, rows)


def _finish(spark: SparkSession, config: Corpus, scratch: Path, output: Path, counts: Counter[str]) -> None:
    """From the extracted rows to the sentences that are kept, each once, with redirects resolved."""
    from pyspark.sql import functions as F

    rows = spark.read.parquet(str(scratch / "rows"))
    sentences = rows.where(F.col("kind") == SENTENCE).select(*SENTENCES.names)
    sentences = without_duplicates(sentences, several_dumps=len(config.dumps) > 1)
    if counts["redirects"]:
        redirects = resolved_redirects(
            rows.where(F.col("kind") == REDIRECT).select(F.col("title").alias("source"), F.col("text").alias("to"))
        )
        sentences = resolve_anchors(sentences, redirects)
    write_sentences(spark, sentences, config.max_sentences, scratch, output, counts)
    counts["anchors"] = _anchors_in(output)


def _anchors_in(folder: Path) -> int:
    batches = ds.dataset(folder, format="parquet").to_batches(columns=["anchors"])
    return sum(len(batch.column(0).flatten()) for batch in batches)


def _no_sentence(counts: Counter[str], config: Corpus) -> UserError:
    return UserError(
        f"no sentence is left: {counts['articles']:,} articles of {counts['pages']:,} pages gave "
        f"{counts['candidates']:,} candidates, dropped as {listed(drops(counts)) or 'there were none'}",
        where=", ".join(config.dumps),
        fix=f"lower corpus.min_anchors (now {config.min_anchors}), or take a dump with articles",
    )


def _summary(counts: Counter[str], quarantined: Quarantined) -> dict[str, Any]:
    plain = ("pages", "articles", "redirects", "other_namespaces", "quarantined", "links")
    damaged = ("damaged_streams", "damaged_bytes")
    summary: dict[str, Any] = {name: counts[name] for name in (*plain, "candidates", "sentences", "anchors", *damaged)}
    return summary | {"dropped": dict(drops(counts)), "quarantined_by_reason": dict(quarantined.pages)}
