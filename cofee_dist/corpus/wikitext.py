"""Wikitext -> plain text with anchors: a few passes over a page, each linear, none of which can fail.

Markup that shows no running text (templates, tables, references, files) is taken away first. What is left is
lines with links, bold and italics; they are joined to paragraphs, and of those that are wanted the links resolved, so
that offsets are exact by construction.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache

from cofee_dist.corpus import markup
from cofee_dist.corpus.budget import MAX_PAGE_STEPS, Budget
from cofee_dist.corpus.disambiguation import disambiguation_words
from cofee_dist.corpus.files import FileLinks, category_link
from cofee_dist.corpus.inline_templates import Inline, InlineTemplates
from cofee_dist.corpus.links import Anchor, Links
from cofee_dist.corpus.literals import HOLE, clean, resolve_entities
from cofee_dist.corpus.paragraphs import Document, document
from cofee_dist.corpus.tables import drop_tables, table_cells
from cofee_dist.corpus.templates import drop_templates
from cofee_dist.corpus.titles import SiteInfo

__all__ = ["Anchor", "Document", "Renderer", "render"]


class Renderer:
    """Renders the pages of one wiki; keeps what depends on the wiki only.

    ``inline`` adds to the table of templates that carry running text. Tables are skipped, or with ``with_cells``
    each of their cells is a paragraph. Paragraphs with fewer than ``min_links`` links are counted, not rendered.
    """

    def __init__(
        self,
        site: SiteInfo,
        max_steps: int = MAX_PAGE_STEPS,
        inline: Mapping[str, Inline] | None = None,
        with_cells: bool = False,
        min_links: int = 0,
    ) -> None:
        self.site = site
        self._min_links = min_links
        self._tables = table_cells if with_cells else drop_tables
        self._max_steps = max_steps
        self._inline = InlineTemplates(site, inline)
        self._links = Links(site)
        self._disambiguation = disambiguation_words(site.language)
        self._files = FileLinks(site)
        self._category = category_link(site)

    def render(self, wikitext: str) -> Document:
        """Plain text and anchors of a page; any string is accepted.

        Guarantees ``0 <= start < end <= len(text)``, anchors in order and apart, none across a line's end.

        Raises:
            TooMuchWork: for a page that takes more than ``max_steps``.
        """
        text, disambiguation = "", False
        for name, text in self.passes(wikitext, Budget(self._max_steps, len(wikitext))):
            if name == "templates":
                disambiguation = any(word in text for word in self._disambiguation)
        return document(text.split("\n"), self._links, self._min_links, disambiguation)

    def passes(self, wikitext: str, budget: Budget) -> Iterator[tuple[str, str]]:
        """The text after each pass, with the pass's name: behind the last, lines of text, links and quotes are left."""
        text = clean(wikitext)
        yield "clean", text
        budget.pay(text, "<")
        text = markup.drop_extensions(text)
        yield "extensions", text
        text = drop_templates(text, self._inline, budget)
        yield "templates", text
        text = self._tables(text, budget)
        yield "tables", text
        text = markup.choose_variants(text, self.site.language)
        budget.pay(text, "&")
        text = resolve_entities(text)
        budget.pay(text, "<")
        text = markup.drop_tags(text)
        text = markup.drop_switches(text)
        text = markup.drop_addresses(text)
        yield "styles", text
        budget.pay(text, "[[")
        text = self._files.drop(text)
        yield "files", text
        text = self._category.sub("", text)
        budget.pay(text, "''")
        budget.pay(text, HOLE)
        budget.pay(text, "[[")
        budget.pay(text, "\n")
        yield "categories", text


@lru_cache(maxsize=4)
def _renderer(key: tuple[str, str, str, frozenset[tuple[str, int]]]) -> Renderer:
    language, dbname, case, namespaces = key
    return Renderer(SiteInfo(language, dbname, dict(namespaces), case))


def render(wikitext: str, site: SiteInfo) -> Document:
    """``Renderer(site).render(wikitext)``; the renderer of a wiki is made once."""
    return _renderer((site.language, site.dbname, site.case, frozenset(site.namespaces.items()))).render(wikitext)
