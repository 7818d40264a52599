"""Gazetteer entries in raw text: leftmost-longest, bounded by words, in time that does not grow with the list.

The rule. A hit is a piece of text whose normalised form is an entry. It must not start or end inside a word:
there must not be a letter, digit or mark on both sides of its edge. Characters of scripts that are written
without spaces (or, in Hangul, with particles attached) need no boundary. Among the valid hits the leftmost is
taken, of these the longest, and the search goes on behind it.

The trick that makes it one pass of an Aho-Corasick automaton: a marker character is put at every edge of a word,
in text and entries alike. An entry that starts with a letter then starts with a marker, so a hit inside a word
is no hit for the automaton, and cannot hide a shorter valid one.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import chain
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from ahocorasick_rs import AhoCorasick, MatchKind

from cofee_dist.labels.gazetteer import Gazetteer
from cofee_dist.labels.normalise import align
from cofee_dist.schemas import Entity

# Normalised text has no whitespace but spaces; Python counts U+001F as whitespace.
_MARKER = "\x1f"
_BETWEEN_TEXTS = "\n"
_CHUNK_CHARACTERS = 2**18

#: Blocks whose characters need no word boundary.
_UNSPACED = (
    (0x0E00, 0x0FFF),  # Thai, Lao, Tibetan
    (0x1000, 0x109F),  # Myanmar
    (0x1100, 0x11FF),  # Hangul jamo
    (0x1780, 0x17FF),  # Khmer
    (0x2E80, 0x2FDF),  # radicals
    (0x3005, 0x3007),  # ideographic iteration mark, closing mark, zero
    (0x3040, 0x31FF),  # kana, Bopomofo, Hangul compatibility jamo
    (0x3400, 0x9FFF),  # Han
    (0xA960, 0xA97F),  # Hangul jamo extended
    (0xAC00, 0xD7FF),  # Hangul
    (0xF900, 0xFAFF),  # Han compatibility
    (0x1B000, 0x1B16F),  # kana supplement
    (0x20000, 0x3FFFF),  # Han extensions
)


class Hits(NamedTuple):
    """Where entries were found: arrays int64 [hits], ``entry`` an index into the matcher's entries."""

    row: npt.NDArray[np.int64]
    start: npt.NDArray[np.int64]
    end: npt.NDArray[np.int64]
    entry: npt.NDArray[np.int64]


class Matcher:
    """Finds a gazetteer's entries in texts; one entity for each type of an entry (source ``gazetteer``).

    ``types[i]`` are the types that ``entries[i]`` labels: none for an ambiguous entry that is to be dropped,
    which is still matched, so that no shorter entry inside it gives a label.
    """

    def __init__(self, gazetteer: Gazetteer) -> None:
        names = dict(gazetteer.names())
        self.entries, self.types = list(names), list(names.values())
        self._index = {entry: index for index, entry in enumerate(self.entries)}
        self._ignore_case, self._chinese = gazetteer.ignore_case, gazetteer.chinese
        self._longest = max(map(len, self.entries), default=0)
        # Where the entry itself lies in its marked form: a marker before it, a marker behind it.
        edges = [(_is_word(entry[0]), _is_word(entry[-1])) for entry in self.entries]
        self._leading, self._trailing = np.array(edges, np.int64).reshape(-1, 2).T
        marked = _mark(_BETWEEN_TEXTS.join(self.entries))[0].split(_BETWEEN_TEXTS) if names else []
        self._automaton = AhoCorasick(marked, matchkind=MatchKind.LeftmostLongest, store_patterns=False)

    def find(self, text: str) -> list[Entity]:
        """The entities of a text, by start; offsets are into the text as given, not as normalised."""
        return self.find_all([text])[0]

    def find_all(self, texts: Sequence[str]) -> list[list[Entity]]:
        """``find`` of every text; much faster than one by one where texts are short."""
        found: list[list[Entity]] = [[] for _ in texts]
        hits = self.find_hits(texts)
        for row, start, end, entry in zip(*(column.tolist() for column in hits), strict=True):
            for name in self.types[entry]:
                found[row].append(Entity(start, end, name, "gazetteer"))
        return found

    def find_hits(self, texts: Sequence[str]) -> Hits:
        """The hits in every text as arrays, by row and start, entries that give no label included."""
        parts, first = [Hits(*np.empty((4, 0), np.int64))], 0
        for chunk in _chunks(texts):
            row, start, end, entry = self._find_in_chunk(chunk)
            parts.append(Hits(row + first, start, end, entry))
            first += len(chunk)
        return Hits(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))

    def _find_in_chunk(self, texts: Sequence[str]) -> Hits:
        aligned = [align(text, self._ignore_case, self._chinese) for text in texts]
        text_ends = np.cumsum(np.array([len(spelled) + 1 for spelled, _ in aligned]))
        marked, markers = _mark(_BETWEEN_TEXTS.join([spelled for spelled, _ in aligned]))
        found = self._automaton.find_matches_as_indexes(marked)
        flat = np.fromiter(chain.from_iterable(found), np.int64, 3 * len(found))
        entry, start, end = flat[0::3], flat[1::3], flat[2::3]
        start, end = start + self._leading[entry], end - self._trailing[entry]
        start, end = start - np.searchsorted(markers, start), end - np.searchsorted(markers, end)
        row = np.searchsorted(text_ends, start, side="right")
        before = np.concatenate(([0], text_ends))[row]
        return self._map_back(Hits(row, start - before, end - before, entry), aligned)

    def _map_back(self, hits: Hits, aligned: Sequence[tuple[str, list[int] | None]]) -> Hits:
        """From offsets in spelled texts to offsets in the texts as given."""
        moved = [row for row, (_, borders) in enumerate(aligned) if borders is not None]
        if not moved:
            return hits
        firsts, lasts = np.searchsorted(hits.row, moved), np.searchsorted(hits.row, moved, side="right")
        redone: list[tuple[int, int, int, int]] = []
        keep = np.ones(len(hits.row), bool)
        for row, first, last in zip(moved, firsts, lasts, strict=True):
            spelled, borders = aligned[row]
            assert borders is not None
            here = slice(first, last)
            table = np.array(borders)
            starts, ends = table[hits.start[here]], table[hits.end[here]]
            if (starts < 0).any() or (ends < 0).any():
                # A hit that ends inside of what was one character is none, and may have hidden valid ones.
                # (Hits that are all valid hide no valid one.)
                keep[here] = False
                redone.extend((row, start, end, entry) for start, end, entry in self._look_up(spelled, borders))
            else:
                hits.start[here], hits.end[here] = starts, ends
        if keep.all():
            return hits
        columns = np.concatenate([np.array(hits)[:, keep], np.array(redone, np.int64).reshape(-1, 4).T], axis=1)
        return Hits(*columns[:, np.lexsort((columns[1], columns[0]))])

    def _look_up(self, spelled: str, borders: list[int]) -> Iterator[tuple[int, int, int]]:
        """The rule by look-ups of every piece between two valid edges: slow, for rare texts."""
        inside = [_is_word(character) for character in spelled]
        edges = [
            at
            for at, border in enumerate(borders)
            if border >= 0 and not (0 < at < len(spelled) and inside[at - 1] and inside[at])
        ]
        reached = 0
        for index, start in enumerate(edges):
            if start < reached:
                continue
            for end in reversed(edges[index + 1 : index + 1 + self._longest]):
                entry = self._index.get(spelled[start:end])
                if entry is not None:
                    yield borders[start], borders[end], entry
                    reached = end
                    break


def _chunks(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    first = characters = 0
    for index, text in enumerate(texts):
        characters += len(text)
        if characters >= _CHUNK_CHARACTERS:
            yield texts[first : index + 1]
            first, characters = index + 1, 0
    if first < len(texts):
        yield texts[first:]


def _mark(text: str) -> tuple[str, npt.NDArray[np.int64]]:
    """Put a marker at every edge of a word; also returns the markers' offsets in the marked text.

    Lone surrogates, which no automaton takes, become question marks.
    """
    codes = np.frombuffer(text.encode("utf-32-le", errors="replace"), np.uint32)
    inside = np.zeros(len(codes) + 2, bool)
    np.take(_word_characters(), codes, out=inside[1:-1])
    edges = np.flatnonzero(inside[1:] != inside[:-1])
    markers = edges + np.arange(len(edges))
    marked = np.empty(len(codes) + len(edges), np.uint32)
    is_text = np.ones(len(marked), bool)
    is_text[markers] = False
    marked[markers] = ord(_MARKER)
    marked[is_text] = codes
    return marked.tobytes().decode("utf-32-le"), markers


def _is_word(character: str) -> bool:
    return bool(_word_characters()[ord(character)])


@cache
def _word_characters() -> npt.NDArray[np.bool_]:
    """For each code point, whether it is part of a word that needs boundaries."""
    table = np.zeros(0x110000, bool)
    # Above the planes of scripts lie only Han (cleared below) and variation selectors.
    for code in (*range(0x20000), *range(0xE0100, 0xE01F0)):
        character = chr(code)
        table[code] = character.isalnum() or unicodedata.category(character)[0] == "M"
    for first, last in _UNSPACED:
        table[first : last + 1] = False
    return table
