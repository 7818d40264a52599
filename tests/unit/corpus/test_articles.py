"""Every page is counted once, and a failure costs one page."""

from __future__ import annotations

import pytest

from cofee_dist.corpus.articles import ArticleReader
from cofee_dist.corpus.dump import BadPage, Page
from cofee_dist.corpus.sentences import SentenceRules
from cofee_dist.corpus.titles import site_info


@pytest.fixture
def reader() -> ArticleReader:
    return ArticleReader(site_info("en"), SentenceRules("en", 1, 1, 100))


def test_pages_add_up(reader: ArticleReader) -> None:
    pages = [
        Page(1, 1, 0, "A", None, "[[Berlin]] is big. [[d|Essen]] is not."),
        Page(2, 2, 0, "B", "c_d#e", ""),
        Page(3, 3, 0, "C", "User:X", ""),
        Page(4, 4, 10, "Template:T", None, "[[x]]"),
        BadPage(5, "E", "not_utf8", "?"),
    ]
    article, redirect, elsewhere, template, bad = [reader.read(page) for page in pages]
    assert [sentence.text for sentence in article.sentences] == ["Berlin is big.", "Essen is not."]
    assert redirect.redirect == ("B", "C d")
    assert elsewhere.redirect is None
    assert template.sentences == []
    assert bad.bad == pages[-1]
    kinds = ("articles", "redirects", "other_namespaces", "quarantined")
    assert [reader.counts[kind] for kind in kinds] == [1, 2, 1, 1]
    assert reader.counts["pages"] == sum(reader.counts[kind] for kind in kinds)
    assert reader.counts["links"] == 2


def test_a_page_that_raises_goes_to_quarantine(reader: ArticleReader) -> None:
    broken = Page(1, 1, 0, "A", None, None)  # type: ignore[arg-type]
    found = reader.read(broken)
    assert found.bad is not None
    assert found.bad.reason == "not_rendered"
    assert (reader.counts["articles"], reader.counts["quarantined"]) == (0, 1)


def test_a_damaged_place_is_no_page(reader: ArticleReader) -> None:
    found = reader.read(BadPage(-1, "", "damaged_stream", "bytes 5 to 12", lost_bytes=7))
    assert found.bad is not None
    reader.read(BadPage(-1, "", "damaged_stream", "bytes 50 to 53", lost_bytes=3))
    assert reader.counts == {"damaged_streams": 2, "damaged_bytes": 10}
