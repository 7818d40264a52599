"""Files of domain text -> sentences with Spark: a line is what a page is in a dump, without anchors."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyspark.sql.datasource import DataSource, DataSourceReader, InputPartition

from cofee_dist.config import Corpus
from cofee_dist.corpus.dump_location import one_name
from cofee_dist.corpus.sentences import SentenceRules, sentences
from cofee_dist.corpus.spark_jobs import Progress, spoken_errors, watched
from cofee_dist.corpus.spark_paths import to_read
from cofee_dist.corpus.spark_rows import COUNT, ROWS_SQL, SENTENCE, batch_of, row_of
from cofee_dist.corpus.spark_tables import (
    dropped,
    drops,
    listed,
    sum_counts,
    without_duplicates,
    write_sentences,
    write_table,
)
from cofee_dist.corpus.text_files import TextPiece, read_texts, text_parcels
from cofee_dist.corpus.wikitext import Document
from cofee_dist.errors import UserError
from cofee_dist.schemas import SENTENCES

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

TEXTS = pa.schema([("id", pa.int64()), ("file", pa.string()), ("text", pa.string())])
_SQL_SCHEMA = "id bigint, file string, text string"
_BATCH_LINES = 4096
_BATCH_CHARACTERS = 4 * 2**20


def build_texts(
    spark: SparkSession, config: Corpus, language: str, output: Path, on_progress: Progress | None = None
) -> dict[str, Any]:
    """Make ``output/sentences`` (SENTENCES) of ``config.texts``, by the rules of the corpus but without anchors.

    ``page_id`` is a line's id (see ``text_files.read_texts``), ``title`` the file's name; ``sentence_index`` counts
    within the line. What is written does not depend on how the work was cut. Of equal sentences the first stays.

    Args:
        spark: any session; its workers must be able to import this package and to open the texts.
        config: what to read and what to keep.
        language: of the text, ISO 639-1; decides how sentences are split and measured.
        output: a folder that the workers share with this process.
        on_progress: told (parcels read, parcels) while texts are read, from another thread.

    Returns:
        Counts: ``files``; ``lines``, of which ``blank_lines`` have no text; ``candidates`` = ``sentences`` + the sum
        of ``dropped`` (by reason).

    Raises:
        UserError: for a file or line that cannot be read, and texts without a single sentence.
    """
    scratch = output / "_tmp"
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        with spoken_errors():
            _extract(spark, config, language, scratch / "rows", on_progress)
            counts = sum_counts(scratch / "rows")
            if counts["candidates"] == dropped(counts):
                raise _no_sentence(counts, config)
            rows = spark.read.parquet(to_read(scratch / "rows"))
            found = rows.where(rows["kind"] == SENTENCE).select(*SENTENCES.names)
            once = without_duplicates(found, several_dumps=False)
            write_sentences(spark, once, config.max_sentences, scratch, output / "sentences", counts)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    summary = {name: counts[name] for name in ("lines", "blank_lines", "candidates", "sentences")}
    return {"files": len(config.texts), **summary, "dropped": dict(drops(counts))}


def _extract(spark: SparkSession, config: Corpus, language: str, rows: Path, on_progress: Progress | None) -> None:
    spark.dataSource.register(TextSource)
    paths = [one_name(path) for path in config.texts]
    reader = spark.read.format("texts").option("paths", json.dumps(paths))
    texts = reader.option("parcel_bytes", str(config.split_bytes)).load()
    rules = SentenceRules(language, 0, config.min_sentence_length, config.max_sentence_length)
    with watched(spark, on_progress):
        write_table(texts.mapInArrow(TextsToRows(rules), ROWS_SQL), rows)


def _no_sentence(counts: Counter[str], config: Corpus) -> UserError:
    return UserError(
        f"no sentence is left of {counts['lines']:,} lines: of {counts['candidates']:,} candidates were dropped "
        f"{listed(drops(counts)) or 'none'}",
        where=", ".join(config.texts),
        fix="give files of text, a paragraph a line, or lower corpus.min_sentence_length",
    )


class TextsToRows:
    """The function that ``mapInArrow`` runs in each partition: batches of ``TEXTS`` in, of ``spark_rows.ROWS`` out."""

    def __init__(self, rules: SentenceRules) -> None:
        self._rules = rules

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Sentences of each batch of texts, and at the partition's end its counts."""
        counts: Counter[str] = Counter()
        for batch in batches:
            rows = [row for line in batch.to_pylist() for row in self._rows(line, counts)]
            if rows:
                yield batch_of(rows)
        if counts:
            yield batch_of([row_of(COUNT, name=name, number=number) for name, number in sorted(counts.items())])

    def _rows(self, line: dict[str, Any], counts: Counter[str]) -> Iterator[tuple[Any, ...]]:
        counts["lines"] += 1
        counts["blank_lines"] += not line["text"]
        # JSON may hold several paragraphs in a text; the splitter wants single spaces.
        document = Document("\n".join(" ".join(paragraph.split()) for paragraph in line["text"].splitlines()))
        for section, number, text, anchors in sentences(document, self._rules, counts):
            page = {"page_id": line["id"], "revision_id": 0, "title": line["file"], "section": section}
            yield row_of(SENTENCE, **page, sentence_index=number, text=text, anchors=anchors)


@dataclass
class TextPartition(InputPartition):
    """Pieces of files as Spark ships them to a worker."""

    pieces: list[TextPiece]


class TextSource(DataSource):
    """``spark.read.format("texts")``: lines of text files; option ``paths`` (a JSON list) and ``parcel_bytes``."""

    @classmethod
    def name(cls) -> str:
        """The name of the format."""
        return "texts"

    def schema(self) -> str:
        """The columns of ``TEXTS``."""
        return _SQL_SCHEMA

    def reader(self, schema: Any) -> DataSourceReader:
        """A reader of the files that the options name."""
        return TextReader(json.loads(self.options["paths"]), int(self.options["parcel_bytes"]))


class TextReader(DataSourceReader):
    """Deals files to partitions, and reads one in Arrow batches."""

    def __init__(self, paths: list[str], parcel_bytes: int) -> None:
        self._paths, self._parcel_bytes = paths, parcel_bytes

    def partitions(self) -> list[InputPartition]:
        """One for each parcel of pieces."""
        return [TextPartition(pieces) for pieces in text_parcels(self._paths, self._parcel_bytes)]

    def read(self, partition: InputPartition) -> Iterator[pa.RecordBatch]:
        """The lines that begin in the partition's pieces."""
        if not isinstance(partition, TextPartition):
            raise UserError("the source of texts reads only partitions that it made")
        rows: list[tuple[int, str, str]] = []
        characters = 0
        for piece in partition.pieces:
            name = PurePosixPath(piece.path).name
            for line_id, text in read_texts(piece):
                rows.append((line_id, name, text))
                characters += len(text)
                if len(rows) >= _BATCH_LINES or characters >= _BATCH_CHARACTERS:
                    yield _batch(rows)
                    rows, characters = [], 0
        if rows:
            yield _batch(rows)


def _batch(rows: list[tuple[int, str, str]]) -> pa.RecordBatch:
    columns = zip(*rows, strict=True)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, TEXTS, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=TEXTS)
