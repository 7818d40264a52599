"""Files of domain text -> sentences with Spark: a line is what a page is in a dump, without anchors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from cofee_dist.artifacts import scratch_folder
from cofee_dist.config import Corpus
from cofee_dist.corpus.dump_location import TEXT, dump_digest, one_name
from cofee_dist.corpus.rows import COUNT, SENTENCE, Row, row_of
from cofee_dist.corpus.sentences import SentenceRules, sentences
from cofee_dist.corpus.spark_jobs import Progress, spoken_errors
from cofee_dist.corpus.spark_parcels import write_parcels
from cofee_dist.corpus.spark_paths import to_read
from cofee_dist.corpus.spark_tables import (
    dropped,
    drops,
    listed,
    sum_counts,
    without_duplicates,
    write_sentences,
)
from cofee_dist.corpus.text_files import TextPiece, read_texts, text_parcels
from cofee_dist.corpus.wikitext import Document
from cofee_dist.errors import UserError
from cofee_dist.schemas import SENTENCES

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


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
    paths = [one_name(path) for path in config.texts]
    rules = replace(SentenceRules.of(config, language), min_anchors=0)
    made_from = [repr(rules), [(path, dump_digest(path, TEXT)) for path in paths]]
    with spoken_errors(), scratch_folder(output / "_tmp", made_from) as scratch:
        parcels = text_parcels(paths, config.split_bytes)
        files = write_parcels(spark, parcels, TextRows(rules), scratch / "rows", on_progress)
        counts = sum_counts(files)
        if counts["candidates"] == dropped(counts):
            raise _no_sentence(counts, config)
        rows = spark.read.parquet(*map(to_read, files))
        found = rows.where(rows["kind"] == SENTENCE).select(*SENTENCES.names)
        once = without_duplicates(found, several_dumps=False)
        write_sentences(spark, once, config.max_sentences, scratch, output / "sentences", counts)
    summary = {name: counts[name] for name in ("lines", "blank_lines", "candidates", "sentences")}
    return {"files": len(config.texts), **summary, "dropped": dict(drops(counts))}


def _no_sentence(counts: Counter[str], config: Corpus) -> UserError:
    return UserError(
        f"no sentence is left of {counts['lines']:,} lines: of {counts['candidates']:,} candidates were dropped "
        f"{listed(drops(counts)) or 'none'}",
        where=", ".join(config.texts),
        fix="give files of text, a paragraph a line, or lower corpus.min_sentence_length",
    )


class TextRows:
    """Reads a parcel of pieces in a worker: the rows of its lines, and at the end its counts."""

    def __init__(self, rules: SentenceRules) -> None:
        self._rules = rules

    def __call__(self, parcel: list[TextPiece]) -> Iterator[Row]:
        """Rows of ``rows.ROWS``."""
        counts: Counter[str] = Counter()
        for piece in parcel:
            name = PurePosixPath(piece.path).name
            for line_id, text in read_texts(piece):
                yield from self._rows(line_id, name, text, counts)
        for name, number in sorted(counts.items()):
            yield row_of(COUNT, name=name, number=number)

    def _rows(self, line_id: int, name: str, line: str, counts: Counter[str]) -> Iterator[Row]:
        counts["lines"] += 1
        counts["blank_lines"] += not line
        # JSON may hold several paragraphs in a text; the splitter wants single spaces.
        document = Document("\n".join(" ".join(paragraph.split()) for paragraph in line.splitlines()))
        for section, number, text, anchors in sentences(document, self._rules, counts):
            yield (SENTENCE, line_id, 0, name, section, number, text, anchors, None, None)
