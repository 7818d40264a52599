"""Sentences that are too long, in parts that are not: cut at semicolons, else commas, else spaces."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cofee_dist.corpus.wikitext import Anchor

_PLACE = re.compile(r"([;؛](?= )|[；])|([,،](?= )|[，、])|( )")
_BEST, _WORST = 1, 3


def parts(text: str, anchors: list[Anchor], most: int, in_characters: bool) -> Iterator[tuple[str, list[Anchor]]]:
    """Cut a sentence into parts of at most ``most`` words or characters, never inside an anchor.

    ``anchors`` are in order, their offsets into ``text``; those yielded have offsets into the part, which has no space
    at its ends. Of the places where a part may end the last semicolon counts, else the last comma, else the last
    space, if it lies in the part's second half; characters of a language without spaces can be cut anywhere. A part is
    longer only where an anchor is.
    """
    places = _places(text, anchors, in_characters)
    begin = first = at = 0
    while begin < len(text):
        end, at = _end(text, begin, places, at, most, in_characters)
        core = text[begin:end].strip(" ")
        start = begin + len(text[begin:end]) - len(text[begin:end].lstrip(" "))
        last = first
        while last < len(anchors) and anchors[last].start < end:
            last += 1
        if core:
            yield core, shifted(anchors[first:last], start)
        begin, first = end, last


def shifted(anchors: list[Anchor], origin: int) -> list[Anchor]:
    """Anchors with their offsets counted from ``origin``."""
    return [Anchor(start - origin, end - origin, target) for start, end, target in anchors]


def _places(text: str, anchors: list[Anchor], in_characters: bool) -> list[tuple[int, int]]:
    """(where a part may end, how good a place it is: 1 is the best), none inside an anchor."""
    found = [(place.end(), place.lastindex or _WORST) for place in _PLACE.finditer(text)]
    if in_characters:
        marked = dict.fromkeys(range(1, len(text)), _WORST + 1) | dict(found)
        found = sorted(marked.items())
    found.append((len(text), _BEST))
    places, at = [], 0
    for place, kind in found:
        while at < len(anchors) and anchors[at].end <= place:
            at += 1
        if at == len(anchors) or anchors[at].start >= place:
            places.append((place, kind))
    return places


def _end(
    text: str, begin: int, places: list[tuple[int, int]], at: int, most: int, in_characters: bool
) -> tuple[int, int]:
    """Where the part that begins at ``begin`` ends, and the number of the first place behind it."""
    best: dict[int, tuple[int, int]] = {}
    length, measured = 0, begin
    sizes: list[int] = []
    for number in range(at, len(places)):
        place, kind = places[number]
        piece = text[measured:place]
        length += len(piece) if in_characters else len(piece.split())
        measured = place
        if length > most and sizes:
            break
        sizes.append(length)
        best[kind] = (place, number + 1)
        if place == len(text) or length > most:
            return place, number + 1
    half = begin + (measured - begin) // 2
    for kind in sorted(best):
        if best[kind][0] >= half:
            return best[kind]
    return max(best.values())
