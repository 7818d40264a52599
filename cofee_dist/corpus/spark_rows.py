"""Pages -> rows in a Spark worker: one pass over a dump gives sentences, redirects, failures and counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa

from cofee_dist.config import Corpus
from cofee_dist.corpus.articles import ArticleReader
from cofee_dist.corpus.dump import BadPage, Page
from cofee_dist.corpus.sentences import Sentence, SentenceRules
from cofee_dist.corpus.titles import SiteInfo
from cofee_dist.schemas import ANCHOR, SENTENCES

SENTENCE, REDIRECT, QUARANTINED, COUNT = "sentence", "redirect", "quarantined", "count"

#: Rows of four kinds in one table, since a pass over the dump writes one table. Beside a sentence's columns:
#: redirect: title leads to text; quarantined: name is the reason, text the detail; count: name and number.
ROWS = pa.schema([("kind", pa.string()), *SENTENCES, ("name", pa.string()), ("number", pa.int64())])
ROWS_SQL = (
    "kind string, page_id bigint, revision_id bigint, title string, section string, sentence_index int, text string, "
    "anchors array<struct<start: int, end: int, target: string>>, name string, number bigint"
)


class PagesToRows:
    """The function that ``mapInArrow`` runs in each partition: batches of ``PAGES`` in, of ``ROWS`` out."""

    def __init__(self, sites: Mapping[str, SiteInfo], config: Corpus, language: str) -> None:
        self._sites, self._config, self._rules = dict(sites), config, SentenceRules.of(config, language)

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Rows of each batch of pages, and at the partition's end its counts."""
        readers = {dump: ArticleReader(site, self._rules, self._config) for dump, site in self._sites.items()}
        for batch in batches:
            rows = [row for dump, page in _pages(batch) for row in _rows(page, readers[dump])]
            if rows:
                yield batch_of(rows)
        counts = [
            row_of(COUNT, name=name, number=number)
            for reader in readers.values()
            for name, number in sorted(reader.counts.items())
        ]
        if counts:
            yield batch_of(counts)


def _pages(batch: pa.RecordBatch) -> Iterator[tuple[str, Page | BadPage]]:
    for dump, page_id, revision_id, namespace, title, redirect, text, reason, detail, lost_bytes in zip(
        *(column.to_pylist() for column in batch.columns), strict=True
    ):
        if reason is not None:
            yield dump, BadPage(page_id, title, reason, detail, lost_bytes)
        else:
            yield dump, Page(page_id, revision_id, namespace, title, redirect, text or "")


def _rows(page: Page | BadPage, reader: ArticleReader) -> Iterator[tuple[Any, ...]]:
    found = reader.read(page)
    if found.bad is not None:
        bad = found.bad
        yield row_of(QUARANTINED, page_id=bad.page_id, title=bad.title, name=bad.reason, text=bad.detail)
    if found.redirect is not None:
        source, target = found.redirect
        yield row_of(REDIRECT, title=source, text=target)
    for sentence in found.sentences:
        assert isinstance(page, Page)
        yield _sentence(page, sentence)


def _sentence(page: Page, sentence: Sentence) -> tuple[Any, ...]:
    section, number, text, anchors = sentence
    return (SENTENCE, page.page_id, page.revision_id, page.title, section, number, text, anchors, None, None)


def row_of(kind: str, **values: Any) -> tuple[Any, ...]:
    """A row of ``ROWS``; columns that are not given are null."""
    return (kind, *(values.get(name) for name in ROWS.names[1:]))


def batch_of(rows: list[tuple[Any, ...]]) -> pa.RecordBatch:
    """Rows as a batch of ``ROWS``."""
    columns = list(zip(*rows, strict=True))
    arrays = [
        _anchor_lists(column) if field.name == "anchors" else pa.array(column, field.type)
        for column, field in zip(columns, ROWS, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=ROWS)


def _anchor_lists(lists: tuple[Any, ...]) -> pa.ListArray:
    offsets: list[int | None] = []
    starts: list[int] = []
    ends: list[int] = []
    targets: list[str] = []
    for anchors in lists:
        offsets.append(None if anchors is None else len(starts))
        for start, end, target in anchors or ():
            starts.append(start)
            ends.append(end)
            targets.append(target)
    structs = pa.StructArray.from_arrays(
        [pa.array(starts, pa.int32()), pa.array(ends, pa.int32()), pa.array(targets, pa.string())], fields=list(ANCHOR)
    )
    return pa.ListArray.from_arrays(pa.array([*offsets, len(starts)], pa.int32()), structs)
