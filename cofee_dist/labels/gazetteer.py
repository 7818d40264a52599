"""Word lists of a task: read, normalised, and turned into one map from entry to types."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from cofee_dist.config import Labels, Task
from cofee_dist.errors import UserError
from cofee_dist.labels.normalise import normalise_array


@dataclass(frozen=True)
class TypeCounts:
    """What the word lists of a type hold. ``entries`` are distinct after normalisation."""

    entries: int
    duplicates: int
    ambiguous: int


@dataclass(frozen=True)
class Gazetteer:
    """Normalised entries with their types, in the task's order of types.

    ``entries`` are those that give labels. An entry of several types is in ``ambiguous``, and with
    ``ambiguity: keep_all`` in ``entries`` too; with ``drop`` it gives no label, but still counts as what the
    text names: a shorter entry inside it gives none either.
    """

    entries: Mapping[str, tuple[str, ...]]
    ambiguous: Mapping[str, tuple[str, ...]]
    counts: Mapping[str, TypeCounts]
    files: Mapping[str, tuple[str, ...]]
    ignore_case: bool = False

    def names(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Every entry with the types that it labels, which are none for a dropped one."""
        yield from self.entries.items()
        for entry in self.ambiguous:
            if entry not in self.entries:
                yield entry, ()


def read_gazetteers(task: Task, labels: Labels) -> Gazetteer:
    """Read the word lists of every type: UTF-8, an entry a line, blank lines skipped.

    Raises UserError for a file that is missing, not UTF-8 text (naming the line) or without entries.
    """
    lists = {
        name: [line for file in entity_type.gazetteers for line in _read_entries(Path(file))]
        for name, entity_type in task.types.items()
    }
    files = {name: entity_type.gazetteers for name, entity_type in task.types.items()}
    return build_gazetteer(lists, labels, files)


def build_gazetteer(
    lists: Mapping[str, Iterable[str]], labels: Labels, files: Mapping[str, tuple[str, ...]] | None = None
) -> Gazetteer:
    """Merge word lists (type to raw entries) under ``labels.ambiguity`` and ``labels.ignore_case``."""
    types_of: dict[str, tuple[str, ...]] = {}
    lines, distinct = Counter[str](), Counter[str]()
    for name, raw_entries in lists.items():
        for entry in normalise_array(pa.array(raw_entries, pa.string()), labels.ignore_case).to_pylist():
            if not entry:
                continue
            lines[name] += 1
            types = types_of.get(entry, ())
            if not types or types[-1] != name:
                types_of[entry] = (*types, name)
                distinct[name] += 1
    ambiguous = {entry: types for entry, types in types_of.items() if len(types) > 1}
    shared = Counter(name for types in ambiguous.values() for name in types)
    entries = types_of
    if labels.ambiguity == "drop":
        entries = {entry: types for entry, types in types_of.items() if len(types) == 1}
    counts = {name: TypeCounts(distinct[name], lines[name] - distinct[name], shared[name]) for name in lists}
    return Gazetteer(entries, ambiguous, counts, dict(files or {}), labels.ignore_case)


def _read_entries(path: Path) -> list[str]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(
            f"cannot read the gazetteer: {error.strerror}",
            where=path,
            fix="correct the path in task.types.<type>.gazetteers (relative paths start at the working folder)",
        ) from error
    if b"\0" in data:
        raise UserError("the gazetteer is not UTF-8 text (it holds zero bytes)", where=path, fix=_SAVE_AS_UTF8)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # The decoder may count from after the byte order mark.
        line = bytes(error.object[: error.start]).count(b"\n") + 1
        raise UserError(
            f"the gazetteer is not UTF-8 (byte 0x{error.object[error.start]:02x})",
            where=f"{path}, line {line}",
            fix=_SAVE_AS_UTF8,
        ) from error
    # Not splitlines(): it would also cut at rare separators that normalisation reads as spaces.
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    entries = [line for line in lines if line.strip()]
    if not entries:
        raise UserError("the gazetteer has no entries", where=path, fix="write one entry a line, or remove the file")
    return entries


_SAVE_AS_UTF8 = "save the file as UTF-8, one entry a line"
