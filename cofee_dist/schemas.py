"""Every table's columns, and the records that packages hand to each other.

Offsets are half-open, in Unicode code points, into ``text``: ``text[start:end]`` is the surface.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

#: The pseudo-type of entity span identification (ESI): an anchor of any type.
ENTITY = "Entity"

LabelSource = Literal["anchor", "gazetteer", "picked"]

ANCHOR = pa.struct([("start", pa.int32()), ("end", pa.int32()), ("target", pa.string())])

ENTITY_STRUCT = pa.struct(
    [
        ("start", pa.int32()),
        ("end", pa.int32()),
        ("type", pa.string()),
        ("source", pa.string()),
        ("score", pa.float32()),
    ]
)

#: What identifies a sentence in every table; sentence_index counts within the page.
KEY: tuple[str, ...] = ("page_id", "sentence_index")

#: D_g: sentences with their anchors; ``target`` has redirects resolved.
SENTENCES = pa.schema(
    [
        ("page_id", pa.int64()),
        ("revision_id", pa.int64()),
        ("title", pa.string()),
        ("section", pa.string()),
        ("sentence_index", pa.int32()),
        ("text", pa.string()),
        ("anchors", pa.list_(ANCHOR)),
    ]
)

#: D_s, the ledger: one folder ``iteration=k`` for each round of self-picking.
LABELS = pa.schema(
    [
        ("page_id", pa.int64()),
        ("sentence_index", pa.int32()),
        ("text", pa.string()),
        ("entities", pa.list_(ENTITY_STRUCT)),
    ]
)

#: What was not read, and why.
QUARANTINE = pa.schema(
    [("page_id", pa.int64()), ("title", pa.string()), ("reason", pa.string()), ("detail", pa.string())]
)

#: FET: the entities of D_s^best with their cluster and squared distance to its centroid.
ENTITIES = pa.schema(
    [
        ("page_id", pa.int64()),
        ("sentence_index", pa.int32()),
        ("start", pa.int32()),
        ("end", pa.int32()),
        ("type", pa.string()),
        ("surface", pa.string()),
        ("cluster", pa.int32()),
        ("distance", pa.float32()),
    ]
)


@dataclass(frozen=True, slots=True)
class Entity:
    """A typed span of a sentence's text; ``score`` is 1 for labels that no model gave."""

    start: int
    end: int
    type: str
    source: str = ""
    score: float = 1.0


@dataclass(frozen=True, slots=True)
class LabelledSentence:
    """A sentence and its entities, weak or by people. ``page_id`` is -1 outside the corpus."""

    text: str
    entities: tuple[Entity, ...] = ()
    page_id: int = -1
    sentence_index: int = -1
