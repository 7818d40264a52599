"""The config of a word list: where it lies and how it is read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from cofee_dist.config.tree import Tree

_KINDS = {".tsv": "tsv", ".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json", ".dic": "sogou"}


class GazetteerFile(Tree):
    """A word list; in a config its path alone will do. Lists whose names end in .gz or .bz2 are compressed.

    ``format: auto`` goes by the name: .tsv, .csv, .jsonl, .json (an array of strings or of objects); .dic is ``sogou``
    (a word, its frequency and more, of which the word is read; pinyin may stand before it); anything else has an entry
    a line. ``delimiter`` is what stands between a table's cells; null looks which one its header has. ``column`` and
    ``aliases`` are columns of a table, by name or number (from 0; -1 is the last), or fields of JSON. Without
    ``column`` it is the first of name, surface, title and label that there is, or else a table's first column; without
    ``aliases``, the one of that name. ``header: null`` looks whether a table has one. ``quotes: false`` is for tables
    in which a quote is a character like any other.
    """

    path: str = Field(min_length=1)
    format: Literal["auto", "lines", "tsv", "csv", "jsonl", "json", "sogou"] = "auto"
    encoding: str = "utf-8"
    header: bool | None = None
    column: int | str | None = None
    aliases: int | str | None = None
    alias_separator: str = Field(default="|", min_length=1)
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    quotes: bool = True

    @property
    def kind(self) -> str:
        """The format, by the name where it is ``auto``."""
        if self.format != "auto":
            return self.format
        name = self.path.lower().removesuffix(".gz").removesuffix(".bz2")
        return _KINDS.get(Path(name).suffix, "lines")

    @model_validator(mode="before")
    @classmethod
    def _path_alone(cls, given: Any) -> Any:
        return {"path": given} if isinstance(given, str) else given

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, encoding: str) -> str:
        try:
            "x".encode(encoding)
        except LookupError as error:
            raise ValueError(f"{error}; known are utf-8, gb18030, big5, utf-16, cp1252 and more") from error
        return encoding

    @model_validator(mode="after")
    def _says_what_is_read(self) -> GazetteerFile:
        columns = {"column": self.column, "aliases": self.aliases}
        table = {"header": self.header, "delimiter": self.delimiter}
        given = [key for key, value in {**columns, **table}.items() if value is not None]
        in_json = self.kind in ("jsonl", "json")
        if self.kind in ("lines", "sogou") and given:
            raise ValueError(f"a list of format {self.kind} has no {given[0]!r}; set format to tsv, csv or jsonl")
        if in_json and given and given[-1] in table:
            raise ValueError(f"{self.kind.upper()} has no {given[-1]!r}")
        for key, value in columns.items():
            if in_json and isinstance(value, int):
                raise ValueError(f"{key!r} is the name of a field of {self.kind.upper()}, not a number")
            if self.header is False and isinstance(value, str):
                raise ValueError(f"without a header {key!r} is a number, counted from 0")
        return self
