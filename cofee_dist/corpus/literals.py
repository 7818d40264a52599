"""Characters that must not act as markup: shielded by stand-ins while a page is rendered, then restored.

An entity (``&#91;``) or ``<nowiki>`` gives a character that looks like markup and is not. Each such character is
replaced by one stand-in of the noncharacters U+FDD0-U+FDEF, so that offsets stay as they are.
"""

from __future__ import annotations

import html
import re
from html.entities import html5

_SPECIAL = "[]{}|'<>&=*#:;_-!/~\""
_FIRST_STAND_IN = 0xFDD0
#: Left where something was dropped, so that what it leaves behind (empty brackets) can be cleaned up.
HOLE = "\ufdee"
#: Left where something stood between a link and a letter, which is then no trail of the link.
BARRIER = "\ufdef"

_SHIELD = {ord(character): _FIRST_STAND_IN + at for at, character in enumerate(_SPECIAL)}
_RESTORE = {stand_in: chr(code) for code, stand_in in _SHIELD.items()}
_STAND_INS = [chr(code) for code in range(_FIRST_STAND_IN, _FIRST_STAND_IN + 32)]
_ENTITY = re.compile(r"&(?:#[0-9]{1,8}|#[xX][0-9a-fA-F]{1,8}|[A-Za-z][A-Za-z0-9]{1,31});")
_LINE_BREAKS = "\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
_ODD_SPACES = "\t\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"
#: Invisible characters that would only hide equal surfaces from each other.
_INVISIBLE = "\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff"
#: Not allowed in XML, or used here.
_FORBIDDEN = "\x00-\x08\x0e-\x1b\x1f\x7f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff"
_ODD = re.compile(f"([{_LINE_BREAKS}])|([{_ODD_SPACES}])|([{_INVISIBLE}])|[{_FORBIDDEN}]")
_ANY_ODD = re.compile(f"[{_LINE_BREAKS}{_ODD_SPACES}{_INVISIBLE}{_FORBIDDEN}]")
_PLAIN = ("\ufffd", "\n", " ", "")


def clean(text: str) -> str:
    """Text without characters that XML forbids or that serve as stand-ins, and with one kind of line break."""
    if "\r" in text:
        text = text.replace("\r\n", "\n")
    return _ANY_ODD.sub(_plain, text)


def _plain(character: re.Match[str]) -> str:
    return _PLAIN[_ODD.match(character[0]).lastindex or 0]  # type: ignore[union-attr]


def shield(text: str) -> str:
    """Literal text: entities resolved, and nothing in it acts as markup."""
    return resolve_entities(text).translate(_SHIELD).replace("\n", " ")


def resolve_entities(text: str) -> str:
    """Entities as characters, those that look like markup as stand-ins; unknown entities stay."""
    return _ENTITY.sub(_resolve, text) if "&" in text else text


def restore(text: str) -> str:
    """The text that a reader sees: stand-ins as the characters that they stand for."""
    # Looking for each is quicker than a pattern, and mostly there is none.
    found = not text.isascii() and any(map(text.__contains__, _STAND_INS))
    return text.translate(_RESTORE) if found else text


def _resolve(entity: re.Match[str]) -> str:
    # Of names only whole ones count: ``&notit;`` is no ``&not;``.
    if entity[0][1] != "#" and entity[0][1:] not in html5:
        return entity[0]
    character = html.unescape(entity[0])
    if character.isspace():
        return " "
    return clean(character).translate(_SHIELD)
