"""Sentences as Spark writes them, whatever they were read from: each text once, in the order of keys, all counted."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.dataset as ds

from cofee_dist.corpus.rows import COUNT
from cofee_dist.corpus.spark_paths import to_read, to_write
from cofee_dist.schemas import KEY, SENTENCES

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_SENTENCES_PER_FILE = 500_000


def write_sentences(
    spark: SparkSession, sentences: DataFrame, most: int | None, scratch: Path, output: Path, counts: Counter[str]
) -> None:
    """Write those of the sentences that are kept: all, or the ``most`` whose keys have the lowest hashes.

    ``sentences`` are without duplicates; ``counts`` holds ``candidates`` and what of them was dropped until then, and
    is given ``sentences``, their ``anchors``, and what was dropped here: ``dropped.duplicate``,
    ``dropped.above_max_sentences``, and the same for their links.
    """
    extracted = counts["candidates"] - dropped(counts)
    unique = anchors = None
    if most is not None and most < extracted:
        write_table(sentences, scratch / "unique")
        unique, anchors = _rows_in(scratch / "unique"), _anchors_in(scratch / "unique")
        sentences = _chosen(spark.read.parquet(to_read(scratch / "unique")), most)
    write_table(_sorted(sentences, min(extracted, most or extracted)), output)
    _plain_names(output)
    counts["sentences"], counts["anchors"] = _rows_in(output), _anchors_in(output)
    unique = counts["sentences"] if unique is None else unique
    anchors = counts["anchors"] if anchors is None else anchors
    counts["dropped.duplicate"] = extracted - unique
    counts["dropped.above_max_sentences"] = unique - counts["sentences"]
    counts["links_dropped.duplicate"] = counts["links_kept"] - anchors
    counts["links_dropped.above_max_sentences"] = anchors - counts["anchors"]


def without_duplicates(sentences: DataFrame, several_dumps: bool) -> DataFrame:
    """Each text once; and with several dumps each key once, should revisions of a page have no number."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    by_text = Window.partitionBy(F.md5("text")).orderBy(*KEY, F.desc("revision_id"))
    once = sentences.withColumn("rank", F.row_number().over(by_text)).where("rank = 1").drop("rank")
    if not several_dumps:
        return once
    by_key = Window.partitionBy(*KEY).orderBy(F.desc("revision_id"), "text")
    return once.withColumn("rank", F.row_number().over(by_key)).where("rank = 1").drop("rank")


def write_table(table: DataFrame, path: Path) -> None:
    """Write Parquet in place of what is there."""
    options = {"compression": "zstd", "mapreduce.fileoutputcommitter.marksuccessfuljobs": "false"}
    table.write.mode("overwrite").options(**options).parquet(to_write(path))


def sum_counts(rows: list[str]) -> Counter[str]:
    """The counts of all parcels, from their files of rows (``rows.ROWS``)."""
    table = ds.dataset(rows, format="parquet").to_table(columns=["name", "number"], filter=ds.field("kind") == COUNT)
    counts: Counter[str] = Counter()
    for name, number in zip(*table.to_pydict().values(), strict=True):
        counts[name] += number
    return counts


def dropped(counts: Counter[str]) -> int:
    """How many candidates were dropped for any reason."""
    return sum(drops(counts).values())


def drops(counts: Counter[str], of: str = "dropped.") -> Counter[str]:
    """How many candidates were dropped, by reason; those without any are left out. ``links_dropped.`` tells links."""
    found = {name.removeprefix(of): number for name, number in counts.items() if name.startswith(of) and number}
    return Counter(dict(sorted(found.items())))


def listed(counts: Counter[str]) -> str:
    """Reasons with their numbers, the most frequent first."""
    return ", ".join(f"{reason} {number:,}" for reason, number in counts.most_common())


def _sorted(sentences: DataFrame, most: int) -> DataFrame:
    """In the order of their keys, cut into as many partitions as there shall be files."""
    files = -(-most // _SENTENCES_PER_FILE)
    # Cutting by range first runs a job to sample the keys.
    cut = sentences.repartitionByRange(files, *KEY) if files > 1 else sentences.repartition(1)
    return cut.sortWithinPartitions(*KEY).select(*SENTENCES.names)


def _chosen(sentences: DataFrame, most: int) -> DataFrame:
    """The ``most`` sentences whose keys have the lowest hashes."""
    from pyspark.sql import functions as F

    keys = sentences.select(*KEY).orderBy(F.xxhash64(*KEY), *KEY).limit(most)
    return sentences.join(keys, list(KEY), "left_semi")


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
