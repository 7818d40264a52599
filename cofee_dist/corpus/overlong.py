"""Sentences that are too long, in parts that are not: cut at semicolons, else commas, else spaces."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from itertools import chain

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
    seen: deque[tuple[int, int]] = deque()
    begin = first = 0
    while begin < len(text):
        end = _end(text, begin, seen, places, most, in_characters)
        while seen and seen[0][0] <= end:
            seen.popleft()
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


def _places(text: str, anchors: list[Anchor], in_characters: bool) -> Iterator[tuple[int, int]]:
    """(where a part may end, how good a place it is: 1 is the best), none inside an anchor, found as they are asked."""
    at = 0
    for place, kind in _any_places(text, in_characters):
        while at < len(anchors) and anchors[at].end <= place:
            at += 1
        if at == len(anchors) or anchors[at].start >= place:
            yield place, kind


def _any_places(text: str, in_characters: bool) -> Iterator[tuple[int, int]]:
    behind = 1  # the last place
    for sign in _PLACE.finditer(text):
        if in_characters:
            yield from ((place, _WORST + 1) for place in range(behind, sign.end()))
        if sign.end() < len(text):
            yield sign.end(), sign.lastindex or _WORST
        behind = sign.end() + 1
    if in_characters:
        yield from ((place, _WORST + 1) for place in range(behind, len(text)))
    yield len(text), _BEST


def _end(
    text: str,
    begin: int,
    seen: deque[tuple[int, int]],
    places: Iterator[tuple[int, int]],
    most: int,
    in_characters: bool,
) -> int:
    """Where the part that begins at ``begin`` ends; ``seen`` holds places behind it, and gets those that are asked."""
    best: dict[int, int] = {}
    length, measured = 0, begin
    for place, kind in chain(tuple(seen), _kept(places, seen)):
        piece = text[measured:place]
        length += len(piece) if in_characters else len(piece.split())
        measured = place
        if length > most and best:
            break
        best[kind] = place
        if place == len(text) or length > most:
            return place
    half = begin + (measured - begin) // 2
    return next((best[kind] for kind in sorted(best) if best[kind] >= half), max(best.values()))


def _kept(places: Iterator[tuple[int, int]], seen: deque[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    for place in places:
        seen.append(place)
        yield place
