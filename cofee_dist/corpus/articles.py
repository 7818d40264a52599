"""A page of a dump -> what the corpus takes from it; every page and every sentence is counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from cofee_dist.config import Corpus
from cofee_dist.corpus.budget import Budget, TooMuchWork
from cofee_dist.corpus.dump import BadPage, Page
from cofee_dist.corpus.inline_templates import inline_of
from cofee_dist.corpus.sentences import Sentence, SentenceRules, sentences
from cofee_dist.corpus.titles import ARTICLE, SiteInfo, Titles, with_aliases
from cofee_dist.corpus.wikitext import Renderer

_MAX_DETAIL = 1000  # characters


@dataclass(slots=True)
class PageYield:
    """What a page gave: sentences of an article, the target of a redirect, or the reason of a failure."""

    sentences: list[Sentence] = field(default_factory=list)
    redirect: tuple[str, str] | None = None
    bad: BadPage | None = None


class ArticleReader:
    """Reads pages of one wiki.

    ``counts`` holds ``pages`` = ``articles`` + ``redirects`` + ``other_namespaces`` + ``quarantined``, and how many of
    the articles are ``disambiguation_pages``, which by ``corpus.disambiguation_pages`` give no sentence; ``links``, the
    anchors of all articles, = ``links_kept`` in sentences + the sum of ``links_dropped.<reason>``; ``candidates`` =
    sentences + the sum of ``dropped.<reason>``; and, since how many pages lay in a damaged place of a dump cannot be
    known, apart from all those ``damaged_streams`` and ``damaged_bytes``.
    """

    def __init__(self, site: SiteInfo, rules: SentenceRules, config: Corpus | None = None) -> None:
        config = config or Corpus()
        site = with_aliases(site, config.namespace_aliases)
        self._titles = Titles(site)
        with_cells = config.tables == "cells"
        self._renderer = Renderer(site, config.max_page_steps, inline_of(config), with_cells, rules.min_anchors)
        self._skips_disambiguation = config.disambiguation_pages == "skip"
        self._rules, self._max_steps = rules, config.max_page_steps
        self.counts: Counter[str] = Counter()

    def read(self, page: Page | BadPage) -> PageYield:
        """Sentences or redirect of a page; a page that cannot be read is handed back with its reason."""
        if isinstance(page, BadPage) and page.lost_bytes:
            self.counts["damaged_streams"] += 1
            self.counts["damaged_bytes"] += page.lost_bytes
            return PageYield(bad=page)
        self.counts["pages"] += 1
        if isinstance(page, BadPage):
            return self._quarantine(page)
        if page.namespace != ARTICLE:
            self.counts["other_namespaces"] += 1
            return PageYield()
        if page.redirect is not None:
            self.counts["redirects"] += 1
            return PageYield(redirect=self._redirect(page))
        counts: Counter[str] = Counter()
        try:
            document = self._renderer.render(page.text)
            skipped = document.is_disambiguation and self._skips_disambiguation
            budget = Budget(self._max_steps, len(document.text))
            kept = [] if skipped else sentences(document, self._rules, counts, budget)
        except TooMuchWork as error:
            return self._quarantine(BadPage(page.page_id, page.title, "too_slow", str(error)))
        except Exception as error:  # one page must not end a job of hours
            return self._quarantine(BadPage(page.page_id, page.title, "not_rendered", repr(error)[:_MAX_DETAIL]))
        self.counts.update(counts)
        self.counts["articles"] += 1
        self.counts["links"] += document.links
        if document.is_disambiguation:
            self.counts["disambiguation_pages"] += 1
            if skipped:
                self.counts["links_dropped.disambiguation_page"] += document.links
        return PageYield(kept)

    def _quarantine(self, page: BadPage) -> PageYield:
        self.counts["quarantined"] += 1
        return PageYield(bad=page)

    def _redirect(self, page: Page) -> tuple[str, str] | None:
        """Where the title leads; None for a redirect to something that is no article."""
        target = self._titles.parse(page.redirect or "")
        return (self._titles.article(page.title), target.title) if target.is_article else None
