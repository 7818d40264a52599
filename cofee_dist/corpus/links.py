"""Links of a paragraph -> anchors: surfaces as a reader sees them, targets as titles, offsets into the plain text."""

from __future__ import annotations

import re
from functools import lru_cache, partial
from typing import NamedTuple

from cofee_dist.corpus.literals import BARRIER, restore
from cofee_dist.corpus.titles import SiteInfo, Titles, pipe_trick
from cofee_dist.corpus.wiki_languages import wiki_language

#: Target and label, which is None without a bar. Of ``]]]`` the first belongs to a label that holds a ``[``.
_LINK_BODY = (
    r"\[\[([^\[\]|{}<>\n]++)(?:\|([^\[\]]*+(?:\](?!\])[^\[\]]*+)*+"
    r"(?:\[(?!\[)[^\[\]]*+(?:(?:\[(?!\[)|\](?!\]))[^\[\]]*+)*+(?:\](?=\]\]))?+)?+))?\]\]"
)
_PIECES = 4  # that a link gives when a text is split at links: target, label, trail, the text behind it
_MAX_KEPT_TARGET = 512
#: What stands in for nothing: brackets of links that were not well formed, and barriers.
_STRAY = re.compile(rf"\[\[|\]\]|{BARRIER}")
_SPACES = re.compile(" {2,}")


class Anchor(NamedTuple):
    """A link in running text: ``text[start:end]`` is its surface, ``target`` the normalised title it names."""

    start: int
    end: int
    target: str


#: A tuple's own constructor takes a fifth of the time.
_anchor = partial(tuple.__new__, Anchor)


class Links:
    """Resolves the links of one wiki."""

    def __init__(self, site: SiteInfo) -> None:
        self._titles = Titles(site)
        self._link = re.compile(f"{_LINK_BODY}({wiki_language(site.language).trail})")
        self._short_target = lru_cache(maxsize=2**16)(self._named)

    def with_anchors(self, text: str, offset: int) -> tuple[str, list[Anchor]]:
        """A paragraph's text and its anchors, shifted by ``offset``; of nested links the innermost count.

        ``text`` begins with no space and has no two in a row; so does what it gives.
        """
        first, *pieces = self._link.split(text)
        links = len(pieces) // _PIECES
        if text.count("[[") != links or text.count("]]") != links or BARRIER in text:
            return self._with_anchors_and_strays(first, pieces, offset)
        parts, anchors, at = [first], [], offset + len(first)
        title_of = self._short_target
        each = iter(pieces)
        for raw, label, trail, after in zip(each, each, each, each, strict=True):
            # As ``_resolve`` does; a call would cost as much again.
            target, own = title_of(raw) if len(raw) < _MAX_KEPT_TARGET else self._named(raw)
            surface = own if label is None else label or pipe_trick(raw)
            if trail:
                surface += trail
            if target is None:
                surface = trail
            if not surface or surface[0] == " " or surface[-1] == " ":
                return self._with_anchors_and_strays(first, pieces, offset)
            end = at + len(surface)
            if target:
                anchors.append(_anchor((at, end, target)))
            parts += surface, after
            at = end + len(after)
        return "".join(parts), anchors

    def _with_anchors_and_strays(self, first: str, pieces: list[str], offset: int) -> tuple[str, list[Anchor]]:
        """The same for any paragraph: one with loose brackets, or with surfaces that are empty or end in spaces."""
        parts: list[str] = []
        anchors: list[Anchor] = []
        spaced = True

        def add(part: str) -> None:
            nonlocal offset, spaced
            part = part.lstrip(" ") if spaced else part
            if part:
                parts.append(part)
                offset += len(part)
                spaced = part[-1] == " "

        add(without_strays(first))
        each = iter(pieces)
        for raw, label, trail, after in zip(each, each, each, each, strict=True):
            surface, target = self._resolve(raw, label, trail)
            core = surface.strip(" ")
            # A surface's outer spaces stay outside the anchor.
            if surface[:1] == " ":
                add(" ")
            if core:
                if target:
                    anchors.append(Anchor(offset, offset + len(core), target))
                add(core)
                if surface[-1] == " ":
                    add(" ")
            add(without_strays(after))
        return "".join(parts), anchors

    def count(self, text: str) -> int | None:
        """How many anchors ``with_anchors`` would find; None where that, or that any text is shown, is not plain."""
        found, shown = 0, text[:1].isalnum()
        for raw, label, trail in self._link.findall(text):
            if len(raw) >= _MAX_KEPT_TARGET:
                return None
            target, own = self._short_target(raw)
            if target is None:
                continue
            surface = label or own or trail
            if not (raw[0].isalnum() and surface.lstrip("'")[:1].isalnum()):
                return None
            shown = True
            found += target != ""
        return found if shown else None

    def _resolve(self, raw: str, label: str | None, trail: str) -> tuple[str, str]:
        """A link's surface and target; the target is empty where it names no article of this wiki."""
        target, shown = self._short_target(raw) if len(raw) < _MAX_KEPT_TARGET else self._named(raw)
        if target is None:
            return trail, ""
        return (shown if label is None else label or pipe_trick(raw)) + trail, target

    def _named(self, raw: str) -> tuple[str | None, str]:
        """The article that a target names and what it shows itself.

        The article is empty where something else is named, and None where the link shows nothing.
        """
        literal = restore(raw)
        if (title := self._titles.plain(literal)) is not None:
            return title, raw
        target = self._titles.parse(literal)
        if target.is_hidden:
            return None, ""
        return target.title if target.is_article else "", raw.strip(" ").removeprefix(":")


def without_strays(text: str) -> str:
    """Text between links without what stands in for nothing."""
    without = _STRAY.sub("", text)
    return without if len(without) == len(text) else _SPACES.sub(" ", without)
