"""What the user says: the types to recognise, and how each is described and listed."""

from __future__ import annotations

from pydantic import Field

from cofee_dist.config.gazetteer import GazetteerFile
from cofee_dist.config.language import Language
from cofee_dist.config.tree import Some, Tree


class EntityType(Tree):
    """What the user says of a type: a question that describes it, and its word lists."""

    question: str = Field(min_length=1)
    gazetteers: Some[GazetteerFile] = Field(min_length=1)


class Task(Tree):
    """The types to recognise, and the language of text and questions (ISO 639-1: en, zh, zh-hant)."""

    language: Language = "en"
    types: dict[str, EntityType] = Field(min_length=1)
    entity_question: str = "Find Entities"
