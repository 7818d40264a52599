"""Tables, ``{|…|}`` and ``<table>``: dropped, or their cells as paragraphs; each in time linear in the text."""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Callable

from cofee_dist.corpus.budget import Budget
from cofee_dist.corpus.literals import shield

_WIKI_TABLE = r"\n(?:[ :*#;]*+(\{\|)| *+(\|\})(?!\}(?!\}))|(==))"
_TABLE = re.compile(_WIKI_TABLE + r"|<(?i:(table)\b[^<>]*>|(/table)\s*>)")
#: What begins with one character is found much faster.
_TABLE_WITHOUT_TAGS = re.compile(_WIKI_TABLE + "()()")
_TABLE_TAG = re.compile(r"</?table\b[^<>]*>", re.IGNORECASE)
_LINE_START = " :*#;"
#: What would be markup at the beginning of a line, which a cell's text is not.
_MARKUP_AT_LINE_START = frozenset("=*#:;-")


def drop_tables(text: str, budget: Budget) -> str:
    """The text without tables, nested ones too; an unclosed one ends before the next heading."""
    return _replaced(text, budget, lambda table: "\n")


def table_cells(text: str, budget: Budget) -> str:
    """The text with each caption, header and cell of its tables as a paragraph of its own, in their order."""
    budget.pay(text, "|")
    budget.pay(text, "!!")
    return _replaced(text, budget, _cells)


def _replaced(text: str, budget: Budget, by: Callable[[str], str]) -> str:
    budget.pay(text, "{|")
    if "{|" not in text and "<table" not in text and "<TABLE" not in text:
        return text
    text = "\n" + text
    spans: list[tuple[int, int]] = []
    opened: list[int] = []
    headings: list[int] = []
    pattern = _TABLE if _TABLE_TAG.search(text) else _TABLE_WITHOUT_TAGS
    for token in pattern.finditer(text):
        if token[1] or token[4]:
            opened.append(token.start())
        elif token[3]:
            headings.append(token.start())
        elif opened:
            spans.append((opened.pop(), token.end()))
    for start in opened:
        heading = bisect(headings, start)
        spans.append((start, headings[heading] if heading < len(headings) else len(text)))
    parts: list[str] = []
    at = 0
    for start, end in sorted(spans):
        if end > at:
            parts += (text[at:start], by(text[max(at, start) : end]))
            at = end
    parts.append(text[at:])
    return "".join(parts)


def _cells(table: str) -> str:
    """What a table shows, by the rules of MediaWiki's ``doTableStuff``: what a line begins with says what it is."""
    lines: list[str] = []
    for line in _TABLE_TAG.sub("\n\n", table).split("\n"):
        start = line.strip(" ")
        if start.startswith("|}"):
            lines += ("", start[2:])
        elif start.startswith("|-") or start.lstrip(_LINE_START).startswith("{|"):
            lines.append("")
        elif start.startswith("|+"):
            lines += ("", _content(start[2:]))
        elif start.startswith(("|", "!")):
            row = start[1:].replace("!!", "||") if start[0] == "!" else start[1:]
            for cell in row.split("||"):
                lines += ("", _content(cell))
        else:
            lines.append(line)
    return "\n".join(("", *lines, "", ""))


def _content(cell: str) -> str:
    """A cell without its attributes, which a bar ends: ``align=right | text``."""
    attributes, bar, content = cell.partition("|")
    if not bar or "[[" in attributes or "-{" in attributes:
        content = cell
    content = content.strip(" ")
    return shield(content[0]) + content[1:] if content[:1] in _MARKUP_AT_LINE_START and content else content
