"""Lines of wikitext, of whose markup links, bold and italics are left -> paragraphs of plain text with anchors."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from cofee_dist.corpus.links import Anchor, Links, without_strays
from cofee_dist.corpus.literals import BARRIER, HOLE, restore
from cofee_dist.corpus.markup import close_holes, drop_quotes

_HEADING = re.compile(r"(={1,6})([^\n]+?)\1 *$")
_LISTS = frozenset("*#:;")


@dataclass(slots=True)
class Document:
    """A page as plain text: one paragraph a line.

    ``sections`` holds (offset at which a section's text begins, its heading); what precedes the first has none.
    ``is_disambiguation`` is what MediaWiki says of the page: it holds ``__DISAMBIG__``, of itself or by a template.
    ``left_out`` holds the number of anchors in each paragraph that was not rendered, since its links are too few.
    """

    text: str = ""
    anchors: list[Anchor] = field(default_factory=list)
    sections: list[tuple[int, str]] = field(default_factory=list)
    is_disambiguation: bool = False
    left_out: list[int] = field(default_factory=list)

    @property
    def links(self) -> int:
        """How many anchors the page has, those that were left out too."""
        return len(self.anchors) + sum(self.left_out)


def document(lines: Iterable[str], links: Links, min_links: int, is_disambiguation: bool = False) -> Document:
    """Lines joined to paragraphs, and those with ``min_links`` to a document; a list's item is a paragraph."""
    writer = _Writer(links, min_links)
    waiting: list[str] = []
    for line in lines:
        seen, first = line, line[:1]
        if not first.isalnum() and first not in _LISTS and HOLE in line:
            seen = close_holes(drop_quotes(line))
            first = seen[:1]
        if first.isalnum() or not _ends_paragraph(first, seen):
            waiting.append(line.strip(" "))
            continue
        if waiting:
            writer.paragraph(" ".join(waiting))
            waiting.clear()
        if first in _LISTS:
            writer.paragraph(seen.lstrip("*#:; "))
        elif heading := _HEADING.match(seen):
            writer.section(heading[2])
    if waiting:
        writer.paragraph(" ".join(waiting))
    text = restore("\n".join(writer.texts))
    return Document(text, writer.anchors, writer.sections, is_disambiguation, writer.left_out)


def _ends_paragraph(first: str, line: str) -> bool:
    """Empty lines do, headings, items of lists, rules, and what is left of a broken table."""
    if first in (" ", ""):
        return line.isspace() or not line
    if first == "=":
        return _HEADING.match(line) is not None
    return first in _LISTS or first == "|" or line.startswith("----")


class _Writer:
    """What of a document is there so far."""

    def __init__(self, links: Links, min_links: int) -> None:
        self._links, self._min_links = links, min_links
        self._length = 0  # of the text, with the line break that follows its last paragraph
        self.texts: list[str] = []
        self.anchors: list[Anchor] = []
        self.sections: list[tuple[int, str]] = []
        self.left_out: list[int] = []

    def section(self, heading: str) -> None:
        heading = drop_quotes(heading)
        if "[" in heading or "]" in heading or BARRIER in heading:
            heading = self._links.with_anchors(heading, 0)[0]
        self.sections.append((self._length, " ".join(restore(heading).split())))

    def paragraph(self, text: str) -> None:
        if text.count("[[") >= self._min_links:
            text, anchors = self._rendered(text)
            if text:
                self.texts.append(text)
                self.anchors += anchors
                self._length += len(text) + 1
            return
        found = self._links.count(text)
        if found is None:
            text, anchors = self._rendered(text)
            found = len(anchors)
        if text:
            self.left_out.append(found)

    def _rendered(self, text: str) -> tuple[str, list[Anchor]]:
        """What a paragraph shows, behind what is there so far."""
        text = close_holes(drop_quotes(text)).strip(" ")
        anchors: list[Anchor] = []
        if "[[" in text:
            text, anchors = self._links.with_anchors(text, self._length)
        elif "]]" in text or BARRIER in text:
            text = without_strays(text)
        return text.strip(" "), anchors
