"""Links that show no text where they stand: files with their captions, and categories; in time linear in the text."""

from __future__ import annotations

import re
from collections.abc import Iterable

from cofee_dist.corpus.literals import HOLE
from cofee_dist.corpus.titles import CATEGORY, FILE, INTERWIKI_PREFIXES, MEDIA, SiteInfo

_BRACKETS = re.compile(r"\[\[|\]\]")
_TYPE = r"\.(?i:jpe?g|png|svg|gif|tiff?|web[mp]|xcf|og[agv]|opus|mp[34]|mpe?g|wav|flac|midi?|pdf|djvu|stl)[ _]*+\|"
#: There are fewer bars than full stops: this is found, or not, in half the time.
_MAYBE_FILE = re.compile(r"\|(?:(?<=\.\w{3}\|)|(?<=\.\w{4}\|)|(?<=[ _]\|))")


class FileLinks:
    """Links to the files of one wiki.

    They are known by the namespace's names, and where a name is unknown to the wiki, as an old dump's may be, by the
    end of the file's name and a bar behind it: ``[[Kuva:a.jpg|thumb|…]]``.
    """

    def __init__(self, site: SiteInfo) -> None:
        files = _prefix(name for name, key in site.namespaces.items() if key in (FILE, MEDIA))
        known = _prefix([*site.namespaces, *INTERWIKI_PREFIXES])
        self._known = re.compile(rf"\[\[{files}")
        self._unknown = re.compile(rf"\[\[(?!{known})[^\[\]|{{}}<>\n:#]{{1,64}}+:[^\[\]|{{}}<>\n]*{_TYPE}")

    def drop(self, text: str) -> str:
        """Without these links and their captions, whose links may be nested; an unclosed one ends with its line."""
        text = _without(text, self._known)
        return _without(text, self._unknown) if _MAYBE_FILE.search(text) else text


def category_link(site: SiteInfo) -> re.Pattern[str]:
    """A line that holds nothing but a category, which leaves no empty line."""
    categories = _prefix(name for name, key in site.namespaces.items() if key == CATEGORY)
    return re.compile(rf"\[\[{categories}[^\[\]\n]*+\]\]")


def _prefix(names: Iterable[str]) -> str:
    """The beginning of a target by any of its namespace's names."""
    spaced = "|".join(re.escape(name).replace(r"\ ", "[ _]+") for name in sorted(names))
    return rf"[ _]*(?i:{spaced})[ _]*:"


def _without(text: str, opening: re.Pattern[str]) -> str:
    first = opening.search(text)
    if first is None:
        return text
    parts: list[str] = []
    at = 0
    ends: dict[int, int] | None = None
    while first is not None:
        start = first.start()
        end = _balanced(text, start) if ends is None else ends.get(start, -1)
        if end < 0:
            # From here on, looking for each link's end on its own could take quadratic time.
            ends = _link_ends(text, start) if ends is None else ends
            line_end = text.find("\n", start)
            end = line_end if line_end >= 0 else len(text)
        parts += (text[at:start], HOLE)
        at = end
        first = opening.search(text, at)
    parts.append(text[at:])
    return "".join(parts)


def _balanced(text: str, at: int) -> int:
    """Where the link that begins at ``at`` ends, or -1."""
    depth = 0
    for token in _BRACKETS.finditer(text, at):
        depth += 1 if token[0] == "[[" else -1
        if not depth:
            return token.end()
    return -1


def _link_ends(text: str, at: int) -> dict[int, int]:
    """Where each link that begins after ``at`` ends, brackets paired inside out."""
    ends: dict[int, int] = {}
    stack: list[int] = []
    for token in _BRACKETS.finditer(text, at):
        if token[0] == "[[":
            stack.append(token.start())
        elif stack:
            ends[stack.pop()] = token.end()
    return ends
