"""A sentence cut into plain and highlighted pieces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cofee_dist.report.schema import Span

#: How far a cut may move to fall between words, in characters.
_TO_A_SPACE = 12


@dataclass(frozen=True)
class Piece:
    """A stretch of text; ``entity`` is None for the text between entities."""

    text: str
    entity: Span | None = None


def pieces(text: str, entities: Sequence[Span]) -> tuple[list[Piece], list[Span]]:
    """Cut a text at its entities.

    Returns the pieces, which join to the text, and the entities that overlap one already shown (of nested entities
    the outermost is shown), which the reader is told of apart.
    """
    found: list[Piece] = []
    hidden: list[Span] = []
    at = 0
    for entity in sorted(entities, key=lambda span: (span.start, -span.end)):
        if entity.start < at:
            hidden.append(entity)
            continue
        if entity.start > at:
            found.append(Piece(text[at : entity.start]))
        found.append(Piece(text[entity.start : entity.end], entity))
        at = entity.end
    if at < len(text):
        found.append(Piece(text[at:]))
    return found, hidden


def excerpt(text: str, entity: Span, most: int) -> tuple[str, Span]:
    """About ``most`` characters around an entity, which stays whole, with … where cut; and the entity in them."""
    begin = max(0, min(entity.start - (most - (entity.end - entity.start)) // 2, len(text) - most, entity.start))
    end = min(len(text), max(begin + most, entity.end))
    if begin > 0:
        begin = text.find(" ", begin, min(begin + _TO_A_SPACE, entity.start)) + 1 or begin
    if end < len(text):
        space = text.rfind(" ", max(end - _TO_A_SPACE, entity.end), end)
        end = space if space >= 0 else end
    before, after = "…" * (begin > 0), "…" * (end < len(text))
    moved = len(before) - begin
    span = entity.model_copy(update={"start": entity.start + moved, "end": entity.end + moved})
    return before + text[begin:end] + after, span
