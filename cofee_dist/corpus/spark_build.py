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
from cofee_dist.corpus.spark_rows import COUNT, REDIRECT, ROWS_SQL, SENTENCE, PagesToRows
from cofee_dist.errors import UserError
from cofee_dist.schemas import KEY, SENTENCES

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_SENTENCES_PER_FILE = 500_000


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
            counts = _counts(scratch / "rows")
            quarantined = write_quarantine(scratch / "rows", output / "quarantine")
            check_quarantined(counts, quarantined, config)
            extracted = counts["candidates"] - _dropped(counts)
            if not extracted:
                raise _no_sentence(counts, config)
            _finish(spark, config, scratch, output / "sentences", counts, extracted)
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
        _write(found, rows)


def _finish(
    spark: SparkSession, config: Corpus, scratch: Path, output: Path, counts: Counter[str], extracted: int
) -> None:
    """From the extracted rows to the sentences that are kept, each once, with redirects resolved."""
    from pyspark.sql import functions as F

    rows = spark.read.parquet(str(scratch / "rows"))
    sentences = rows.where(F.col("kind") == SENTENCE).select(*SENTENCES.names)
    sentences = _without_duplicates(sentences, several_dumps=len(config.dumps) > 1)
    if counts["redirects"]:
        redirects = resolved_redirects(
            rows.where(F.col("kind") == REDIRECT).select(F.col("title").alias("source"), F.col("text").alias("to"))
        )
        sentences = resolve_anchors(sentences, redirects)
    most = config.max_sentences
    unique = None
    if most is not None and most < extracted:
        _write(sentences, scratch / "unique")
        unique = _rows_in(scratch / "unique")
        sentences = _chosen(spark.read.parquet(str(scratch / "unique")), most)
    _write(_sorted(sentences, min(extracted, most or extracted)), output)
    _plain_names(output)
    kept = _rows_in(output)
    unique = kept if unique is None else unique
    counts["dropped.duplicate"] = extracted - unique
    counts["dropped.above_max_sentences"] = unique - kept
    counts["sentences"] = kept
    counts["anchors"] = _anchors_in(output)


def _sorted(sentences: DataFrame, most: int) -> DataFrame:
    """In the order of their keys, cut into as many partitions as there shall be files."""
    files = -(-most // _SENTENCES_PER_FILE)
    # Cutting by range first runs a job to sample the keys.
    cut = sentences.repartitionByRange(files, *KEY) if files > 1 else sentences.repartition(1)
    return cut.sortWithinPartitions(*KEY).select(*SENTENCES.names)


def _without_duplicates(sentences: DataFrame, several_dumps: bool) -> DataFrame:
    """Each text once; and each key once, should a page stand in two dumps: then its newest revision's."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    by_text = Window.partitionBy(F.md5("text")).orderBy(*KEY, F.desc("revision_id"))
    once = sentences.withColumn("rank", F.row_number().over(by_text)).where("rank = 1").drop("rank")
    if not several_dumps:
        return once
    by_key = Window.partitionBy(*KEY).orderBy(F.desc("revision_id"), "text")
    return once.withColumn("rank", F.row_number().over(by_key)).where("rank = 1").drop("rank")


def _chosen(sentences: DataFrame, most: int) -> DataFrame:
    """The ``most`` sentences whose keys have the lowest hashes."""
    from pyspark.sql import functions as F

    keys = sentences.select(*KEY).orderBy(F.xxhash64(*KEY), *KEY).limit(most)
    return sentences.join(keys, list(KEY), "left_semi")


def _write(table: DataFrame, path: Path) -> None:
    options = {"compression": "zstd", "mapreduce.fileoutputcommitter.marksuccessfuljobs": "false"}
    table.write.mode("overwrite").options(**options).parquet(path.resolve().as_uri())


def _plain_names(folder: Path) -> None:
    """Spark names files at random; the same corpus has the same names here. Their order is the sentences' order."""
    for checksum in folder.glob(".*.crc"):
        checksum.unlink()
    for number, file in enumerate(sorted(folder.glob("part-*.parquet"))):
        file.rename(folder / f"part-{number:05d}.parquet")


def _rows_in(folder: Path) -> int:
    return ds.dataset(folder, format="parquet").count_rows()


def _anchors_in(folder: Path) -> int:
    batches = ds.dataset(folder, format="parquet").to_batches(columns=["anchors"])
    return sum(len(batch.column(0).flatten()) for batch in batches)


def _counts(rows: Path) -> Counter[str]:
    table = ds.dataset(rows, format="parquet").to_table(columns=["name", "number"], filter=ds.field("kind") == COUNT)
    counts: Counter[str] = Counter()
    for name, number in zip(*table.to_pydict().values(), strict=True):
        counts[name] += number
    return counts


def _no_sentence(counts: Counter[str], config: Corpus) -> UserError:
    dropped = Counter({name.removeprefix("dropped."): n for name, n in counts.items() if name.startswith("dropped.")})
    return UserError(
        f"no sentence is left: {counts['articles']:,} articles of {counts['pages']:,} pages gave "
        f"{counts['candidates']:,} candidates, dropped as {_listed(dropped) or 'there were none'}",
        where=", ".join(config.dumps),
        fix=f"lower corpus.min_anchors (now {config.min_anchors}), or take a dump with articles",
    )


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{reason} {number:,}" for reason, number in counts.most_common())


def _dropped(counts: Counter[str]) -> int:
    return sum(number for name, number in counts.items() if name.startswith("dropped."))


def _summary(counts: Counter[str], quarantined: Quarantined) -> dict[str, Any]:
    plain = ("pages", "articles", "redirects", "other_namespaces", "quarantined", "links")
    damaged = ("damaged_streams", "damaged_bytes")
    summary: dict[str, Any] = {name: counts[name] for name in (*plain, "candidates", "sentences", "anchors", *damaged)}
    dropped = {name.removeprefix("dropped."): n for name, n in counts.items() if name.startswith("dropped.") and n}
    return summary | {"dropped": dict(sorted(dropped.items())), "quarantined_by_reason": dict(quarantined.pages)}
