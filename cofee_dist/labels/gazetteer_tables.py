"""Word lists that are tables, TSV or CSV: which columns hold the entries and their aliases."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from cofee_dist.config.gazetteer import GazetteerFile
from cofee_dist.errors import UserError

#: What the column of the entries is called where the config does not say; the first that is there.
NAMES = ("name", "surface", "title", "label")
_ALIASES = "aliases"
_DELIMITERS = "\t;|,"
# The default, 131,072, is less than some lists of aliases; a quote that is never closed ends here, not in memory.
csv.field_size_limit(2**24)

_Row = tuple[int, list[str]]  # the number of its first line, cells


def read_table(lines: Iterable[str], file: GazetteerFile, delimiter: str) -> Iterator[str]:
    """Yield the cells of the entries' column, each before its aliases; a row may end before the aliases' column.

    ``delimiter`` is that of tables with such a name; the config's goes before it, and one by which the header has a
    column of the names that are looked for.

    Raises UserError for a column that is not there, naming those that are, and for a row that does not parse.
    """
    delimiter, lines = _delimiter(iter(lines), file, delimiter)
    rows = _rows(lines, file, delimiter)
    first = next(rows, None)
    if first is None:
        return
    has_header = _has_header(first[1], file)
    name, aliases = _columns(first, file, has_header)
    for number, cells in rows if has_header else chain([first], rows):
        try:
            yield cells[name]
        except IndexError as error:
            raise UserError(
                f"the row has {len(cells)} cells, none in column {name}",
                where=f"{file.path}:{number}",
                fix="columns are counted from 0; check quotes and delimiter of this line, or set delimiter: ';'",
            ) from error
        if aliases is not None and -len(cells) <= aliases < len(cells):
            yield from cells[aliases].split(file.alias_separator)


def _delimiter(lines: Iterator[str], file: GazetteerFile, usual: str) -> tuple[str, Iterator[str]]:
    """The table's delimiter, and all of its lines again."""
    if file.delimiter is not None or file.header is False:
        return file.delimiter or usual, lines
    head = []
    for line in lines:
        head.append(line)
        if not line.isspace():
            break
    asked = [name for name in (file.column, file.aliases) if isinstance(name, str)]

    def cells(delimiter: str) -> list[str]:
        return next(csv.reader(head[-1:], delimiter=delimiter), [])

    for delimiter in (usual, *_DELIMITERS):
        if any(_find(cells(delimiter), name) is not None for name in asked or NAMES):
            return delimiter, chain(head, lines)
    return usual, chain(head, lines)


def _rows(lines: Iterable[str], file: GazetteerFile, delimiter: str) -> Iterator[_Row]:
    # None is csv's way to say that no character is a quote.
    reader = csv.reader(lines, delimiter=delimiter, quotechar='"' if file.quotes else None, strict=True)
    while True:
        number = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise UserError(
                f"the row that begins here is not {file.kind.upper()} ({error})",
                where=f"{file.path}:{number}",
                fix="close and double its quotes, or set quotes: false if they are characters like any other",
            ) from error
        if any(map(str.strip, cells)):
            yield number, cells


def _has_header(cells: Sequence[str], file: GazetteerFile) -> bool:
    if file.header is not None:
        return file.header
    by_name = isinstance(file.column, str) or isinstance(file.aliases, str)
    return by_name or any(_find(cells, name) is not None for name in NAMES)


def _columns(first: _Row, file: GazetteerFile, has_header: bool) -> tuple[int, int | None]:
    """Where in a row the entry and its aliases are."""
    defaults = [_find(first[1], name) for name in NAMES] if has_header else []
    name = next((column for column in defaults if column is not None), 0)
    if file.column is not None:
        name = _column(file.column, first, file, has_header)
    if file.aliases is not None:
        return name, _column(file.aliases, first, file, has_header)
    return name, _find(first[1], _ALIASES) if has_header else None


def _column(wanted: int | str, first: _Row, file: GazetteerFile, has_header: bool) -> int:
    number, cells = first
    column = wanted if isinstance(wanted, int) else _find(cells, wanted)
    if column is not None and -len(cells) <= column < len(cells):
        return column
    there = f"take one of columns 0 to {len(cells) - 1}"
    if has_header:
        there += ": " + ", ".join(repr(cell.strip()) for cell in cells)
    raise UserError(f"the gazetteer has no column {wanted!r}", where=f"{file.path}:{number}", fix=there)


def _find(cells: Sequence[str], name: str) -> int | None:
    """The column of this name; of names that differ in case only where none is the same."""
    titles = [cell.strip() for cell in cells]
    if name in titles:
        return titles.index(name)
    lowered = [title.lower() for title in titles]
    return lowered.index(name.lower()) if name.lower() in lowered else None
