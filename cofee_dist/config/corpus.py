"""The config of what is read: dumps and texts, and the first labels in them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from cofee_dist.config.tree import Positive, Share, Some, Tree

Parameter = Annotated[int, Field(ge=-1)] | Annotated[str, Field(min_length=1)]


class InlineTemplate(Tree):
    """A template that carries running text: which of its parameters stays.

    A parameter is a number (from 1; -1 is the last; 0 drops the template), a name, or a list of both, of which the
    first that is not empty counts: ``[text, quote, 1]``. ``link`` makes it a link to the article of that name, with
    ``shown`` (0: the same), if there is one, as its text. In a config the parameter alone will do.
    """

    parameter: tuple[Parameter, ...] = (1,)
    link: bool = False
    shown: tuple[Parameter, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _parameter_alone(cls, given: Any) -> Any:
        return {"parameter": given} if isinstance(given, (int, str, list, tuple)) else given

    @field_validator("parameter", "shown", mode="before")
    @classmethod
    def _one_or_more(cls, given: Any) -> Any:
        return (given,) if isinstance(given, (int, str)) else given

    @field_validator("shown")
    @classmethod
    def _same(cls, given: tuple[Parameter, ...]) -> tuple[Parameter, ...]:
        return tuple(parameter for parameter in given if parameter != 0)


#: A namespace's key, or its name in small letters (``corpus.titles.CANONICAL_NAMESPACES``).
Namespace = int | Literal["media", "talk", "user", "project", "file", "template", "help", "category", "portal"]


class Corpus(Tree):
    """From dump to D_g, and from texts to the sentences of D_s where ``labels.source`` is ``text``.

    ``dumps`` and ``texts`` are paths or URLs of fsspec. A text file has a paragraph a line; one whose name ends in
    .jsonl or .ndjson has ``{"text": …}`` a line; either may be compressed (.gz, .bz2). ``min_anchors`` holds for dumps
    only, ``max_sentences`` for dumps and texts each. ``max_sentence_length`` is in words, or in characters for zh, ja
    and th, unless ``sentence_length_unit`` says which; a sentence that is longer is dropped, or split at semicolons,
    commas or spaces. ``sentence_splitter`` is BlingFire, or for zh, ja and their like the full stops themselves.
    Tables are skipped, or each of their cells is a paragraph. ``disambiguation_templates`` are added to those by which
    disambiguation pages are known (``corpus.disambiguation``), ``inline_templates`` to those that carry running text
    (``corpus.inline_templates``), ``namespace_aliases`` to the names of namespaces: ``{Kuva: file}``.
    ``max_quarantined_share`` is that of pages which cannot be read, and that of the dumps' bytes which are damaged. A
    dump that ends early is an error, since how much is missing cannot be known; with ``truncated_dumps: keep`` the
    pages that are there are read. A page of more XML than ``max_page_bytes``, or that takes more than
    ``max_page_steps`` to render or to split (see ``corpus.budget``), is not read.
    """

    dumps: Some[str] = ()
    texts: Some[str] = ()
    min_anchors: Positive = 4
    min_sentence_length: Positive = 3
    max_sentence_length: Positive = 250
    max_sentences: Positive | None = None
    max_quarantined_share: Share = 0.05
    truncated_dumps: Literal["error", "keep"] = "error"
    max_page_bytes: Positive = 16 * 2**20
    max_page_steps: Positive = 2**28
    inline_templates: dict[str, InlineTemplate] = Field(default_factory=dict)
    namespace_aliases: dict[str, Namespace] = Field(default_factory=dict)
    tables: Literal["skip", "cells"] = "skip"
    disambiguation_pages: Literal["skip", "keep"] = "skip"
    disambiguation_templates: Some[str] = ()
    overlong_sentences: Literal["drop", "split"] = "drop"
    sentence_splitter: Literal["auto", "blingfire", "full_stops"] = "auto"
    sentence_length_unit: Literal["auto", "words", "characters"] = "auto"
    split_bytes: Positive = 4 * 2**20

    @field_validator("namespace_aliases", mode="before")
    @classmethod
    def _in_small_letters(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        return {name: key.lower() if isinstance(key, str) else key for name, key in given.items()}

    def deciding(self) -> dict[str, Any]:
        """The settings that decide what is in a corpus, beside what is in the files."""
        return self.model_dump(mode="json", exclude={"dumps", "texts", "split_bytes", "max_quarantined_share"})


Chinese = Literal["none", "simplified", "traditional"]
Ambiguity = Literal["keep_all", "drop"]


class Labels(Tree):
    """The first D_s: which anchors of D_g a gazetteer types, or with ``source: text`` what it names in the texts.

    ``match_on`` is for anchors. ``chinese`` is the variant in which entries, anchors and text are compared (see
    ``labels.chinese``).
    """

    source: Literal["anchors", "text"] = "anchors"
    match_on: Literal["surface", "target", "both"] = "surface"
    ambiguity: Ambiguity = "keep_all"
    ignore_case: bool = False
    chinese: Chinese = "none"
