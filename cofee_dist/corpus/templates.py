"""Templates: dropped, but for the few that carry running text."""

from __future__ import annotations

import re
from functools import lru_cache

from cofee_dist.corpus.budget import Budget
from cofee_dist.corpus.disambiguation import DISAMBIGUATION
from cofee_dist.corpus.inline_templates import InlineTemplates, Key, template_name
from cofee_dist.corpus.literals import HOLE, shield
from cofee_dist.corpus.titles import LANGUAGE_PREFIXES

_BRACES = re.compile(r"\{\{+|\}\}+")
_MAX_DEPTH = 8
_MAX_NAME = 255
_NUMBERS = frozenset("123456789")

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
_UNITS = {
    "sqmi": "square miles",
    "sqkm": "square kilometres",
    "km2": "km²",
    "mi2": "square miles",
    "C": "°C",
    "F": "°F",
}
#: What stands between the numbers of {{convert}}, as it is shown.
_RANGES = {word: f" {word} " for word in ("to", "and", "or", "by", "x", "×", "±")}
_RANGES |= {"to(-)": " to ", "and(-)": " and ", "+/-": " ± ", "-": "–", "–": "–"}
_NUMBER = re.compile(r"[-−+]?[\d.]")
_NAMED = re.compile(r"\s*+([\w .-]*+)=")
_LINK_OR_BAR = re.compile(r"\[\[|\]\]|\|")
_NUMBER_FORMAT = "formatnum:"


def drop_templates(text: str, inline: InlineTemplates, budget: Budget, depth: int = 0) -> str:
    """The text without ``{{…}}`` and ``{{{…}}}``, in time linear in its length; unclosed braces stay.

    What templates in the parameters of inline templates leave is looked at again, ``_MAX_DEPTH`` levels deep.
    """
    budget.pay(text, "{{")
    spans = _outermost_of_pairs(text)
    if spans is None:
        spans = _outermost(text)
    if not spans:
        return text
    parts, at = [], 0
    for start, end in spans:
        parts.append(text[at:start])
        parts.append(_replacement(text[start + 2 : end - 2], inline, budget, depth) if depth < _MAX_DEPTH else HOLE)
        at = end
    parts.append(text[at:])
    return "".join(parts)


def _outermost_of_pairs(text: str) -> list[tuple[int, int]] | None:
    """``_outermost`` of a text whose braces open in twos and are all closed, as they mostly do; None for any other."""
    if "{{{" in text:
        return None
    spans: list[tuple[int, int]] = []
    depth = start = 0
    first, *pieces = text.split("{{")
    at = len(first)
    for piece in pieces:
        if not depth:
            start = at
        depth += 1
        at += 2
        close = piece.find("}}")
        while close >= 0 and depth:
            depth -= 1
            if not depth:
                spans.append((start, at + close + 2))
            close = piece.find("}}", close + 2)
        at += len(piece)
    return None if depth else spans


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


def _replacement(inside: str, inline: InlineTemplates, budget: Budget, depth: int) -> str:
    """What a template leaves. ``inside`` is what its braces enclose."""
    name, _, rest = inside.partition("|")
    if len(name) > _MAX_NAME:
        return HOLE
    rule = inline.find(name)
    if rule is None:
        return _without_rule(name, rest == "")
    if rule.kind == "disambiguation":
        return DISAMBIGUATION + HOLE
    values, named = _arguments(drop_templates(rest, inline, budget, depth + 1))
    if rule.kind == "unit":
        return _converted(values)
    if rule.kind == "words":
        return " ".join(values[:3]).strip() or HOLE
    value = _value(values, named, rule.parameters)
    if rule.kind == "link" and value in LANGUAGE_PREFIXES and len(values) > 1 and value == values[0]:
        value = values[1]  # {{ill|de|Name}}, as it was written once
    if rule.kind == "link" and value and "[" not in value:
        shown = _value(values, named, rule.shown)
        return f"[[{value}|{shown}]]" if shown and "[" not in shown else f"[[{value}]]"
    return value or HOLE


@lru_cache(maxsize=2**12)
def _without_rule(name: str, is_alone: bool) -> str:
    """What is left of a template that is in no table; ``is_alone``: it has no parameters."""
    name = template_name(name)
    if is_alone and name in _FIXED:
        return _FIXED[name] if name in _TABLE_SIGNS else shield(_FIXED[name])
    if name.startswith(_NUMBER_FORMAT):
        return name.removeprefix(_NUMBER_FORMAT).strip() or HOLE
    return HOLE


def _value(values: list[str], named: dict[str, str], keys: tuple[Key, ...]) -> str:
    """The first of the parameters ``keys`` that is not empty."""
    for key in keys:
        if isinstance(key, str):
            found = named.get(key, "")
        else:
            at = key - 1 if key > 0 else key
            found = values[at] if -len(values) <= at < len(values) else ""
        if found:
            return found
    return ""


def _arguments(text: str) -> tuple[list[str], dict[str, str]]:
    """The parameters that have no name but a number, as ``|5|`` or ``|1=5|``, in their order; and the named ones."""
    values: list[str] = []
    numbered: dict[int, str] = {}
    named: dict[str, str] = {}
    for part in _parameters(text):
        name = _NAMED.match(part)
        if name is None:
            values.append(part.strip())
        elif name[1].strip() in _NUMBERS:
            numbered[int(name[1])] = part[name.end() :].strip()
        else:
            named[name[1].strip()] = part[name.end() :].strip()
    for number, value in sorted(numbered.items()):
        values[number - 1 : number] = [value]
    return values, named


def _parameters(text: str) -> list[str]:
    """Split at bars that are not within a link."""
    parts: list[str] = []
    at = depth = 0
    for token in _LINK_OR_BAR.finditer(text):
        if token[0] != "|":
            depth += 1 if token[0] == "[[" else -1
        elif depth <= 0:
            parts.append(text[at : token.start()])
            at = token.end()
    parts.append(text[at:])
    return parts


def _converted(values: list[str]) -> str:
    """``{{convert|5|km|mi}}`` as "5 km"; more numbers: ``5|to|6|km`` as "5 to 6 km", ``5|ft|10|in`` as "5 ft 10 in"."""
    if not values or not values[0]:
        return HOLE
    shown, at = values[0], 1
    while at + 1 < len(values) and values[at] in _RANGES:
        shown += _RANGES[values[at]] + values[at + 1]
        at += 2
    if at < len(values):
        shown += f" {_UNITS.get(values[at], values[at])}"
        at += 1
    # A number with a unit behind it goes on; a number alone is the precision.
    while at + 1 < len(values) and _NUMBER.match(values[at]) and not _NUMBER.match(values[at + 1]):
        shown += f" {values[at]} {_UNITS.get(values[at + 1], values[at + 1])}"
        at += 2
    return shown
