"""Paragraphs -> sentences with enough anchors (D_g); whatever is dropped is counted under a reason."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from cofee_dist.config import Corpus
from cofee_dist.corpus.wikitext import Anchor, Document

#: Languages without spaces between words, in which a sentence's length is counted in characters.
_COUNTED_IN_CHARACTERS = frozenset(("zh", "ja", "th", "wuu", "gan", "yue", "lzh"))
_FULL_STOPS = re.compile(r"[。！？；｡!?;…]++[」』”’\"'）)】》〉]*+")
_IDEOGRAPHIC = _COUNTED_IN_CHARACTERS - {"th"}

#: Languages that write ordinal numbers with a full stop (3. Oktober).
_DOTTED_ORDINALS = frozenset(
    ("de", "da", "no", "nb", "nn", "fi", "et", "cs", "sk", "hu", "sl", "hr", "sr", "bs", "lv", "lt", "ltg", "is", "lb")
)
_ENDS_IN_ORDINAL = re.compile(r"(?:^|[\s(])\d{1,3}\.$")
#: An initial (J. K. Rowling), but not a numeral (World War I.).
_ENDS_IN_INITIAL = re.compile(r"(?:^|[\s(.\"“-])(?![IVX])[^\W\d_]\.$")
_SURROGATES = re.compile("[\ud800-\udfff]")


class Sentence(NamedTuple):
    """A sentence of a page, the ``number``-th that is kept; its anchors' offsets are into ``text``."""

    section: str
    number: int
    text: str
    anchors: list[Anchor]


@dataclass(frozen=True)
class SentenceRules:
    """Which sentences are kept. Lengths are in words, in zh, ja and th in characters."""

    language: str
    min_anchors: int
    min_length: int
    max_length: int

    @classmethod
    def of(cls, config: Corpus, language: str) -> SentenceRules:
        """The rules that a config states."""
        return cls(language, config.min_anchors, config.min_sentence_length, config.max_sentence_length)

    def length(self, text: str) -> int:
        """A text's length in the language's unit."""
        base = self.language.partition("-")[0]
        return len(text) if base in _COUNTED_IN_CHARACTERS else len(text.split())


def sentences(document: Document, rules: SentenceRules, counts: Counter[str]) -> list[Sentence]:
    """The sentences of a page that are kept; ``number`` counts them within the page, from 0.

    Adds to ``counts``: ``candidates``, and for each of them that is not kept ``dropped.<reason>``. A paragraph that
    has too few anchors as a whole is not split: it is one candidate, dropped as ``paragraph_too_few_anchors``.
    """
    kept: list[Sentence] = []
    section, sections = "", iter([*document.sections, (len(document.text) + 1, "")])
    next_start, next_section = next(sections)
    anchors, at, end = document.anchors, 0, -1
    for paragraph in document.text.split("\n"):
        start, end = end + 1, end + 1 + len(paragraph)
        first = at
        while at < len(anchors) and anchors[at].start < end:
            at += 1
        while next_start <= start:
            section = next_section
            next_start, next_section = next(sections)
        if at - first < rules.min_anchors:
            too_few = 1 if paragraph else 0
            counts["candidates"] += too_few
            counts["dropped.paragraph_too_few_anchors"] += too_few
            continue
        for text, inside in split(paragraph, _shifted(anchors[first:at], start), rules.language):
            counts["candidates"] += 1
            if reason := _fault(text, inside, rules):
                counts[f"dropped.{reason}"] += 1
            else:
                kept.append(Sentence(section, len(kept), text, inside))
    return kept


def split(text: str, anchors: list[Anchor], language: str) -> Iterator[tuple[str, list[Anchor]]]:
    """Cut a paragraph into sentences, each with its anchors, never inside an anchor.

    ``anchors`` are in order, their offsets into ``text``; those that are yielded have offsets into the sentence, which
    has no space at its ends.
    """
    spans = _splitter(language)(text)
    at = next_span = 0
    while next_span < len(spans):
        begin, end = spans[next_span]
        next_span += 1
        first = at
        while at < len(anchors) and anchors[at].start < end:
            while anchors[at].end > end and next_span < len(spans):
                end = spans[next_span][1]
                next_span += 1
            at += 1
        yield text[begin:end], _shifted(anchors[first:at], begin)


def _shifted(anchors: list[Anchor], origin: int) -> list[Anchor]:
    return [Anchor(start - origin, end - origin, target) for start, end, target in anchors]


def _fault(sentence: str, anchors: list[Anchor], rules: SentenceRules) -> str:
    if len(anchors) < rules.min_anchors:
        return "too_few_anchors"
    length = rules.length(sentence)
    if length < rules.min_length:
        return "too_short"
    return "too_long" if length > rules.max_length else ""


@lru_cache(maxsize=16)
def _splitter(language: str) -> Callable[[str], list[tuple[int, int]]]:
    base = language.partition("-")[0]
    if base in _IDEOGRAPHIC:
        return _at_full_stops
    dotted = base in _DOTTED_ORDINALS
    return lambda text: _merge_abbreviations(text, _by_blingfire(text), dotted)


def _at_full_stops(text: str) -> list[tuple[int, int]]:
    cuts = [stop.end() for stop in _FULL_STOPS.finditer(text)]
    if not cuts or cuts[-1] < len(text):
        cuts.append(len(text))
    spans = []
    for start, end in zip([0, *cuts], cuts, strict=False):
        sentence = text[start:end]
        if core := sentence.strip():
            begin = start + sentence.index(core)
            spans.append((begin, begin + len(core)))
    return spans


def _by_blingfire(text: str) -> list[tuple[int, int]]:
    """BlingFire's sentences, found again in the text: quicker than its own offsets, and in code points."""
    from blingfire import text_to_sentences

    if not text.isascii():
        text = _SURROGATES.sub("\ufffd", text)
    spans, at = [], 0
    for sentence in text_to_sentences(text).split("\n"):
        sentence = sentence.strip()
        start = text.find(sentence, at)
        if start < 0 or not sentence:
            core = text.strip()
            return [(text.index(core), text.index(core) + len(core))] if core else []
        at = start + len(sentence)
        spans.append((start, at))
    return spans


def _merge_abbreviations(text: str, spans: list[tuple[int, int]], dotted_ordinals: bool) -> list[tuple[int, int]]:
    """Without the cuts after initials and ordinals, and before a small letter."""
    merged: list[tuple[int, int]] = []
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
