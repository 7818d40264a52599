"""A sentence cut into plain and highlighted pieces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cofee_dist.report.schema import Span


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
