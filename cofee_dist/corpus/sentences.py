"""Paragraphs -> sentences with enough anchors (D_g); whatever is dropped is counted under a reason."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

from cofee_dist.config import Corpus
from cofee_dist.corpus.budget import Budget
from cofee_dist.corpus.overlong import parts, shifted
from cofee_dist.corpus.splitters import Splitter, count_stops, splitter_of
from cofee_dist.corpus.wikitext import Anchor, Document

#: Languages without spaces between words, in which a sentence's length is counted in characters.
_COUNTED_IN_CHARACTERS = frozenset(("zh", "ja", "th", "wuu", "gan", "yue", "lzh"))

#: Cutting an over-long sentence looks at each of its characters alone.
_STEPS_TO_CUT = 32


class Sentence(NamedTuple):
    """A sentence of a page, the ``number``-th that is kept; its anchors' offsets are into ``text``."""

    section: str
    number: int
    text: str
    anchors: list[Anchor]


@dataclass(frozen=True)
class SentenceRules:
    """Which sentences are kept. Lengths are in words, in zh, ja and th in characters, unless ``unit`` says which.

    ``overlong`` is what becomes of sentences above ``max_length``; ``splitter`` cuts a paragraph (see ``Corpus``).
    """

    language: str
    min_anchors: int
    min_length: int
    max_length: int
    overlong: Literal["drop", "split"] = "drop"
    splitter: Splitter = "auto"
    unit: Literal["auto", "words", "characters"] = "auto"

    @classmethod
    def of(cls, config: Corpus, language: str) -> SentenceRules:
        """The rules that a config states."""
        return cls(
            language,
            config.min_anchors,
            config.min_sentence_length,
            config.max_sentence_length,
            config.overlong_sentences,
            config.sentence_splitter,
            config.sentence_length_unit,
        )

    @cached_property
    def in_characters(self) -> bool:
        """Whether lengths are in characters, not in words."""
        if self.unit != "auto":
            return self.unit == "characters"
        return self.language.partition("-")[0] in _COUNTED_IN_CHARACTERS

    def length(self, text: str) -> int:
        """A text's length in the language's unit."""
        return len(text) if self.in_characters else len(text.split())


def sentences(
    document: Document, rules: SentenceRules, counts: Counter[str], budget: Budget | None = None
) -> list[Sentence]:
    """The sentences of a page that are kept; ``number`` counts them within the page, from 0.

    Adds to ``counts``: ``candidates``, and for each of them that is not kept ``dropped.<reason>``; the anchors of what
    is kept as ``links_kept``, the others as ``links_dropped.<reason>``, which make all of the document's. A paragraph
    that has too few anchors as a whole is not split: it is one candidate, dropped as ``paragraph_too_few_anchors``.
    ``overlong_sentences`` are those that have anchors enough and are too long: candidates, or by ``rules.overlong``
    each of their parts is one. ``budget`` is what splitting may cost.

    Raises:
        TooMuchWork: for a document that costs more.
    """
    kept: list[Sentence] = []
    lost: dict[str, list[int]] = defaultdict(list)  # the number of anchors in each candidate that is dropped, by reason
    if document.left_out:
        lost["paragraph_too_few_anchors"] += document.left_out
    section, sections = "", iter([*document.sections, (len(document.text) + 1, "")])
    next_start, next_section = next(sections)
    anchors, at, end = document.anchors, 0, -1
    starts = [anchor.start for anchor in anchors]
    for paragraph in document.text.split("\n"):
        start, end = end + 1, end + 1 + len(paragraph)
        first, at = at, bisect_left(starts, end, at)
        while next_start <= start:
            section = next_section
            next_start, next_section = next(sections)
        if at - first < rules.min_anchors:
            if paragraph:
                lost["paragraph_too_few_anchors"].append(at - first)
            continue
        if budget is not None and not budget.is_ample:
            budget.pay_for(len(paragraph), count_stops(paragraph))
        for begin, stop, before, behind in _cuts(paragraph, starts, anchors, first, start, rules):
            # Most have too few, and need no more.
            if behind - before < rules.min_anchors:
                lost["too_few_anchors"].append(behind - before)
                continue
            text, inside = paragraph[begin:stop], shifted(anchors[before:behind], start + begin)
            reason = _fault(text, inside, rules)
            if reason == "too_long":
                counts["overlong_sentences"] += 1
                if rules.overlong == "split":
                    if budget is not None:
                        budget.pay_for(_STEPS_TO_CUT * len(text))
                    kept += _kept_parts(Sentence(section, len(kept), text, inside), rules, lost)
                    continue
            if reason:
                lost[reason].append(len(inside))
            else:
                kept.append(Sentence(section, len(kept), text, inside))
    counts["candidates"] += len(kept)
    counts["links_kept"] += sum(len(sentence.anchors) for sentence in kept)
    for reason, links in lost.items():
        counts["candidates"] += len(links)
        counts[f"dropped.{reason}"] += len(links)
        counts[f"links_dropped.{reason}"] += sum(links)
    return kept


def _kept_parts(overlong: Sentence, rules: SentenceRules, lost: dict[str, list[int]]) -> list[Sentence]:
    """The parts of an over-long sentence that are kept, numbered from its number on."""
    kept: list[Sentence] = []
    for text, inside in parts(overlong.text, overlong.anchors, rules.max_length, rules.in_characters):
        if reason := _fault(text, inside, rules):
            lost[reason].append(len(inside))
        else:
            kept.append(Sentence(overlong.section, overlong.number + len(kept), text, inside))
    return kept


def _cuts(
    paragraph: str, starts: list[int], anchors: list[Anchor], first: int, origin: int, rules: SentenceRules
) -> Iterator[tuple[int, int, int, int]]:
    """Where a paragraph's sentences begin and end, and the numbers of the anchors between; none cuts an anchor.

    ``anchors`` are the document's, and begin at ``starts``; ``first`` is the paragraph's first one, ``origin`` where
    the paragraph begins.
    """
    spans = iter(splitter_of(rules.language, rules.splitter)(paragraph))
    at = first
    for begin, end in spans:
        before, at = at, bisect_left(starts, origin + end, at)
        while at > before and anchors[at - 1].end > origin + end and (joined := next(spans, None)):
            end = joined[1]
            at = bisect_left(starts, origin + end, at)
        yield begin, end, before, at


def _fault(sentence: str, anchors: list[Anchor], rules: SentenceRules) -> str:
    if len(anchors) < rules.min_anchors:
        return "too_few_anchors"
    length = rules.length(sentence)
    if length < rules.min_length:
        return "too_short"
    return "too_long" if length > rules.max_length else ""
