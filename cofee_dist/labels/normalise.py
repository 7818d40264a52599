"""The one form in which gazetteer entries, anchors and text are compared.

NFKC and single spaces always; without case, and in one variant of Chinese, where the config says so.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cofee_dist.config import Chinese
from cofee_dist.labels.chinese import convert

#: In a spelling table: not spelled as one character, or not by itself.
IRREGULAR = 0xFFFF_FFFF

_PLAIN_ASCII = r"^[!-~]+( [!-~]+)*$"
_ODD_SPACES = re.compile(r"\s\s+|[^\S ]")
# No other code point has a combining class, a decomposition or a case.
_VARIABLE = (*range(0xD800), *range(0xE000, 0x20000), *range(0x2F800, 0x2FA20))
# Arrow's \s is ASCII's. A full-width parenthesis may close a plain one: titles have all of it.
_TITLE_SUFFIX = r"[\s\x{3000}]*[(（][^()（）]*[)）][\s\x{3000}]*$"


def normalise(text: str, ignore_case: bool = False, chinese: Chinese = "none") -> str:
    """NFKC, runs of whitespace as one space, none at the ends; with ``ignore_case`` folded as Unicode folds case.

    ``chinese`` is the variant to spell Han characters in. Idempotent: ``normalise(normalise(x)) == normalise(x)``.
    """
    return convert(" ".join(_fold(text, ignore_case).split()), chinese)


def normalise_array(texts: pa.Array, ignore_case: bool = False, chinese: Chinese = "none") -> pa.Array:
    """``normalise`` of every string of an Arrow array (nulls stay), without Python for plain ASCII."""
    texts = pc.cast(texts, pa.string())
    plain = pc.match_substring_regex(texts, _PLAIN_ASCII)
    folded = pc.ascii_lower(texts) if ignore_case else texts
    if pc.all(plain, min_count=0).as_py():
        return folded
    odd = pc.invert(pc.fill_null(plain, True))
    spelled = [normalise(text, ignore_case, chinese) for text in texts.filter(odd).to_pylist()]
    return pc.replace_with_mask(folded, odd, pa.array(spelled, pa.string()))


def base_titles(titles: pa.Array) -> pa.Array:
    """Titles without the parenthesised suffix that tells namesakes apart: ``Paris (mythology)`` gives ``Paris``."""
    bases = pc.replace_substring_regex(pc.cast(titles, pa.string()), _TITLE_SUFFIX, "")
    return pc.if_else(pc.equal(bases, ""), titles, bases)


def align(text: str, ignore_case: bool = False, chinese: Chinese = "none") -> tuple[str, list[int] | None]:
    """The text as ``normalise`` would spell it (but with a space left at either end), and how to get back.

    Returns the spelled text and its borders: ``borders[i]`` is the offset in ``text`` of the border before the
    spelled character i (one more for the end), or -1 where that border lies inside what was one character (the
    2 of ``㎡``, spelled ``m2``) or one composed group. None instead of 0, 1, 2, ...
    """
    if text.isascii() and text.isprintable() and "  " not in text:
        return (text.lower() if ignore_case else text), None
    folded = _fold(text, ignore_case)
    borders: list[int] | None = None
    if folded != text and _irregular(ignore_case).search(text):
        folded, borders = _align_groups(text, ignore_case)
    # Several times faster than to search for an odd space.
    if folded.strip(" ").split(" ") != folded.split():
        folded, borders = _collapse_spaces(folded, borders or list(range(len(text) + 1)))
    # Last: it moves no border, for a character stays one.
    return convert(folded, chinese), borders


@cache
def spelling_table(ignore_case: bool = False, chinese: Chinese = "none") -> npt.NDArray[np.uint32]:
    """For each code point the one that ``align`` spells it as; ``IRREGULAR`` where what stands around it matters.

    A text without irregular characters and without double spaces is spelled character by character.
    """
    table = np.arange(sys.maxunicode + 1, dtype=np.uint32)
    for code in _VARIABLE:
        character = chr(code)
        folded = _fold(character, ignore_case)
        regular = len(folded) == 1 and not _joins_backwards(character)
        odd_space = folded.isspace() and folded != " "
        table[code] = IRREGULAR if odd_space or not regular else ord(folded)
    if chinese != "none":
        for code in np.flatnonzero(table != IRREGULAR).tolist():
            table[code] = ord(convert(chr(table[code]), chinese))
    return table


def _fold(text: str, ignore_case: bool) -> str:
    if text.isascii():
        return text.lower() if ignore_case else text
    text = unicodedata.normalize("NFKC", text)
    if ignore_case:
        # U+0345 folds to a letter, so marks must stand in canonical order first (Unicode, D146).
        text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKD", text).casefold())
    return text


def _align_groups(text: str, ignore_case: bool) -> tuple[str, list[int]]:
    """Fold with borders: irregular groups one by one, what lies between them at once."""
    spelled: list[str] = []
    borders: list[int] = []
    done = 0
    for match in _irregular(ignore_case).finditer(text):
        start, end = match.span()
        spelled.append(_fold(text[done:start], ignore_case))
        borders.extend(range(done, start))
        group = match.group()
        folded = _fold(group, ignore_case)
        spelled.append(folded)
        # Unchanged but for case: each character stays one, as it does in a text that is all so.
        if len(folded) == len(group) and folded == (group.casefold() if ignore_case else group):
            borders.extend(range(start, end))
        else:
            borders.extend([start] + [-1] * (len(folded) - 1))
        done = end
    spelled.append(_fold(text[done:], ignore_case))
    borders.extend(range(done, len(text) + 1))
    return "".join(spelled), borders


def _collapse_spaces(spelled: str, borders: list[int]) -> tuple[str, list[int]]:
    parts: list[str] = []
    kept: list[int] = []
    done = 0
    for match in _ODD_SPACES.finditer(spelled):
        start, end = match.span()
        parts.extend((spelled[done:start], " "))
        kept.extend(borders[done : start + 1])
        done = end
    return "".join((*parts, spelled[done:])), kept + borders[done:]


@cache
def _irregular(ignore_case: bool) -> re.Pattern[str]:
    """What does not fold one character to one: a character with those that join it, or one that folds to several.

    Between such groups normalisation cannot reach across.
    """
    joining, growing = [], []
    for code in _VARIABLE:
        character = chr(code)
        if _joins_backwards(character):
            joining.append(character)
        elif len(_fold(character, ignore_case)) != 1:
            growing.append(character)
    joins, grows = _character_class(joining), _character_class(growing)
    return re.compile(f"(?s:.)[{joins}]+|[{joins}]+|[{grows}]")


def _character_class(characters: list[str]) -> str:
    return "".join(map(re.escape, characters))


def _joins_backwards(character: str) -> bool:
    first = unicodedata.normalize("NFKD", character)[0]
    return unicodedata.combining(first) != 0 or first in _composing_starters()


@cache
def _composing_starters() -> frozenset[str]:
    """Characters of combining class 0 that compose with the one before them: Hangul vowels, Brahmic signs."""
    found = {chr(code) for code in (*range(0x1161, 0x1176), *range(0x11A8, 0x11C3))}
    for code in range(0x20000):
        parts = unicodedata.decomposition(chr(code)).split()
        if len(parts) == 2 and not parts[0].startswith("<"):
            second = chr(int(parts[1], 16))
            if not unicodedata.combining(second):
                found.add(second)
    return frozenset(found)
