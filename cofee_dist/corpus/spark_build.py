"""Dumps -> D_g with Spark: extract in one pass, resolve redirects, drop duplicates, write in one order."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cofee_dist.artifacts import scratch_folder
from cofee_dist.config import Corpus
from cofee_dist.corpus.dump_list import list_dumps, read_sites
from cofee_dist.corpus.dump_location import dump_digest, one_name
from cofee_dist.corpus.page_rows import PageRows
from cofee_dist.corpus.quarantine import Quarantined, check_quarantined, write_quarantine
from cofee_dist.corpus.rows import REDIRECT, SENTENCE
from cofee_dist.corpus.spark_jobs import Progress, spoken_errors
from cofee_dist.corpus.spark_parcels import write_parcels
from cofee_dist.corpus.spark_paths import to_read
from cofee_dist.corpus.spark_redirects import resolve_anchors, resolved_redirects
from cofee_dist.corpus.spark_revisions import without_older_revisions
from cofee_dist.corpus.spark_tables import (
    dropped,
    drops,
    listed,
    sum_counts,
    without_duplicates,
    write_sentences,
)
from cofee_dist.corpus.splits import splits
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
        Counts: ``pages`` = ``articles`` + ``redirects`` + ``other_namespaces`` + ``quarantined``; of the articles,
        ``disambiguation_pages``, and of all pages ``older_revisions``, which give nothing since a newer revision is in
        another dump; ``links`` in the running text of all articles = ``anchors`` of the sentences + the
        sum of ``links_dropped`` (by reason); ``candidates`` = ``sentences`` + the sum of ``dropped`` (by reason);
        ``overlong_sentences``; ``quarantined_by_reason``; ``damaged_streams`` and ``damaged_bytes``: places in bz2
        dumps that could not be decoded, each a row of the quarantine, whose pages are in no other count.

    Raises:
        UserError: for dumps that cannot be read or are truncated, too large a share of pages in quarantine or of
            bytes damaged, and a corpus without a single sentence.
    """
    paths = [one_name(path) for path in list_dumps(config.dumps)]
    made_from = [config.deciding(), language, [(path, dump_digest(path)) for path in paths]]
    with spoken_errors(), scratch_folder(output / "_tmp", made_from) as scratch:
        files = _extract(spark, config, language, paths, scratch / "rows", on_progress)
        counts = sum_counts(files)
        quarantined = write_quarantine(files, output / "quarantine")
        check_quarantined(counts, quarantined, config)
        if counts["candidates"] == dropped(counts):
            raise _no_sentence(counts, config)
        _finish(spark, config, files, len(paths) > 1, scratch, output / "sentences", counts)
    return _summary(counts, quarantined)


def _extract(
    spark: SparkSession, config: Corpus, language: str, paths: list[str], folder: Path, on_progress: Progress | None
) -> list[str]:
    sites = read_sites(paths)
    keep_truncated = config.truncated_dumps == "keep"
    parcels = [split for path in paths for split in splits(path, config.split_bytes, keep_truncated)]
    return write_parcels(spark, parcels, PageRows(sites, config, language), folder, on_progress)


def _finish(
    spark: SparkSession,
    config: Corpus,
    files: list[str],
    several_dumps: bool,
    scratch: Path,
    output: Path,
    counts: Counter[str],
) -> None:
    """From the extracted rows to the sentences that are kept, each once, with redirects resolved."""
    from pyspark.sql import functions as F

    rows = spark.read.parquet(*map(to_read, files))
    found, redirects = (rows.where(F.col("kind") == kind) for kind in (SENTENCE, REDIRECT))
    if several_dumps:
        found, redirects = without_older_revisions(spark, rows, scratch, counts)
        if counts["candidates"] == dropped(counts):
            raise _no_sentence(counts, config)
    extracted = found.select(*SENTENCES.names)
    sentences = without_duplicates(extracted, several_dumps)
    if counts["redirects"]:
        resolved = resolved_redirects(redirects.select(F.col("title").alias("source"), F.col("text").alias("to")))
        sentences = resolve_anchors(sentences, extracted, resolved)
    write_sentences(spark, sentences, config.max_sentences, scratch, output, counts)


def _no_sentence(counts: Counter[str], config: Corpus) -> UserError:
    return UserError(
        f"no sentence is left: {counts['articles']:,} articles of {counts['pages']:,} pages gave "
        f"{counts['candidates']:,} candidates, dropped as {listed(drops(counts)) or 'there were none'}",
        where=", ".join(config.dumps),
        fix=f"lower corpus.min_anchors (now {config.min_anchors}), or take a dump with articles",
    )


def _summary(counts: Counter[str], quarantined: Quarantined) -> dict[str, Any]:
    pages = (
        "pages",
        "articles",
        "redirects",
        "other_namespaces",
        "quarantined",
        "disambiguation_pages",
        "older_revisions",
    )
    sentences = ("links", "anchors", "candidates", "sentences", "overlong_sentences")
    damaged = ("damaged_streams", "damaged_bytes")
    summary: dict[str, Any] = {name: counts[name] for name in (*pages, *sentences, *damaged)}
    lost = {"dropped": dict(drops(counts)), "links_dropped": dict(drops(counts, "links_dropped."))}
    return summary | lost | {"quarantined_by_reason": dict(quarantined.pages)}
