"""Word lists of JSON: an object a line, or an array of strings or objects."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from cofee_dist.config.gazetteer import GazetteerFile
from cofee_dist.errors import UserError
from cofee_dist.labels.gazetteer_tables import NAMES

_Item = tuple[str, Any]  # where it stands, what it is


def read_json_lines(lines: Iterable[str], file: GazetteerFile) -> Iterator[str]:
    """Yield the entries of JSONL, a name before its aliases.

    Raises UserError, naming file and line, for one that is no JSON, and for fields that are not there or no text.
    """
    return _from_records(_line_records(lines, file), file)


def read_json(lines: Iterable[str], file: GazetteerFile) -> Iterator[str]:
    """Yield the entries of an array of strings or objects, which is read as a whole; or of JSONL of another name."""
    rest = iter(lines)
    first = next((line for line in rest if not line.isspace()), "")
    if not first.lstrip().startswith("["):
        return read_json_lines(chain([first], rest), file)
    try:
        items = json.loads(first + "".join(rest))
    except (ValueError, RecursionError) as error:
        raise UserError(f"not valid JSON ({error})", where=file.path, fix=_AN_ARRAY) from error
    return _from_records(((f"{file.path}, item {at}", item) for at, item in enumerate(items, start=1)), file)


def _line_records(lines: Iterable[str], file: GazetteerFile) -> Iterator[_Item]:
    for number, line in enumerate(lines, start=1):
        if not line.isspace():
            where = f"{file.path}:{number}"
            yield where, _record(line, where)


def _from_records(items: Iterable[_Item], file: GazetteerFile) -> Iterator[str]:
    names = NAMES if file.column is None else (str(file.column),)
    aliases = "aliases" if file.aliases is None else str(file.aliases)
    has_aliases = False
    last: dict[str, Any] = {}
    for where, item in items:
        if isinstance(item, str):
            yield _text(item, "it", where)
            continue
        if not isinstance(item, dict):
            raise UserError(f"neither a string nor an object: {item!r:.80}", where=where, fix=_AN_ARRAY)
        last = item
        name = next((field for field in names if field in last), None)
        if name is None:
            raise _no_field("no entry here: there is no " + " or ".join(map(repr, names)), where, last, "column")
        yield _text(last[name], name, where)
        has_aliases |= aliases in last
        yield from _aliases(last.get(aliases), aliases, where, file.alias_separator)
    if last and file.aliases is not None and not has_aliases:
        raise _no_field(f"no line has the field {aliases!r}", file.path, last, "aliases")


def _record(line: str, where: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UserError(f"not valid JSON ({error})", where=where, fix=_A_LINE_OF_JSON) from error
    if not isinstance(record, dict):
        raise UserError("the line is JSON, but not an object", where=where, fix=_A_LINE_OF_JSON)
    return record


def _aliases(found: Any, field: str, where: str, separator: str) -> Iterator[str]:
    if found is None:
        return
    if isinstance(found, str):
        found = found.split(separator)
    if not isinstance(found, list):
        raise UserError(f"{field!r} is not a list of strings: {found!r:.80}", where=where, fix=_A_LINE_OF_JSON)
    for alias in found:
        yield _text(alias, field, where)


def _text(found: Any, field: str, where: str) -> str:
    if not isinstance(found, str):
        raise UserError(f"{field!r} holds {found!r:.80}, which is not a string", where=where, fix=_A_LINE_OF_JSON)
    try:
        # JSON can escape half of a character; no text has it.
        found.encode()
    except UnicodeEncodeError as error:
        raise UserError(f"{field!r} holds half a character: {found!a:.80}", where=where, fix="correct it") from error
    return found


def _no_field(what: str, where: str, record: dict[str, Any], setting: str) -> UserError:
    fields = ", ".join(map(repr, record)) or "none"
    return UserError(what, where=where, fix=f"set {setting!r} to one of its fields, which are: {fields}")


_A_LINE_OF_JSON = 'a line is {"name": "…", "aliases": ["…", "…"]}'
_AN_ARRAY = 'write ["…", "…"] or [{"name": "…", "aliases": ["…"]}, …]; or a list with an entry a line, as .txt'
