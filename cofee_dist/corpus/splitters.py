"""Where a paragraph is cut into sentences, by language."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Literal

Splitter = Literal["auto", "blingfire", "full_stops"]
Spans = list[tuple[int, int]]

_FULL_STOPS = r"[。！？；｡!?;…{}]++[」』”’\"'）)】》〉]*+"
#: Languages whose sentences end at these signs, and need no other knowledge.
_IDEOGRAPHIC = frozenset(("zh", "ja", "wuu", "gan", "yue", "lzh"))
#: Signs that end a sentence in some languages, and that BlingFire does not know.
_OWN_STOPS = {
    **dict.fromkeys(("hi", "bn", "mr", "ne", "sa", "as", "or", "pa", "mai", "bho", "awa"), "।॥"),
    **dict.fromkeys(("hy", "hyw"), "։"),
    **dict.fromkeys(("am", "ti"), "።፧"),
    **dict.fromkeys(("my", "shn"), "။"),
    "km": "។៕",
    "bo": "།༎",
    "mn": "᠃",
}
#: All that ends sentences anywhere.
_STOPS = "".join(dict.fromkeys("。！？；｡!?;….\n" + "".join(_OWN_STOPS.values())))

#: Languages that write ordinal numbers with a full stop (3. Oktober).
_DOTTED_ORDINALS = frozenset(
    ("de", "da", "no", "nb", "nn", "fi", "et", "cs", "sk", "hu", "sl", "hr", "sr", "bs", "lv", "lt", "ltg", "is", "lb")
)
_ENDS_IN_ORDINAL = re.compile(r"(?:^|[\s(])\d{1,3}\.$")
#: An initial (J. K. Rowling), but not a numeral (World War I.).
_ENDS_IN_INITIAL = re.compile(r"(?:^|[\s(.\"“-])(?![IVX])[^\W\d_]\.$")
_SURROGATES = re.compile("[\ud800-\udfff]")


def count_stops(text: str) -> int:
    """How many signs of a text could each end a sentence, in one language or another."""
    return sum(map(text.count, _STOPS))


@lru_cache(maxsize=16)
def splitter_of(language: str, splitter: Splitter = "auto") -> Callable[[str], Spans]:
    """The function that cuts a paragraph of that language into spans (start, end) without spaces at their ends.

    ``full_stops`` cuts at them and nowhere else, ``blingfire`` asks it and mends what it does to abbreviations;
    ``auto`` is the first for Chinese and Japanese, the second for others.
    """
    base = language.partition("-")[0]
    own = _OWN_STOPS.get(base, "")
    if splitter == "full_stops" or (splitter == "auto" and base in _IDEOGRAPHIC):
        stops = re.compile(_FULL_STOPS.format(own))
        return lambda text: _at_full_stops(text, stops)
    dotted = base in _DOTTED_ORDINALS
    if not own:
        return lambda text: _merge_abbreviations(text, _by_blingfire(text), dotted)
    ends = re.compile(f"[{own}]++")
    return lambda text: _cut_again(text, _merge_abbreviations(text, _by_blingfire(text), dotted), ends)


def _cut_again(text: str, spans: Spans, stops: re.Pattern[str]) -> Spans:
    return [
        (begin + start, begin + end) for begin, last in spans for start, end in _at_full_stops(text[begin:last], stops)
    ]


def _at_full_stops(text: str, stops: re.Pattern[str]) -> Spans:
    cuts = [stop.end() for stop in stops.finditer(text)]
    if not cuts or cuts[-1] < len(text):
        cuts.append(len(text))
    spans = []
    for start, end in zip([0, *cuts], cuts, strict=False):
        sentence = text[start:end]
        if core := sentence.strip():
            begin = start + sentence.index(core)
            spans.append((begin, begin + len(core)))
    return spans


def _by_blingfire(text: str) -> Spans:
    """BlingFire's sentences, found again in the text: quicker than its own offsets, and in code points."""
    if not text.isascii():
        text = _SURROGATES.sub("\ufffd", text)
    spans, at = [], 0
    for sentence in _blingfire_lines(text):
        sentence = sentence.strip()
        start = text.find(sentence, at)
        if start < 0 or not sentence:
            core = text.strip()
            return [(text.index(core), text.index(core) + len(core))] if core else []
        at = start + len(sentence)
        spans.append((start, at))
    return spans


def _blingfire_lines(text: str) -> list[str]:
    """``blingfire.text_to_sentences``, a third faster: that makes a new type of buffer for each length of a text."""
    from blingfire import blingfire

    data = text.encode()
    size = 1 << (2 * len(data)).bit_length()
    buffer = ctypes.create_string_buffer(size)
    length = blingfire.TextToSentences(data, len(data), buffer, size)
    return buffer.value.decode().split("\n") if 0 <= length <= size else [""]


def _merge_abbreviations(text: str, spans: Spans, dotted_ordinals: bool) -> Spans:
    """Without the cuts after initials and ordinals, and before a small letter."""
    merged: Spans = []
    for start, end in spans:
        if merged:
            begin, last = merged[-1]
            tail = text[max(begin, last - 6) : last]
            if (
                text[start].islower()
                or _ENDS_IN_INITIAL.search(tail)
                or (dotted_ordinals and _ENDS_IN_ORDINAL.search(tail))
            ):
                merged[-1] = (begin, end)
                continue
        merged.append((start, end))
    return merged
