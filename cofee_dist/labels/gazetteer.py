"""Word lists of a task: read, normalised, and turned into one map from entry to types."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice

import pyarrow as pa

from cofee_dist.config import Chinese, Labels, Task
from cofee_dist.labels.gazetteer_files import read_entries
from cofee_dist.labels.normalise import normalise_array

_BLOCK = 2**16


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
    chinese: Chinese = "none"

    def names(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Every entry with the types that it labels, which are none for a dropped one."""
        yield from self.entries.items()
        for entry in self.ambiguous:
            if entry not in self.entries:
                yield entry, ()

    def types_of(self, entry: str) -> tuple[str, ...]:
        """The types whose lists have the entry, dropped or not."""
        return self.entries.get(entry) or self.ambiguous.get(entry, ())


def read_gazetteers(task: Task, labels: Labels) -> Gazetteer:
    """Read the word lists of every type, in the formats and encodings that the config says.

    Raises UserError as ``read_entries`` does.
    """
    lists = {
        name: chain.from_iterable(map(read_entries, entity_type.gazetteers)) for name, entity_type in task.types.items()
    }
    files = {name: tuple(file.path for file in entity_type.gazetteers) for name, entity_type in task.types.items()}
    return build_gazetteer(lists, labels, files)


def build_gazetteer(
    lists: Mapping[str, Iterable[str]], labels: Labels, files: Mapping[str, tuple[str, ...]] | None = None
) -> Gazetteer:
    """Merge word lists (type to raw entries, each gone through once) as ``labels`` says."""
    types_of: dict[str, tuple[str, ...]] = {}
    lines, distinct = Counter[str](), Counter[str]()
    for name, raw_entries in lists.items():
        alone = (name,)
        for entry in _normalised(raw_entries, labels):
            if not entry:
                continue
            lines[name] += 1
            types = types_of.get(entry)
            if types is None or types[-1] != name:
                types_of[entry] = (*types, name) if types else alone
                distinct[name] += 1
    ambiguous = {entry: types for entry, types in types_of.items() if len(types) > 1}
    shared = Counter(name for types in ambiguous.values() for name in types)
    entries = types_of
    if labels.ambiguity == "drop":
        entries = {entry: types for entry, types in types_of.items() if len(types) == 1}
    counts = {name: TypeCounts(distinct[name], lines[name] - distinct[name], shared[name]) for name in lists}
    return Gazetteer(entries, ambiguous, counts, dict(files or {}), labels.ignore_case, labels.chinese)


def _normalised(raw_entries: Iterable[str], labels: Labels) -> Iterator[str]:
    """Block by block, so that a long list is in memory once."""
    entries = iter(raw_entries)
    while block := list(islice(entries, _BLOCK)):
        yield from normalise_array(pa.array(block, pa.string()), labels.ignore_case, labels.chinese).to_pylist()
