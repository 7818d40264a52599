"""Which labels an iteration of the ledger added and dropped, a batch at a time: D_s may hold millions of sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cofee_dist.errors import UserError
from cofee_dist.labels.ledger import LabelDiff, diff, read_blocks, spans
from cofee_dist.schemas import LABELS, Entity

_BATCH_ROWS = 2**16

#: How many labels there are, by type and source.
Counts = Counter[tuple[str, str]]
_Key = tuple[int, int]


@dataclass(frozen=True)
class ChangedSentence:
    """A sentence whose labels changed; each tuple of labels is by start, end and type."""

    page_id: int
    sentence_index: int
    text: str
    added: tuple[Entity, ...]
    dropped: tuple[Entity, ...]
    kept: tuple[Entity, ...]


@dataclass
class Changes:
    """One iteration against another. Labels are the same if sentence, offsets and type are.

    ``sentences`` counts those with a label added or dropped; ``examples`` are the first of them.
    """

    added: Counts = field(default_factory=Counter)
    dropped: Counts = field(default_factory=Counter)
    kept: Counts = field(default_factory=Counter)
    sentences: int = 0
    examples: list[ChangedSentence] = field(default_factory=list)


def by_type(counts: Counts) -> dict[str, int]:
    """How many labels there are of each type, by name."""
    found: Counter[str] = Counter()
    for (name, _), number in counts.items():
        found[name] += number
    return dict(sorted(found.items()))


def by_source(counts: Counts) -> dict[str, int]:
    """How many labels came from where (anchor, gazetteer, picked), by name."""
    found: Counter[str] = Counter()
    for (_, source), number in counts.items():
        found[source] += number
    return dict(sorted(found.items()))


def count_labels(ledger: Path, iteration: int) -> tuple[int, Counts]:
    """Sentences of an iteration, and its labels by type and source."""
    sentences, counts = 0, Counts()
    for table in read_blocks(ledger, iteration, _BATCH_ROWS):
        sentences += table.num_rows
        counts += _counted(spans(table))
    return sentences, counts


def compare(ledger: Path, before: int, after: int, limit: int = 0, types: Collection[str] = ()) -> Changes:
    """What iteration ``after`` added to ``before`` and dropped of it.

    Args:
        ledger: its folder.
        before: an iteration.
        after: another, which need not be the next.
        limit: of the examples.
        types: only labels of these; of all if empty.

    Raises:
        UserError: for an iteration that is not there, or is not in the order of its sentences' keys.
    """
    found = Changes()
    for old, new in _aligned(read_blocks(ledger, before, _BATCH_ROWS), read_blocks(ledger, after, _BATCH_ROWS)):
        change = _of_types(diff(old, new), types)
        for counts, rows in ((found.added, change.added), (found.dropped, change.dropped), (found.kept, change.kept)):
            counts.update(_counted(rows))
        changed = sorted(_keys(change.added) | _keys(change.dropped))
        found.sentences += len(changed)
        if wanted := changed[: limit - len(found.examples)]:
            found.examples += _examples(wanted, change, old, new)
    return found


def _aligned(before: Iterator[pa.Table], after: Iterator[pa.Table]) -> Iterator[tuple[pa.Table, pa.Table]]:
    """Two tables that are in the order of keys, cut at the same keys."""
    before, after = _in_order(before), _in_order(after)
    none = LABELS.empty_table()
    old = new = none
    while True:
        old, new = old if old.num_rows else next(before, none), new if new.num_rows else next(after, none)
        if not (old.num_rows and new.num_rows):
            if not (old.num_rows or new.num_rows):
                return
            yield old, new
            old = new = none
            continue
        border = min(_last(old), _last(new))
        here, there = _up_to(old, border), _up_to(new, border)
        yield old.slice(0, here), new.slice(0, there)
        old, new = old.slice(here), new.slice(there)


def _in_order(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    last: _Key | None = None
    for table in tables:
        if not table.num_rows:
            continue
        page, index = (table.column(name).to_numpy() for name in ("page_id", "sentence_index"))
        rises = (page[1:] > page[:-1]) | ((page[1:] == page[:-1]) & (index[1:] > index[:-1]))
        if not rises.all() or (last is not None and (page[0], index[0]) <= last):
            raise UserError(
                "the labels are not in the order of their sentences", fix="run the stage that writes them again"
            )
        last = _last(table)
        yield table


def _last(table: pa.Table) -> _Key:
    return table.column("page_id")[-1].as_py(), table.column("sentence_index")[-1].as_py()


def _up_to(table: pa.Table, border: _Key) -> int:
    """How many rows have keys that are not above the border."""
    page, index = (table.column(name).to_numpy() for name in ("page_id", "sentence_index"))
    return int(np.count_nonzero((page < border[0]) | ((page == border[0]) & (index <= border[1]))))


def _of_types(change: LabelDiff, types: Collection[str]) -> LabelDiff:
    if not types:
        return change
    wanted = pa.array(types, pa.string())
    parts = (change.added, change.dropped, change.kept)
    return LabelDiff(*(part.filter(pc.is_in(part.column("type"), value_set=wanted)) for part in parts))


def _counted(rows: pa.Table) -> Counts:
    counted = rows.group_by(["type", "source"]).aggregate([([], "count_all")])
    names, sources, numbers = (counted.column(name).to_pylist() for name in ("type", "source", "count_all"))
    return Counts(dict(zip(zip(names, sources, strict=True), numbers, strict=True)))


def _keys(rows: pa.Table) -> set[_Key]:
    return set(zip(rows.column("page_id").to_pylist(), rows.column("sentence_index").to_pylist(), strict=True))


def _examples(wanted: list[_Key], change: LabelDiff, old: pa.Table, new: pa.Table) -> list[ChangedSentence]:
    texts = {key: row["text"] for table in (old, new) for key, row in _rows(table, wanted)}
    labels: list[dict[_Key, list[Entity]]] = []
    for part in (change.added, change.dropped, change.kept):
        labels.append({key: [] for key in wanted})
        for key, row in _rows(part, wanted):
            names = ("start", "end", "type", "source", "score")
            labels[-1][key].append(Entity(**{name: row[name] for name in names}))
    return [ChangedSentence(*key, texts[key], *(tuple(part[key]) for part in labels)) for key in wanted]


def _rows(table: pa.Table, wanted: list[_Key]) -> Iterator[tuple[_Key, dict[str, Any]]]:
    """The rows of these sentences."""
    pages = pa.array({page for page, _ in wanted}, pa.int64())
    keys = set(wanted)
    for row in table.filter(pc.is_in(table.column("page_id"), value_set=pages)).to_pylist():
        key = row["page_id"], row["sentence_index"]
        if key in keys:
            yield key, row
