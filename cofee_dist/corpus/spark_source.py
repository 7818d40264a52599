"""``spark.read.format("mediawiki")``: pages of MediaWiki dumps, one partition for each split."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pyspark.sql.datasource import DataSource, DataSourceReader, InputPartition

from cofee_dist.corpus.dump import BadPage, Page, read_pages, read_site
from cofee_dist.corpus.page_blocks import MAX_PAGE_BYTES
from cofee_dist.corpus.splits import splits
from cofee_dist.corpus.streams import Split
from cofee_dist.errors import UserError

#: ``bad_reason``, ``bad_detail`` and ``lost_bytes`` are set for what could not be read, as in ``BadPage``; the rest may
#: be missing there.
PAGES = pa.schema(
    [
        ("dump", pa.string()),
        ("page_id", pa.int64()),
        ("revision_id", pa.int64()),
        ("namespace", pa.int32()),
        ("title", pa.string()),
        ("redirect", pa.string()),
        ("text", pa.string()),
        ("bad_reason", pa.string()),
        ("bad_detail", pa.string()),
        ("lost_bytes", pa.int64()),
    ]
)
_SQL_SCHEMA = (
    "dump string, page_id bigint, revision_id bigint, namespace int, title string, redirect string, text string, "
    "bad_reason string, bad_detail string, lost_bytes bigint"
)
_BATCH_PAGES = 512
_BATCH_CHARACTERS = 4 * 2**20
_DEFAULT_SPLIT_BYTES = 64 * 2**20


@dataclass
class DumpPartition(InputPartition):
    """A split as Spark ships it to a worker."""

    split: Split


class MediaWikiSource(DataSource):
    """Reads dumps: ``.load(path)``, or ``.option("paths", <JSON list>)``; paths or URLs, which the workers open.

    Options: ``split_bytes`` (64 MiB), ``max_page_bytes`` (16 MiB) and ``articles_only`` (false): with it, ``text`` is
    null for redirects and for pages outside the article namespace.
    """

    @classmethod
    def name(cls) -> str:
        """The name of the format."""
        return "mediawiki"

    def schema(self) -> str:
        """The columns of ``PAGES``."""
        return _SQL_SCHEMA

    def reader(self, schema: Any) -> DataSourceReader:
        """A reader of the dumps that the options name."""
        paths = json.loads(self.options["paths"]) if "paths" in self.options else [self.options.get("path", "")]
        split_bytes = int(self.options.get("split_bytes", _DEFAULT_SPLIT_BYTES))
        max_page_bytes = int(self.options.get("max_page_bytes", MAX_PAGE_BYTES))
        articles_only = self.options.get("articles_only", "false").lower() == "true"
        return MediaWikiReader(paths, split_bytes, max_page_bytes, articles_only)


class MediaWikiReader(DataSourceReader):
    """Cuts dumps into splits, and reads one in Arrow batches."""

    def __init__(self, paths: list[str], split_bytes: int, max_page_bytes: int, articles_only: bool) -> None:
        self._paths, self._split_bytes = paths, split_bytes
        self._max_page_bytes, self._articles_only = max_page_bytes, articles_only

    def partitions(self) -> list[InputPartition]:
        """One for each split of each dump."""
        return [DumpPartition(part) for path in self._paths for part in splits(path, self._split_bytes)]

    def read(self, partition: InputPartition) -> Iterator[pa.RecordBatch]:
        """The pages whose tags begin in the partition's split."""
        if not isinstance(partition, DumpPartition):
            raise UserError("the mediawiki source reads only partitions that it made")
        split = partition.split
        rows: list[tuple[Any, ...]] = []
        characters = 0
        for page in read_pages(split, read_site(split.path), self._max_page_bytes):
            rows.append((split.path, *self._row(page)))
            characters += len(rows[-1][6] or "")
            if len(rows) >= _BATCH_PAGES or characters >= _BATCH_CHARACTERS:
                yield _batch(rows)
                rows, characters = [], 0
        if rows:
            yield _batch(rows)

    def _row(self, page: Page | BadPage) -> tuple[Any, ...]:
        if isinstance(page, BadPage):
            bad = page.reason, page.detail, page.lost_bytes
            return page.page_id, None, None, page.title, None, None, *bad
        wanted = not self._articles_only or (page.namespace == 0 and page.redirect is None)
        text = page.text if wanted else None
        return page.page_id, page.revision_id, page.namespace, page.title, page.redirect, text, None, None, None


def _batch(rows: list[tuple[Any, ...]]) -> pa.RecordBatch:
    columns = zip(*rows, strict=True)
    return pa.RecordBatch.from_arrays(
        [pa.array(column, field.type) for column, field in zip(columns, PAGES, strict=True)], schema=PAGES
    )
