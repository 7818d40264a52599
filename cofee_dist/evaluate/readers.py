"""Files labelled by people -> sentences with character offsets."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

from cofee_dist.config import LabelledFile
from cofee_dist.errors import UserError
from cofee_dist.schemas import Entity, LabelledSentence

#: What may stand before the hyphen of a label, by scheme. IO also has bare types (``person``), see ``_split_label``.
_PREFIXES = {"bio": "BI", "bioes": "BIES", "io": "I"}
_ALL_PREFIXES = "BIESMLU"

_Column = tuple[int, str, str]  # line number, token, label
_Keeps = Callable[[str, str], bool]  # a type and where it was read -> whether to keep it
_Span = tuple[int, int, str]  # first token, one past the last token, type


def read_labelled(spec: LabelledFile, types: Collection[str], most: int | None = None) -> list[LabelledSentence]:
    """Read CoNLL columns or JSONL; a file is JSONL when its name ends in ``.jsonl``, or when the spec says so.

    Args:
        spec: the file, its format and what to leave out.
        types: the task's types; any other type that ``spec.ignore_types`` does not name is an error.
        most: sentences to read; what follows them in the file is not looked at.

    Returns:
        The sentences in the file's order, their entities by position; sentences without entities as well.

    Raises:
        UserError: for a missing or empty file, a malformed line (naming file and line) or an unknown type.
    """
    path = Path(spec.path)
    lines = _read_lines(path)
    keeps = _TypeFilter(frozenset(types), frozenset(spec.ignore_types))
    is_jsonl = spec.format == "jsonl" or (spec.format == "auto" and path.suffix == ".jsonl")
    read = _read_jsonl(lines, path, "type", keeps) if is_jsonl else _read_conll(lines, path, spec, keeps)
    sentences = list(islice(read, most))
    if not sentences:
        raise UserError("the labelled file has no sentences", where=path, fix="give a file with labelled sentences")
    return sentences


def read_truth(path: str | Path, key: str = "type") -> dict[str, tuple[Entity, ...]]:
    """Everything a JSONL file knows of each sentence, by the sentence's text.

    ``key`` is the field that holds an entity's type: ``type``, or ``fine`` for the finer types that clusters are
    judged by. Raises UserError as ``read_labelled`` does.
    """
    path = Path(path)
    return {sentence.text: sentence.entities for sentence in _read_jsonl(_read_lines(path), path, key, _keep_all)}


@dataclass(frozen=True)
class _TypeFilter:
    """True for a type of the task, False for one to leave out, an error for any other."""

    types: frozenset[str]
    ignored: frozenset[str]

    def __call__(self, type_: str, where: str) -> bool:
        if type_ in self.ignored:
            return False
        if type_ in self.types:
            return True
        raise UserError(
            f"type {type_!r} is not one of the task's types ({', '.join(sorted(self.types))})",
            where=where,
            fix=f"add {type_!r} to task.types, or leave it out: ignore_types of this file, or --ignore-type {type_}",
        )


def _keep_all(type_: str, where: str) -> bool:
    return True


def _read_lines(path: Path) -> Iterator[str]:
    try:
        # A file's own lines, not splitlines(): that also breaks at U+2028 and U+0085, which are tokens in some files.
        with path.open(encoding="utf-8-sig") as file:
            for line in file:
                yield line.removesuffix("\n")
    except OSError as error:
        raise UserError(
            f"cannot read the labelled file: {error.strerror}", where=path, fix="correct the path"
        ) from error
    except UnicodeDecodeError as error:
        raise UserError(f"the labelled file is not UTF-8 ({error})", where=path, fix="save it as UTF-8") from error


def _read_jsonl(lines: Iterable[str], path: Path, key: str, keeps: _Keeps) -> Iterator[LabelledSentence]:
    for number, line in enumerate(lines, start=1):
        if line.strip():
            text, entities = _parse_json(line, f"{path}:{number}", key)
            kept = [entity for entity in entities if keeps(entity.type, f"{path}:{number}")]
            yield LabelledSentence(text, tuple(sorted(kept, key=_position)))


def _parse_json(line: str, where: str, key: str) -> tuple[str, list[Entity]]:
    fix = f'each line is {{"text": ..., "entities": [{{"start", "end", "{key}"}}]}}'
    try:
        record = json.loads(line)
    except ValueError as error:
        raise UserError(f"not valid JSON ({error})", where=where, fix=fix) from error
    if not isinstance(record, dict) or not isinstance(record.get("text"), str):
        raise UserError("no 'text' in this line", where=where, fix=fix)
    if not isinstance(record.get("entities"), list):
        raise UserError("no list of 'entities' in this line", where=where, fix=fix)
    text = record["text"]
    return text, [_entity(entity, text, where, fix, key) for entity in record["entities"]]


def _entity(record: Any, text: str, where: str, fix: str, key: str) -> Entity:
    try:
        start, end, type_ = record["start"], record["end"], record[key]
    except (TypeError, KeyError) as error:
        raise UserError(f"an entity lacks start, end or {key}: {record!r:.80}", where=where, fix=fix) from error
    # bool is an int in Python, and no offset.
    if type(start) is not int or type(end) is not int or not isinstance(type_, str) or not type_:
        raise UserError(f"an entity's start, end or {key} is of the wrong kind: {record!r:.80}", where=where, fix=fix)
    if not 0 <= start < end <= len(text):
        raise UserError(
            f"offsets {start}..{end} are not a span of a text of {len(text)} characters",
            where=where,
            fix="offsets are half-open and count Unicode code points",
        )
    return Entity(start, end, type_)


def _position(entity: Entity) -> tuple[int, int, str]:
    return entity.start, entity.end, entity.type


def _read_conll(lines: Iterable[str], path: Path, spec: LabelledFile, keeps: _Keeps) -> Iterator[LabelledSentence]:
    """An empty line or a skipped one ends a sentence."""
    columns: list[_Column] = []
    for number, line in enumerate(chain(lines, [""]), start=1):
        if line.strip() and not line.startswith(spec.skip_lines_starting_with):
            columns.append((number, *_split_columns(line, spec, f"{path}:{number}")))
        elif columns:
            yield _sentence_from_columns(columns, path, spec, keeps)
            columns = []


def _split_columns(line: str, spec: LabelledFile, where: str) -> tuple[str, str]:
    # With tabs, a token may hold spaces; without them any run of whitespace separates.
    cells = line.split("\t") if "\t" in line else line.split()
    try:
        token, label = cells[spec.token_column], cells[spec.label_column].strip()
    except IndexError:
        token = label = ""
    if len(cells) < 2 or not token or not label:
        raise UserError(
            f"no token in column {spec.token_column} or no label in column {spec.label_column}: {line!r:.60}",
            where=where,
            fix="correct the line, add its beginning to skip_lines_starting_with, or set token_column, label_column",
        )
    return token, label


def _sentence_from_columns(
    columns: Sequence[_Column], path: Path, spec: LabelledFile, keeps: _Keeps
) -> LabelledSentence:
    starts, ends, at = [], [], 0
    for _, token, _ in columns:
        starts.append(at)
        ends.append(at + len(token))
        at = ends[-1] + len(spec.joiner)
    labels = [_split_label(label, spec.scheme, f"{path}:{number}") for number, _, label in columns]
    entities = tuple(
        Entity(starts[first], ends[end - 1], type_)
        for first, end, type_ in token_spans(labels)
        if keeps(type_, f"{path}:{columns[first][0]}")
    )
    return LabelledSentence(spec.joiner.join(token for _, token, _ in columns), entities)


def _split_label(label: str, scheme: str, where: str) -> tuple[str, str]:
    """``B-PER`` -> (B, PER); ``O`` -> (O, ""); a bare ``PER`` under IO -> (I, PER)."""
    if label == "O":
        return "O", ""
    prefix, hyphen, type_ = label.partition("-")
    if hyphen and type_ and prefix in _PREFIXES[scheme]:
        return prefix, type_
    # IO files also write the type alone, and it may have a hyphen of its own (person-actor).
    if scheme == "io" and not (hyphen and prefix in _ALL_PREFIXES):
        return "I", label
    known = ", ".join(f"{letter}-" for letter in _PREFIXES[scheme])
    raise UserError(
        f"label {label!r} does not fit the scheme {scheme} (O, {known})",
        where=where,
        fix="correct the label, or set this file's scheme, or --scheme (bio, bioes, io)",
    )


def token_spans(labels: Sequence[tuple[str, str]]) -> list[_Span]:
    """Entities of a sentence of (prefix, type) labels, over tokens, end exclusive.

    B and S always begin an entity, E and S end one. An I or E goes on with the entity before it if that is still
    open and of the same type; after O, after another type, or after an ended entity it begins one (as in IOB1 and
    conlleval): people's files have such labels, and an entity without its B is an entity all the same. So under
    IO, tokens of one type in a row are one entity.
    """
    spans: list[_Span] = []
    first, open_type = 0, ""
    for position, (prefix, type_) in enumerate([*labels, ("O", "")]):
        continues = prefix in "IE" and type_ == open_type
        if open_type and not continues:
            spans.append((first, position, open_type))
            open_type = ""
        if prefix != "O" and not continues:
            first, open_type = position, type_
        if prefix in "ES":
            spans.append((first, position + 1, open_type))
            open_type = ""
    return spans
