"""Templates and tables: dropped, but for the few templates that carry running text."""

from __future__ import annotations

import re
from bisect import bisect

from cofee_dist.corpus.literals import HOLE, shield

_BRACES = re.compile(r"\{\{+|\}\}+")
_MAX_DEPTH = 8

#: Templates by what they leave: the number of the parameter whose text is kept (-1: the last).
_KEPT_PARAMETER = {
    "lang": 2,
    "nowrap": 1,
    "nobr": 1,
    "nobreak": 1,
    "no wrap": 1,
    "j": 1,
    "transl": -1,
    "transliteration": -1,
    "small": 1,
    "smaller": 1,
    "big": 1,
    "larger": 1,
    "nobold": 1,
    "abbr": 1,
    "tooltip": 1,
    "sic": 1,
    "ill": 1,
    "interlanguage link": 1,
    "quote": 1,
    "blockquote": 1,
    "cquote": 1,
    "visible anchor": 1,
    "vanchor": 1,
    "sup": 1,
    "sub": 1,
    "smallcaps": 1,
    "sc": 1,
    "as of": 1,
    "ship": 2,
    "lang-zh": 1,
    "le": 1,
    "link-en": 1,
    "internal link helper": 1,
    "仮リンク": 1,
    "tsl": 3,
    "nihongo": 1,
}
#: Templates whose name before the hyphen decides (``{{lang-de|…}}``): which parameter is kept.
_KEPT_PREFIXES = {"lang-": 1}
#: Templates that stand for a few characters.
_FIXED = {
    "!": "|",
    "(!": "{|",
    "!)": "|}",
    "!!": "||",
    "=": "=",
    "'": "'",
    "snd": " – ",
    "spnd": " – ",
    "spaced ndash": " – ",
    "ndash": "–",
    "en dash": "–",
    "mdash": "—",
    "em dash": "—",
    "spaced mdash": " — ",
    "nbsp": " ",
    "space": " ",
    "spaces": " ",
    "·": " · ",
    "•": " • ",
    "dot": " · ",
    "bullet": " • ",
    "zwj": "",
    "shy": "",
}
#: Of these, the ones that act as markup.
_TABLE_SIGNS = frozenset(("!", "(!", "!)", "!!"))
_LINK_TEMPLATES = frozenset({"ill", "interlanguage link", "le", "link-en", "internal link helper", "仮リンク"})
_UNITS = {
    "sqmi": "square miles",
    "sqkm": "square kilometres",
    "km2": "km²",
    "mi2": "square miles",
    "C": "°C",
    "F": "°F",
}
_NAMED = re.compile(r"\s*[\w .-]*=")

_TABLE = re.compile(r"\n(?:[ :*#;]*+(\{\|)| *+(\|\})(?!\}(?!\}))|(==))|<(?i:(table)\b[^<>]*>|(/table)\s*>)")


def drop_templates(text: str, depth: int = 0) -> str:
    """The text without ``{{…}}`` and ``{{{…}}}``, in time linear in its length; unclosed braces stay."""
    spans = _outermost(text)
    if not spans:
        return text
    parts, at = [], 0
    for start, end in spans:
        parts.append(text[at:start])
        parts.append(_replacement(text[start + 2 : end - 2], depth) if depth < _MAX_DEPTH else HOLE)
        at = end
    parts.append(text[at:])
    return "".join(parts)


def drop_tables(text: str) -> str:
    """The text without ``{|…|}`` and ``<table>``, nested ones too; an unclosed one ends before the next heading."""
    if "{|" not in text and "<table" not in text and "<TABLE" not in text:
        return text
    text = "\n" + text
    spans: list[tuple[int, int]] = []
    opened: list[int] = []
    headings: list[int] = []
    for token in _TABLE.finditer(text):
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
            parts += (text[at:start], "\n")
            at = end
    parts.append(text[at:])
    return "".join(parts)


def _outermost(text: str) -> list[tuple[int, int]]:
    """Matched braces, outermost only, as MediaWiki's preprocessor pairs them: three before two, inside out."""
    spans: list[tuple[int, int]] = []
    stack: list[list[int]] = []  # [end of the run of opening braces, braces left in it]
    for token in _BRACES.finditer(text):
        start, end = token.span()
        if text[start] == "{":
            stack.append([end, end - start])
            continue
        while end - start >= 2 and stack:
            run = stack[-1]
            matched = min(3, run[1], end - start)
            begin = run[0] - matched
            start += matched
            run[0], run[1] = begin, run[1] - matched
            if run[1] < 2:
                stack.pop()
            while spans and spans[-1][0] > begin:
                spans.pop()
            spans.append((begin, start))
    return spans


def _replacement(inside: str, depth: int) -> str:
    """What a template leaves. ``inside`` is what its braces enclose."""
    name, _, rest = inside.partition("|")
    name = name.strip().replace("_", " ").lower()
    if not rest and name in _FIXED:
        return _FIXED[name] if name in _TABLE_SIGNS else shield(_FIXED[name])
    kept = _KEPT_PARAMETER.get(name)
    if kept is None:
        kept = next((number for prefix, number in _KEPT_PREFIXES.items() if name.startswith(prefix)), None)
    if kept is None and name not in ("convert", "cvt"):
        return HOLE
    parameters = [part for part in _parameters(drop_templates(rest, depth + 1)) if not _NAMED.match(part)]
    if kept is None:
        return _converted(parameters)
    if not parameters or kept > len(parameters):
        return HOLE
    value = parameters[kept - 1 if kept > 0 else -1].strip()
    if name in _LINK_TEMPLATES and value and "[" not in value:
        return f"[[{value}]]"
    return value or HOLE


def _parameters(text: str) -> list[str]:
    """Split at pipes that are not within a link."""
    parts, depth = [""], 0
    for piece in re.split(r"(\[\[|\]\]|\|)", text):
        if piece == "|" and depth <= 0:
            parts.append("")
            continue
        depth += (piece == "[[") - (piece == "]]")
        parts[-1] += piece
    return parts


def _converted(parameters: list[str]) -> str:
    """``{{convert|5|km|mi}}`` as "5 km", ``{{convert|5|to|6|km}}`` as "5 to 6 km"."""
    values = [value.strip() for value in parameters]
    if len(values) >= 4 and values[1] in ("to", "-", "–", "and", "or", "by", "x"):
        return f"{values[0]} {values[1]} {values[2]} {_UNITS.get(values[3], values[3])}"
    if len(values) >= 2:
        return f"{values[0]} {_UNITS.get(values[1], values[1])}"
    return HOLE
