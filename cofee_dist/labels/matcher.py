"""Gazetteer entries in raw text: leftmost-longest, bounded by words, in time that does not grow with the list.

The rule. A hit is a piece of text whose normalised form is an entry. It must not start or end inside a word:
there must not be a letter, digit or mark on both sides of its edge. Characters of scripts that are written
without spaces (or, in Hangul, with particles attached) need no boundary. Among the valid hits the leftmost is
taken, of these the longest, and the search goes on behind it.

The trick that makes it one pass of an Aho-Corasick automaton: a marker character is put at every edge of a word,
in text and entries alike. An entry that starts with a letter then starts with a marker, so a hit inside a word
is no hit for the automaton. A single space between two words is a marker itself, so that marked text is hardly
longer; two hits may then share one, so the automaton tells all hits, and of those that overlap one is chosen here.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import cache
from itertools import chain, pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from ahocorasick_rs import AhoCorasick, MatchKind

from cofee_dist.labels.gazetteer import Gazetteer
from cofee_dist.labels.normalise import align, spelling_table
from cofee_dist.schemas import Entity

# Normalised text has no whitespace but spaces; Python counts U+001F as whitespace.
_MARKER = "\x1f"
_SPACE = ord(" ")
_BETWEEN_TEXTS = "\n"
# Much larger than what a core's cache holds of the automaton, which other work drives out between chunks.
_CHUNK_CHARACTERS = 2**20

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

_Codes = npt.NDArray[np.unsignedinteger[Any]]


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
        self.entries: list[str] = gazetteer.names.to_pylist()
        labels = gazetteer.labels_of_kind
        self.types = [labels[kind] for kind in gazetteer.kinds.tolist()]
        self._ignore_case, self._chinese = gazetteer.ignore_case, gazetteer.chinese
        self._spelling = spelling_table(self._ignore_case, self._chinese)
        codes = _codes(_BETWEEN_TEXTS.join(self.entries))
        marked = _text(_mark(codes)[0]).split(_BETWEEN_TEXTS) if self.entries else []
        # Where the entry itself lies in its marked form: a marker before it, a marker behind it.
        self._leading = np.array([entry[0] == _MARKER for entry in marked], bool)
        self._trailing = np.array([entry[-1] == _MARKER for entry in marked], bool)
        self._automaton = AhoCorasick(marked, matchkind=MatchKind.Standard, store_patterns=False)

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
        lengths = np.fromiter(map(len, texts), np.int64, len(texts))
        parts = [Hits(*np.empty((4, 0), np.int64))]
        for chunk in _chunks(lengths):
            row, start, end, entry = self._find_in_chunk(texts[chunk], lengths[chunk])
            parts.append(Hits(row + chunk.start, start, end, entry))
        return Hits(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))

    def _find_in_chunk(self, texts: Sequence[str], lengths: npt.NDArray[np.int64]) -> Hits:
        """Texts whose characters are spelled one by one go together, the few others are aligned each for itself."""
        is_ascii = np.fromiter(map(str.isascii, texts), bool, len(texts))
        found, left = [], []
        # ASCII apart: a quarter of the memory, and the automaton need not count code points.
        for rows in (np.flatnonzero(is_ascii), np.flatnonzero(~is_ascii)):
            plain, codes, ends = _plain(texts, rows, self._spelling)
            row, start, end, entry = self._find_in_codes(codes, ends)
            found.append(Hits(plain[row], start, end, entry))
            left.append(np.setdiff1d(rows, plain, assume_unique=True))
        found.append(self._find_aligned(texts, np.concatenate(left)))
        hits = Hits(*(np.concatenate(columns) for columns in zip(*found, strict=True)))
        return _leftmost_longest(hits, np.cumsum(lengths) - lengths)

    def _find_aligned(self, texts: Sequence[str], rows: npt.NDArray[np.int64]) -> Hits:
        aligned = [align(texts[row], self._ignore_case, self._chinese) for row in rows.tolist()]
        ends = np.cumsum([len(spelled) + 1 for spelled, _ in aligned], dtype=np.int64)
        firsts = np.append(0, ends)
        row, start, end, entry = self._find_in_codes(_codes(_BETWEEN_TEXTS.join(s for s, _ in aligned)), ends)
        # Offsets in the texts as given, of every border of all the spelled ones.
        border = np.arange(firsts[-1]) - np.repeat(firsts[:-1], np.diff(firsts))
        for first, (spelled, borders) in zip(firsts.tolist(), aligned, strict=False):
            if borders is not None:
                border[first : first + len(spelled) + 1] = borders
        start, end = border[firsts[row] + start], border[firsts[row] + end]
        # What ends inside of what was one character is no hit.
        real = (start >= 0) & (end >= 0)
        return Hits(rows[row[real]], start[real], end[real], entry[real])

    def _find_in_codes(self, codes: _Codes, ends: npt.NDArray[np.int64]) -> Hits:
        """Every hit, overlapping ones too, in texts that are one behind the other; ``ends`` are behind them."""
        marked, markers = _mark(codes)
        found = self._automaton.find_matches_as_indexes(_text(marked), overlapping=True)
        flat = np.fromiter(chain.from_iterable(found), np.int64, 3 * len(found))
        entry, start, end = flat[0::3], flat[1::3], flat[2::3]
        start, end = start + self._leading[entry], end - self._trailing[entry]
        start, end = start - np.searchsorted(markers, start), end - np.searchsorted(markers, end)
        row = np.searchsorted(ends, start, side="right")
        before = np.append(0, ends)[row]
        return Hits(row, start - before, end - before, entry)


def _leftmost_longest(hits: Hits, firsts: npt.NDArray[np.int64]) -> Hits:
    """By row and start, without those that overlap one before them; of those that start together the longest.

    ``firsts`` are the rows' offsets if they stood one behind the other.
    """
    start, length = firsts[hits.row] + hits.start, hits.end - hits.start
    order = np.argsort((start << 32) - length, kind="stable")
    start, end = start[order], (start + length)[order]
    keep = np.ones(len(order), bool)
    keep[1:] = start[1:] >= np.maximum.accumulate(end)[:-1]
    reached = 0
    # Only those that overlap one before them need a look, in their order; that one may itself be hidden.
    for at in np.flatnonzero(~keep).tolist():
        reached = max(reached, end[at - 1]) if keep[at - 1] else reached
        keep[at] = start[at] >= reached
    return Hits(*(column[order[keep]] for column in hits))


def _plain(
    texts: Sequence[str], rows: npt.NDArray[np.int64], spelling: npt.NDArray[np.uint32]
) -> tuple[npt.NDArray[np.int64], _Codes, npt.NDArray[np.int64]]:
    """Those of the rows that are spelled character by character: their spelled characters, and the end of each."""
    chosen = [texts[row] for row in rows.tolist()]
    ends = np.cumsum(np.fromiter(map(len, chosen), np.int64, len(chosen)) + 1)
    codes = _codes(_BETWEEN_TEXTS.join(chosen))
    separators = ends[:-1] - 1
    # The table's low end serves ASCII: what is irregular ends in 0xFF there.
    codes = np.take(spelling[:128].astype(np.uint8) if codes.itemsize == 1 else spelling, codes)
    irregular = codes == np.iinfo(codes.dtype).max
    irregular[1:] |= (codes[1:] == _SPACE) & (codes[:-1] == _SPACE)
    irregular[separators] = False
    codes[separators] = ord(_BETWEEN_TEXTS)
    if not irregular.any():
        return rows, codes, ends
    regular = np.ones(len(rows), bool)
    regular[np.searchsorted(ends, np.flatnonzero(irregular), side="right")] = False
    return _plain(texts, rows[regular], spelling)


def _chunks(lengths: npt.NDArray[np.int64]) -> list[slice]:
    """Runs of texts of about ``_CHUNK_CHARACTERS``; a text is never cut."""
    last = np.flatnonzero(np.diff(np.cumsum(lengths) // _CHUNK_CHARACTERS, append=-1)) + 1
    return [slice(*cut) for cut in pairwise([0, *last.tolist()])]


def _mark(codes: _Codes) -> tuple[_Codes, npt.NDArray[np.int64]]:
    """Put a marker at every edge of a word, and one in place of a single space between two words.

    Also returns the offsets, in the marked text, of those markers that are in no other character's place.
    """
    inside = np.zeros(len(codes) + 2, bool)
    np.take(_word_characters(), codes, out=inside[1:-1])
    edges = np.flatnonzero(inside[1:] != inside[:-1])
    starts, ends = edges[0::2], edges[1::2]
    # The space between two words: behind the one, before the other.
    between = (starts[1:] - ends[:-1] == 1) & (codes[ends[:-1]] == _SPACE)
    spaced = codes.copy()
    spaced[ends[:-1][between]] = ord(_MARKER)
    alone = np.ones(len(edges), bool)
    alone[1:-1] = np.repeat(~between, 2)
    added = edges[alone]
    return np.insert(spaced, added, ord(_MARKER)), added + np.arange(len(added))


def _codes(text: str) -> _Codes:
    """Code points, of ASCII in a byte each; lone surrogates, which no automaton takes, become question marks."""
    if text.isascii():
        return np.frombuffer(text.encode(), np.uint8)
    return np.frombuffer(text.encode("utf-32-le", errors="replace"), np.uint32)


def _text(codes: _Codes) -> str:
    return codes.tobytes().decode("ascii" if codes.itemsize == 1 else "utf-32-le")


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
