"""Wikitext -> plain text with anchors: a few passes over a page, each linear, none of which can fail.

Markup that shows no running text (templates, tables, references, files) is taken away first. What is left is
lines with links; they are joined to paragraphs and the links resolved, so that offsets are exact by construction.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from cofee_dist.corpus import markup
from cofee_dist.corpus.budget import MAX_PAGE_STEPS, Budget
from cofee_dist.corpus.inline_templates import Inline, InlineTemplates
from cofee_dist.corpus.links import Anchor, Links
from cofee_dist.corpus.literals import HOLE, clean, resolve_entities
from cofee_dist.corpus.paragraphs import Document, document
from cofee_dist.corpus.templates import drop_tables, drop_templates
from cofee_dist.corpus.titles import SiteInfo

__all__ = ["Anchor", "Document", "Renderer", "render"]


class Renderer:
    """Renders the pages of one wiki; keeps what depends on the wiki only.

    ``inline`` adds to the table of templates that carry running text.
    """

    def __init__(
        self, site: SiteInfo, max_steps: int = MAX_PAGE_STEPS, inline: Mapping[str, Inline] | None = None
    ) -> None:
        self.site = site
        self._max_steps = max_steps
        self._inline = InlineTemplates(site.language, inline)
        self._links = Links(site)
        self._file = markup.file_link(site)
        self._category = markup.category_link(site)

    def render(self, wikitext: str) -> Document:
        """Plain text and anchors of a page; any string is accepted.

        Guarantees ``0 <= start < end <= len(text)``, anchors in order and apart, none across a line's end.

        Raises:
            TooMuchWork: for a page that takes more than ``max_steps``.
        """
        return document(self._lines(wikitext, Budget(self._max_steps, len(wikitext))), self._links)

    def _lines(self, wikitext: str, budget: Budget) -> list[str]:
        text = clean(wikitext)
        budget.pay(text, "<")
        text = markup.drop_extensions(text)
        text = drop_templates(text, self._inline, budget)
        text = drop_tables(text, budget)
        text = markup.choose_variants(text, self.site.language)
        budget.pay(text, "&")
        text = resolve_entities(text)
        budget.pay(text, "<")
        text = markup.drop_tags(text)
        budget.pay(text, "''")
        text = markup.drop_styles(text)
        budget.pay(text, "[[")
        text = markup.drop_files(text, self._file)
        text = self._category.sub("", text)
        budget.pay(text, HOLE)
        text = markup.close_holes(text)
        # Links and lines are what is left.
        budget.pay(text, "[[")
        budget.pay(text, "\n")
        return text.split("\n")


@lru_cache(maxsize=4)
def _renderer(key: tuple[str, str, str, frozenset[tuple[str, int]]]) -> Renderer:
    language, dbname, case, namespaces = key
    return Renderer(SiteInfo(language, dbname, dict(namespaces), case))


def render(wikitext: str, site: SiteInfo) -> Document:
    """``Renderer(site).render(wikitext)``; the renderer of a wiki is made once."""
    return _renderer((site.language, site.dbname, site.case, frozenset(site.namespaces.items()))).render(wikitext)
