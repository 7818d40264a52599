"""A split of a dump -> rows: the function that runs in a worker, which knows nothing of Spark."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cofee_dist.config import Corpus
from cofee_dist.corpus.articles import ArticleReader
from cofee_dist.corpus.dump import BadPage, Page, read_pages
from cofee_dist.corpus.rows import COUNT, PAGE, QUARANTINED, REDIRECT, SENTENCE, Row, row_of
from cofee_dist.corpus.sentences import SentenceRules
from cofee_dist.corpus.splits import Split
from cofee_dist.corpus.titles import SiteInfo


class PageRows:
    """Reads a split: the rows of its pages, and at the end its counts (see ``ArticleReader``)."""

    def __init__(self, sites: Mapping[str, SiteInfo], config: Corpus, language: str) -> None:
        self._sites, self._config, self._rules = dict(sites), config, SentenceRules.of(config, language)

    def __call__(self, split: Split) -> Iterator[Row]:
        """Rows of ``rows.ROWS``."""
        site = self._sites[split.path]
        reader = ArticleReader(site, self._rules, self._config)
        keep_truncated = self._config.truncated_dumps == "keep"
        for page in read_pages(split, site, self._config.max_page_bytes, keep_truncated):
            yield from _rows(page, reader, len(self._sites) > 1)
        for name, number in sorted(reader.counts.items()):
            yield row_of(COUNT, name=name, number=number)


def _rows(page: Page | BadPage, reader: ArticleReader, with_revisions: bool) -> Iterator[Row]:
    found = reader.read(page)
    key = {"page_id": page.page_id, "revision_id": page.revision_id} if isinstance(page, Page) else {}
    if with_revisions and found.bad is None:
        yield row_of(PAGE, **key)
    if found.bad is not None:
        bad = found.bad
        yield row_of(QUARANTINED, page_id=bad.page_id, title=bad.title, name=bad.reason, text=bad.detail)
    if found.redirect is not None:
        source, target = found.redirect
        yield row_of(REDIRECT, title=source, text=target, **key)
    for section, number, text, anchors in found.sentences:
        assert isinstance(page, Page)
        yield (SENTENCE, page.page_id, page.revision_id, page.title, section, number, text, anchors, None, None)
