"""One word list, in any format that people keep them in: its entries and their aliases, one after the other."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any

import pyarrow as pa

from cofee_dist.config_gazetteer import GazetteerFile
from cofee_dist.errors import UserError
from cofee_dist.labels.gazetteer_lines import read_line_blocks, read_lines
from cofee_dist.labels.gazetteer_tables import NAMES, read_table

_BLOCK = 2**16
#: Entries of a list in a slower format that are looked at before a run.
_MOST_CHECKED = 1_000_000
_WITH_FREQUENCY = re.compile(r"[^\t]+\t[ \t]*\d+[ \t]*(\t.*)?")


def read_blocks(file: GazetteerFile) -> Iterator[pa.Array]:
    """``read_entries`` as Arrow arrays, without a Python loop over lines where the list has an entry a line.

    Those of such a list may be blank, or have spaces around them.
    """
    if file.kind == "lines":
        lines: list[str] = []
        for block in _line_entries(file):
            lines += block
            if len(lines) >= _BLOCK:
                yield pa.array(lines, pa.string())
                lines.clear()
        yield pa.array(lines, pa.string())
    else:
        entries = read_entries(file)
        while some := list(islice(entries, _BLOCK)):
            yield pa.array(some, pa.string())


def check_entries(file: GazetteerFile) -> None:
    """Raise the UserError that reading the list would raise: a list of lines as a whole, of others the first part."""
    if file.kind == "lines":
        deque(_line_entries(file), maxlen=0)
    else:
        deque(islice(read_entries(file), _MOST_CHECKED), maxlen=0)


def read_entries(file: GazetteerFile) -> Iterator[str]:
    """Yield the entries of a word list as they are written, a name before its aliases; blank ones are skipped.

    The file is read as the entries are asked for, and never held as a whole.

    Raises UserError, naming file and line, for a file that is missing or damaged, in another encoding than the
    config says, with a line that does not parse, without the column asked for, or without entries.
    """
    empty = True
    for entry in _entries(file):
        stripped = entry.strip()
        if stripped:
            empty = False
            yield stripped
    if empty:
        raise _no_entries(file)


def _entries(file: GazetteerFile) -> Iterator[str]:
    lines = read_lines(file.path, file.encoding)
    match file.kind:
        case "tsv":
            return read_table(lines, file, "\t")
        case "csv":
            return read_table(lines, file, ",")
        case "jsonl":
            return _from_jsonl(lines, file)
        case "sogou":
            return _first_words(lines, file)
        case _:
            return chain.from_iterable(_line_entries(file))


def _line_entries(file: GazetteerFile) -> Iterator[list[str]]:
    """A line is an entry; if only the file's name says so and each has a number behind a tab, the user must decide."""
    frequencies, empty = file.format == "auto", True
    for block in read_line_blocks(file.path, file.encoding):
        if empty or frequencies:
            written = list(filter(None, map(str.strip, block)))
            empty = empty and not written
            frequencies = frequencies and all(map(_WITH_FREQUENCY.fullmatch, written))
        yield block
    if empty:
        raise _no_entries(file)
    if frequencies:
        raise UserError(
            "every line of the gazetteer has a number after its entry",
            where=f"{file.path}:1",
            fix=f"say that these are frequencies: {{path: {file.path}, format: sogou}}, or not: format: lines",
        )


def _no_entries(file: GazetteerFile) -> UserError:
    return UserError("the gazetteer has no entries", where=file.path, fix="write some, or remove the file")


def _first_words(lines: Iterable[str], file: GazetteerFile) -> Iterator[str]:
    """What stands before the first tab, or before the first white space of a line without tabs."""
    for number, line in enumerate(lines, start=1):
        word, tab, _ = line.partition("\t")
        if not tab:
            yield from line.split(maxsplit=1)[:1]
        elif word.strip() or line.isspace():
            yield word
        else:
            raise UserError(
                "no word before the tab", where=f"{file.path}:{number}", fix="a line is: word, tab, frequency"
            )


def _from_jsonl(lines: Iterable[str], file: GazetteerFile) -> Iterator[str]:
    names = NAMES if file.column is None else (str(file.column),)
    aliases = "aliases" if file.aliases is None else str(file.aliases)
    has_aliases = False
    last: dict[str, Any] = {}
    for number, line in enumerate(lines, start=1):
        if line.isspace():
            continue
        where = f"{file.path}:{number}"
        last = _record(line, where)
        name = next((field for field in names if field in last), None)
        if name is None:
            raise _no_field("no entry in this line: it has no " + " or ".join(map(repr, names)), where, last, "column")
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
