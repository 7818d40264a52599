"""Sentences without anchors -> labels: what a gazetteer names in a batch of them, as Arrow columns."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cofee_dist.labels.gazetteer import Gazetteer
from cofee_dist.labels.matcher import Hits, Matcher
from cofee_dist.schemas import ENTITY_STRUCT, LABELS

#: LABELS, and beside them which entries the sentence names: indices into the gazetteer's names.
TEXT_LABELS = pa.schema([*LABELS, ("hits", pa.list_(pa.int32()))])
TEXT_LABELS_SQL = (
    "page_id bigint, sentence_index int, text string, "
    "entities array<struct<start: int, end: int, type: string, source: string, score: float>>, hits array<int>"
)


class TextLabeller:
    """Labels batches of sentences by a gazetteer; building it takes seconds for a million entries."""

    def __init__(self, gazetteer: Gazetteer) -> None:
        self._matcher = Matcher(gazetteer)
        self._kinds = gazetteer.kinds
        # The types of kind k, by name, are those numbered _types[_firsts[k]] to _types[_firsts[k + 1] - 1].
        labels = gazetteer.labels_of_kind
        self._names = pa.array(sorted(gazetteer.counts), pa.string())
        numbers = {name: number for number, name in enumerate(self._names.to_pylist())}
        self._types = np.array([numbers[name] for types in labels for name in sorted(types)], np.int32)
        self._firsts = np.cumsum([0, *map(len, labels)])

    def label(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Those sentences of a batch (with a key and text) that name an entry, as TEXT_LABELS.

        Entities are by start, end and type. A sentence that names only dropped entries has hits, but no entities.
        """
        hits = self._matcher.find_hits(batch.column("text").to_pylist())
        rows = np.unique(hits.row)
        named = batch.select(["page_id", "sentence_index", "text"]).take(pa.array(rows))
        entities = _lists(*self._entities(hits), rows)
        entries = _lists(pa.array(hits.entry, pa.int32()), hits.row, rows)
        return pa.RecordBatch.from_arrays([*named.columns, entities, entries], schema=TEXT_LABELS)

    def _entities(self, hits: Hits) -> tuple[pa.StructArray, npt.NDArray[np.int64]]:
        """An entity for each type of each hit, and the row that it belongs to."""
        kinds = self._kinds[hits.entry]
        firsts = self._firsts[kinds]
        times = self._firsts[kinds + 1] - firsts
        hit = np.repeat(np.arange(len(times)), times)
        # How many of its hit's entities come before an entity: 0 for the first, then 1, 2 …
        before = np.arange(len(hit)) - np.repeat(np.cumsum(times) - times, times)
        types = self._names.take(pa.array(self._types[firsts[hit] + before]))
        columns = [
            pa.array(hits.start[hit], pa.int32()),
            pa.array(hits.end[hit], pa.int32()),
            types,
            pa.repeat(pa.scalar("gazetteer"), len(hit)),
            pa.repeat(pa.scalar(1.0, pa.float32()), len(hit)),
        ]
        return pa.StructArray.from_arrays(columns, fields=list(ENTITY_STRUCT)), hits.row[hit]


def _lists(values: pa.Array, row_of: npt.NDArray[np.int64], rows: npt.NDArray[np.int64]) -> pa.ListArray:
    """The values of each row as a list; ``row_of`` is in order."""
    offsets = np.append(np.searchsorted(row_of, rows), len(row_of))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values)
