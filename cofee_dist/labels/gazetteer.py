"""Word lists of a task: read, normalised, and turned into one table of entries and their types.

Entries stay in Arrow, tens of bytes each, so that lists of tens of millions fit where their strings would not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from itertools import chain, islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cofee_dist.artifacts import read_json, write_json
from cofee_dist.config import Ambiguity, Chinese, Labels, Task
from cofee_dist.labels.gazetteer_files import read_blocks
from cofee_dist.labels.normalise import normalise_array

#: The Parquet file of names and kinds in a gazetteer's folder.
ENTRIES = "entries.parquet"

_BLOCK = 2**16
_ROWS_PER_GROUP = 1_000_000
_SETTINGS = "settings.json"
_KEEP_ALL: Ambiguity = "keep_all"

#: For each type, blocks of its lists' entries as they are written.
_Lists = Mapping[str, Iterable[pa.Array]]


@dataclass(frozen=True)
class TypeCounts:
    """What the word lists of a type hold. ``entries`` are distinct after normalisation."""

    entries: int
    duplicates: int
    ambiguous: int


@dataclass(frozen=True)
class Gazetteer:
    """Normalised entries with their types, in the order in which the lists have them.

    ``names`` and ``kinds`` have an item for each distinct entry; its kind is an index into ``types_of_kind``, the
    types whose lists have it, in the task's order. An entry of several types is ambiguous: with ``keep_all`` it gives
    a label of each; with ``drop`` it gives none, but still counts as what the text names, so that a shorter entry
    inside it gives none either.
    """

    names: pa.ChunkedArray
    kinds: npt.NDArray[np.int32]
    types_of_kind: tuple[tuple[str, ...], ...]
    counts: Mapping[str, TypeCounts]
    files: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ambiguity: Ambiguity = _KEEP_ALL
    ignore_case: bool = False
    chinese: Chinese = "none"

    @property
    def labels_of_kind(self) -> tuple[tuple[str, ...], ...]:
        """The types that entries of each kind label."""
        keep = self.ambiguity == _KEEP_ALL
        return tuple(types if keep or len(types) == 1 else () for types in self.types_of_kind)

    def kinds_with(self, name: str) -> npt.NDArray[np.int64]:
        """The kinds of entries that the type's lists have."""
        return np.array([kind for kind, types in enumerate(self.types_of_kind) if name in types], np.int64)

    def items(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Every entry with the types that it labels, as Python has them: for lists that fit."""
        labels = self.labels_of_kind
        for name, kind in zip(self.names.to_pylist(), self.kinds.tolist(), strict=True):
            yield name, labels[kind]

    @cached_property
    def entries(self) -> Mapping[str, tuple[str, ...]]:
        """Those that give labels, with the types that they label."""
        return {name: types for name, types in self.items() if types}

    def write(self, folder: Path) -> None:
        """Write names, kinds and settings, where Spark and other processes can read them."""
        folder.mkdir(parents=True, exist_ok=True)
        table = pa.table({"name": self.names, "kind": pa.array(self.kinds)})
        pq.write_table(table, folder / ENTRIES, compression="zstd", row_group_size=_ROWS_PER_GROUP)
        settings = {
            "types_of_kind": self.types_of_kind,
            "counts": {name: asdict(counts) for name, counts in self.counts.items()},
            "ambiguity": self.ambiguity,
            "ignore_case": self.ignore_case,
            "chinese": self.chinese,
        }
        write_json(folder / _SETTINGS, settings)

    @classmethod
    def read(cls, folder: Path) -> Gazetteer:
        """What ``write`` wrote; the paths of the lists are not among it."""
        # Without threads: a process may fork after this.
        table = pq.ParquetFile(folder / ENTRIES).read(use_threads=False)
        settings = read_json(folder / _SETTINGS)
        kinds = tuple(map(tuple, settings.pop("types_of_kind")))
        counts = {name: TypeCounts(**of_type) for name, of_type in settings.pop("counts").items()}
        return cls(table.column("name"), table.column("kind").to_numpy(), kinds, counts, **settings)

    def look_up(self, names: Iterable[str]) -> dict[str, int]:
        """The kinds of those of the names that are entries."""
        wanted = pa.array(names, pa.string())
        at = np.flatnonzero(pc.is_in(self.names, value_set=wanted).to_numpy())
        return dict(zip(self.names.take(pa.array(at)).to_pylist(), self.kinds[at].tolist(), strict=True))


def read_gazetteers(task: Task, labels: Labels) -> Gazetteer:
    """Read the word lists of every type, in the formats and encodings that the config says.

    Raises UserError as ``read_entries`` does.
    """
    lists = {
        name: chain.from_iterable(map(read_blocks, entity_type.gazetteers)) for name, entity_type in task.types.items()
    }
    files = {name: tuple(file.path for file in entity_type.gazetteers) for name, entity_type in task.types.items()}
    return _merge(lists, labels, files)


def build_gazetteer(
    lists: Mapping[str, Iterable[str]], labels: Labels, files: Mapping[str, tuple[str, ...]] | None = None
) -> Gazetteer:
    """Merge word lists (type to raw entries, each gone through once) as ``labels`` says."""
    return _merge({name: _blocks(entries) for name, entries in lists.items()}, labels, files or {})


def _blocks(entries: Iterable[str]) -> Iterator[pa.Array]:
    rest = iter(entries)
    while block := list(islice(rest, _BLOCK)):
        yield pa.array(block, pa.string())


def _merge(lists: _Lists, labels: Labels, files: Mapping[str, tuple[str, ...]]) -> Gazetteer:
    blocks: list[pa.Array] = []
    lines: list[int] = []
    for raw_blocks in lists.values():
        lines.append(0)
        for raw in raw_blocks:
            block = normalise_array(raw, labels.ignore_case, labels.chinese)
            block = block.filter(pc.not_equal(block, ""))
            lines[-1] += len(block)
            blocks.append(block)
    # Numbers in the order in which entries are first seen.
    encoded = pa.chunked_array(blocks, pa.string()).dictionary_encode()
    blocks.clear()
    numbers = np.concatenate([np.empty(0, np.int64), *(chunk.indices.to_numpy() for chunk in encoded.chunks)])
    names = pa.chunked_array([encoded.chunks[-1].dictionary] if encoded.num_chunks else [], pa.string())
    # Each entry of each type once, by entry, then in the task's order.
    pairs = np.sort(numbers * len(lines) + np.repeat(np.arange(len(lines)), lines))
    # Much faster than np.unique, which hashes.
    pairs = pairs[np.diff(pairs, prepend=-1) > 0]
    entry, type_number = np.divmod(pairs, max(len(lines), 1))
    kinds, types_of_kind = _kinds(entry, type_number, tuple(lists))
    several = np.bincount(entry, minlength=len(names)) > 1
    distinct = np.bincount(type_number, minlength=len(lines)).tolist()
    shared = np.bincount(type_number[several[entry]], minlength=len(lines)).tolist()
    counts = {name: TypeCounts(distinct[at], lines[at] - distinct[at], shared[at]) for at, name in enumerate(lists)}
    settings = labels.ambiguity, labels.ignore_case, labels.chinese
    return Gazetteer(names, kinds, types_of_kind, counts, dict(files), *settings)


def _kinds(
    entry: npt.NDArray[np.int64], type_number: npt.NDArray[np.int64], types: tuple[str, ...]
) -> tuple[npt.NDArray[np.int32], tuple[tuple[str, ...], ...]]:
    """The kind of each entry: the number of its one type, or for a set of several a number behind them."""
    first = np.flatnonzero(np.diff(entry, prepend=-1))
    kinds = type_number[first].astype(np.int32)
    size = np.diff(np.append(first, len(entry)))
    found = [(name,) for name in types]
    # Sets of one size at a time, as rows.
    for several in np.unique(size[size > 1]).tolist():
        at = np.flatnonzero(size == several)
        sets, number = np.unique(type_number[first[at, None] + np.arange(several)], axis=0, return_inverse=True)
        kinds[at] = len(found) + number.reshape(-1)
        found += [tuple(types[each] for each in one) for one in sets.tolist()]
    return kinds, tuple(found)
