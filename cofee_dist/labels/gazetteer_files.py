"""One word list, in any format that people keep them in: its entries and their aliases, one after the other."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain, islice

import pyarrow as pa

from cofee_dist.config.gazetteer import GazetteerFile
from cofee_dist.errors import UserError
from cofee_dist.labels.gazetteer_json import read_json, read_json_lines
from cofee_dist.labels.gazetteer_lines import read_line_blocks, read_lines
from cofee_dist.labels.gazetteer_tables import read_table

_BLOCK = 2**16
#: Entries of a list in a slower format that are looked at before a run.
_MOST_CHECKED = 1_000_000
_HAN = "[\u3400-\u9fff\U00020000-\U0003ffff]"
#: Behind a space, names of products have numbers too: see ``_line_entries``.
_WITH_FREQUENCY = re.compile(r"[^\t]+\t[ \t]*\d+[ \t]*(\t.*)?|[^\s]+[ \u3000]+\d+([ \u3000]+[a-z]+)?")
_SPACED_LATIN = re.compile(rf"(?!.*{_HAN})[^\t]*")
_SYLLABLE = "[a-zü]+[1-5]?"
#: Pinyin and the word behind it: with its quotes (``'bei'jing``), or a tab after it, or it could be a word in itself.
_WITH_PINYIN = re.compile(
    rf"(?:'{_SYLLABLE}(?:'{_SYLLABLE})*'?\s+|{_SYLLABLE}(?:'{_SYLLABLE})+\s+|{_SYLLABLE}(?: {_SYLLABLE})*\t\s*)"
    rf"(\S*{_HAN}.*)"
)


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
            return read_json_lines(lines, file)
        case "json":
            return read_json(lines, file)
        case "sogou":
            return _first_words(lines, file)
        case _:
            return chain.from_iterable(_line_entries(file))


def _line_entries(file: GazetteerFile) -> Iterator[list[str]]:
    """A line is an entry; if only the file's name says so and each has a frequency or pinyin, the user must decide.

    Numbers behind spaces are frequencies only where most of the entries are Chinese: there is an iPhone 12.
    """
    frequencies = pinyin = file.format == "auto"
    empty, latin, lines = True, 0, 0
    for block in read_line_blocks(file.path, file.encoding):
        if empty or frequencies or pinyin:
            written = list(filter(None, map(str.strip, block)))
            empty = empty and not written
            frequencies = frequencies and all(map(_WITH_FREQUENCY.fullmatch, written))
            pinyin = pinyin and all(map(_WITH_PINYIN.fullmatch, written))
            if frequencies:
                lines, latin = lines + len(written), latin + sum(map(bool, map(_SPACED_LATIN.fullmatch, written)))
        yield block
    if empty:
        raise _no_entries(file)
    frequencies = frequencies and 2 * latin < lines
    if frequencies or pinyin:
        what, these = ("a number after", "frequencies") if frequencies else ("pinyin before", "pinyin")
        raise UserError(
            f"every line of the gazetteer has {what} its entry",
            where=f"{file.path}:1",
            fix=f"say that these are {these}: {{path: {file.path}, format: sogou}}, or not: format: lines",
        )


def _no_entries(file: GazetteerFile) -> UserError:
    return UserError("the gazetteer has no entries", where=file.path, fix="write some, or remove the file")


def _first_words(lines: Iterable[str], file: GazetteerFile) -> Iterator[str]:
    """What stands before the first tab, or before the first white space of a line without tabs; pinyin is skipped."""
    for number, line in enumerate(lines, start=1):
        behind_pinyin = _WITH_PINYIN.fullmatch(line.strip())
        if behind_pinyin:
            line = behind_pinyin[1]
        word, tab, _ = line.partition("\t")
        if not tab:
            yield from line.split(maxsplit=1)[:1]
        elif word.strip() or line.isspace():
            yield word
        else:
            raise UserError(
                "no word before the tab", where=f"{file.path}:{number}", fix="a line is: word, tab, frequency"
            )
