"""From what the library's parts return to the parts of a report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from cofee_dist.evaluate.scorer import Score
from cofee_dist.report.schema import (
    Ambiguous,
    Cluster,
    Clusters,
    Frequent,
    GazetteerMatches,
    MatchReport,
    Sentence,
    Span,
    System,
    TypeScore,
)

if TYPE_CHECKING:
    import pyarrow as pa

_FREQUENT = 6
_EXAMPLES = 3


def system_from_score(name: str, found: Score, seconds: float | None = None) -> System:
    """A scorer's result (0 to 1) as a row of the report (percent)."""
    per_type = {
        type_: TypeScore(p=100 * s.precision, r=100 * s.recall, f1=100 * s.f1, gold=s.gold, predicted=s.predicted)
        for type_, s in found.per_type.items()
    }
    return System(
        name=name,
        precision=100 * found.precision,
        recall=100 * found.recall,
        f1=100 * found.f1,
        per_type=per_type,
        seconds=seconds,
    )


def matches_from_labels(found: Mapping[str, Any], frequent: int = _FREQUENT) -> MatchReport:
    """What ``labels.match_report`` tells of anchors or text, as a page shows it: of hits the most frequent."""
    types = {
        name: GazetteerMatches(
            entries=row["entries"],
            entries_hit=row["entries_hit"],
            hits=row["mentions"] if "mentions" in row else row["anchors_typed"],
            frequent=_frequent({hit["entry"]: hit["count"] for hit in row["top_hits"]}, frequent),
        )
        for name, row in found["types"].items()
    }
    shared = {
        hit["entry"]: Ambiguous(surface=hit["entry"], types=tuple(hit["types"]), hits=hit["count"])
        for row in found["types"].values()
        for hit in row["top_ambiguous"]
    }
    ambiguous = sorted(shared.values(), key=lambda entry: (-entry.hits, entry.surface))
    return MatchReport(types=types, ambiguous=tuple(ambiguous))


def clusters_from_tables(
    entities: pa.Table,
    labels: Iterable[pa.Table],
    k: int,
    reseeded: int = 0,
    purity: float | None = None,
    nmi: float | None = None,
    fine_types: Mapping[int, Mapping[str, int]] | None = None,
) -> Clusters:
    """Clusters with their most frequent entities, and in context those nearest to the centroid.

    Args:
        entities: schemas.ENTITIES.
        labels: tables (schemas.LABELS) of the iteration that was clustered, gone through once; its sentences are the
            context.
        k: number of clusters asked for; one that no entity is in has size 0.
        reseeded: how many empty clusters k-means had to seed anew.
        purity: percent, against known fine types.
        nmi: 0 to 1, against known fine types.
        fine_types: counts of the known fine types in each cluster (``evaluate.clusters.contingency``).
    """
    import pyarrow.compute as pc

    from cofee_dist.labels.ledger import texts_of

    known = fine_types or {}
    members = [entities.filter(pc.equal(entities.column("cluster"), number)) for number in range(k)]
    shown = [_nearest(of_cluster) for of_cluster in members]
    texts = texts_of(labels, {(row["page_id"], row["sentence_index"]) for rows in shown for row in rows})
    made = tuple(
        _cluster(of_cluster, number, _examples(rows, texts), dict(known.get(number, {})))
        for number, (of_cluster, rows) in enumerate(zip(members, shown, strict=True))
    )
    return Clusters(k=k, clusters=made, reseeded=reseeded, purity=purity, nmi=nmi)


def _cluster(members: pa.Table, number: int, examples: tuple[Sentence, ...], fine_types: dict[str, int]) -> Cluster:
    import pyarrow.compute as pc

    distances = members.column("distance")
    return Cluster(
        id=number,
        size=members.num_rows,
        types=dict(_counts(members.column("type")).most_common()),
        frequent=_frequent(_counts(members.column("surface")), _FREQUENT),
        examples=examples,
        mean_distance=pc.mean(distances).as_py(),
        max_distance=pc.max(distances).as_py(),
        fine_types=fine_types,
    )


def _counts(column: pa.ChunkedArray) -> Counter[str]:
    """How often each value occurs; equally frequent ones in the order of their first."""
    found = column.value_counts()
    return Counter(dict(zip(found.field("values").to_pylist(), found.field("counts").to_pylist(), strict=True)))


def _nearest(members: pa.Table) -> list[dict[str, Any]]:
    """The members nearest to the centroid, each surface once."""
    chosen: dict[str, dict[str, Any]] = {}
    for row in members.sort_by("distance").slice(0, 20 * _EXAMPLES).to_pylist():
        if len(chosen) < _EXAMPLES:
            chosen.setdefault(row["surface"], row)
    return list(chosen.values())


def _examples(rows: list[dict[str, Any]], texts: Mapping[tuple[int, int], str]) -> tuple[Sentence, ...]:
    """Members in their sentences."""
    return tuple(
        Sentence(text=texts[key], entities=(Span(start=row["start"], end=row["end"], type=row["type"]),))
        for row in rows
        if (key := (row["page_id"], row["sentence_index"])) in texts
    )


def _frequent(counts: Mapping[str, int], most: int) -> tuple[Frequent, ...]:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return tuple(Frequent(surface=surface, count=number) for surface, number in ordered[:most])
