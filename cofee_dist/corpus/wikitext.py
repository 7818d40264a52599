"""Wikitext -> plain text with anchors: a few passes over a page, each linear, none of which can fail.

Markup that shows no running text (templates, tables, references, files) is taken away first. What is left is
lines with links; they are joined to paragraphs and the links resolved, so that offsets are exact by construction.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from cofee_dist.corpus import markup
from cofee_dist.corpus.budget import MAX_PAGE_STEPS, Budget
from cofee_dist.corpus.disambiguation import disambiguation_words
from cofee_dist.corpus.inline_templates import Inline, InlineTemplates
from cofee_dist.corpus.literals import BARRIER, HOLE, clean, resolve_entities, restore
from cofee_dist.corpus.tables import drop_tables, table_cells
from cofee_dist.corpus.templates import drop_templates
from cofee_dist.corpus.titles import SiteInfo, Titles, link_trail, pipe_trick

_HEADING = re.compile(r"(={1,6})([^\n]+?)\1 *$")
_LISTS = frozenset("*#:;")
_MAX_KEPT_TARGET = 512
#: What stands in for nothing: brackets of links that were not well formed, and barriers.
_STRAY = re.compile(rf"\[\[|\]\]|{BARRIER}")
_SPACES = re.compile(" {2,}")
_LINK_BODY = r"\[\[([^\[\]|{}<>\n]++)(?:(\|)([^\[\]]*+(?:(?:\[(?!\[)|\](?!\]))[^\[\]]*+)*+))?\]\]"


class Anchor(NamedTuple):
    """A link in running text: ``text[start:end]`` is its surface, ``target`` the normalised title it names."""

    start: int
    end: int
    target: str


@dataclass(slots=True)
class Document:
    """A page as plain text: one paragraph a line.

    ``sections`` holds (offset at which a section's text begins, its heading); what precedes the first has none.
    ``is_disambiguation`` is what MediaWiki says of the page: it holds ``__DISAMBIG__``, of itself or by a template.
    """

    text: str = ""
    anchors: list[Anchor] = field(default_factory=list)
    sections: list[tuple[int, str]] = field(default_factory=list)
    is_disambiguation: bool = False


class Renderer:
    """Renders the pages of one wiki; keeps what depends on the wiki only.

    ``inline`` adds to the table of templates that carry running text. Tables are skipped, or with ``with_cells``
    each of their cells is a paragraph.
    """

    def __init__(
        self,
        site: SiteInfo,
        max_steps: int = MAX_PAGE_STEPS,
        inline: Mapping[str, Inline] | None = None,
        with_cells: bool = False,
    ) -> None:
        self.site = site
        self._tables = table_cells if with_cells else drop_tables
        self._max_steps = max_steps
        self._inline = InlineTemplates(site.language, inline)
        self._disambiguation = disambiguation_words(site.language)
        self._titles = Titles(site)
        self._short_target = lru_cache(maxsize=2**16)(self._article)
        trail = link_trail(site.language)
        self._link = re.compile(_LINK_BODY + (f"([{trail}]*+)" if trail else "()"))
        self._file = markup.file_link(site)
        self._category = markup.category_link(site)

    def render(self, wikitext: str) -> Document:
        """Plain text and anchors of a page; any string is accepted.

        Guarantees ``0 <= start < end <= len(text)``, anchors in order and apart, none across a line's end.

        Raises:
            TooMuchWork: for a page that takes more than ``max_steps``.
        """
        writer = _Writer(self)
        text, disambiguation = "", False
        for name, text in self.passes(wikitext, Budget(self._max_steps, len(wikitext))):
            if name == "templates":
                disambiguation = any(word in text for word in self._disambiguation)
        for line in text.split("\n"):
            writer.line(line)
        return writer.document(disambiguation)

    def with_anchors(self, text: str, offset: int) -> tuple[str, list[Anchor]]:
        """A paragraph's text and its anchors, shifted by ``offset``; of nested links the innermost count.

        The text begins with no space, and no two spaces stand in a row.
        """
        parts: list[str] = []
        anchors: list[Anchor] = []
        at = 0
        spaced = True
        for link in self._link.finditer(text):
            start, end = link.span()
            if start > at:
                before = text[at:start]
                if "]]" in before or "[[" in before or BARRIER in before:
                    before = _without_strays(before)
                if spaced:
                    before = before.lstrip(" ")
                if before:
                    parts.append(before)
                    offset += len(before)
                    spaced = before[-1] == " "
            at = end
            surface, target = self._resolve(link)
            core = surface.strip(" ")
            # A surface's outer spaces stay outside the anchor.
            if surface[:1] == " " and not spaced:
                parts.append(" ")
                offset += 1
                spaced = True
            if core:
                parts.append(core)
                if target:
                    anchors.append(Anchor(offset, offset + len(core), target))
                offset += len(core)
                spaced = surface[-1] == " "
                if spaced:
                    parts.append(" ")
                    offset += 1
        rest = _without_strays(text[at:])
        parts.append(rest.lstrip(" ") if spaced else rest)
        return "".join(parts), anchors

    def _resolve(self, link: re.Match[str]) -> tuple[str, str]:
        """A link's surface and target; the target is empty where it names no article of this wiki."""
        raw, pipe, surface, trail = link.groups()
        target = self._short_target(raw) if len(raw) < _MAX_KEPT_TARGET else self._article(raw)
        if target is None:
            return trail, ""
        if not pipe:
            surface = raw.strip(" ").removeprefix(":")
        elif not surface:
            surface = pipe_trick(raw)
        return surface + trail, target

    def _article(self, raw: str) -> str | None:
        """The article that a target names, empty where it names something else; None where the link shows nothing."""
        target = self._titles.parse(restore(raw))
        if target.is_hidden:
            return None
        return target.title if target.is_article else ""

    def passes(self, wikitext: str, budget: Budget) -> Iterator[tuple[str, str]]:
        """The text after each pass, with the pass's name: behind the last, links and lines are what is left."""
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
        budget.pay(text, "''")
        text = markup.drop_styles(text)
        yield "styles", text
        budget.pay(text, "[[")
        text = markup.drop_files(text, self._file)
        yield "files", text
        text = self._category.sub("", text)
        budget.pay(text, HOLE)
        text = markup.close_holes(text)
        budget.pay(text, "[[")
        budget.pay(text, "\n")
        yield "holes", text


def _without_strays(text: str) -> str:
    without = _STRAY.sub("", text)
    return without if len(without) == len(text) else _SPACES.sub(" ", without)


class _Writer:
    """Joins lines to paragraphs, and paragraphs to a document."""

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer
        self._paragraphs: list[str] = []
        self._length = 0  # of the text so far, with the line break that follows its last paragraph
        self._anchors: list[Anchor] = []
        self._sections: list[tuple[int, str]] = []
        self._waiting: list[str] = []

    def line(self, line: str) -> None:
        first = line[:1]
        if not first or (first == " " and line.isspace()):
            self._flush()
        elif first == "=" and (heading := _HEADING.match(line)):
            self._flush()
            self._sections.append((self._length, self._plain(heading[2])))
        elif first in _LISTS:
            self._flush()
            self._paragraph(line.lstrip("*#:; "))
        elif first == "|" or line.startswith("----"):
            # What is left of a broken table, or a rule.
            self._flush()
        else:
            self._waiting.append(line.strip(" "))

    def document(self, is_disambiguation: bool) -> Document:
        self._flush()
        return Document(restore("\n".join(self._paragraphs)), self._anchors, self._sections, is_disambiguation)

    def _flush(self) -> None:
        if self._waiting:
            self._paragraph(" ".join(self._waiting))
            self._waiting = []

    def _plain(self, text: str) -> str:
        return " ".join(restore(self._renderer.with_anchors(text, 0)[0]).split())

    def _paragraph(self, text: str) -> None:
        if "[[" in text:
            text, anchors = self._renderer.with_anchors(text, self._length)
            self._anchors += anchors
        elif "]]" in text or BARRIER in text:
            text = _without_strays(text)
        text = text.strip(" ")
        if text:
            self._paragraphs.append(text)
            self._length += len(text) + 1


@lru_cache(maxsize=4)
def _renderer(key: tuple[str, str, str, frozenset[tuple[str, int]]]) -> Renderer:
    language, dbname, case, namespaces = key
    return Renderer(SiteInfo(language, dbname, dict(namespaces), case))


def render(wikitext: str, site: SiteInfo) -> Document:
    """``Renderer(site).render(wikitext)``; the renderer of a wiki is made once."""
    return _renderer((site.language, site.dbname, site.case, frozenset(site.namespaces.items()))).render(wikitext)
