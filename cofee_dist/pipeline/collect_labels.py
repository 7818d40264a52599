"""What became of the weak labels: round by round of self-picking, and cluster by cluster."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from cofee_dist.config import Config
from cofee_dist.evaluate.clusters import normalised_mutual_information, purity
from cofee_dist.evaluate.readers import read_truth
from cofee_dist.evaluate.recovery import recovery
from cofee_dist.labels.ledger import counts_by_type, diff, iterations, read_iteration, to_sentences
from cofee_dist.mining.assignments import read_entities
from cofee_dist.report.schema import Cluster, Clusters, Frequent, Iteration, Picking, Sentence, Span

_FREQUENT, _EXAMPLES = 12, 3


def picking_of(config: Config, folder: Path, counts: Mapping[str, Any]) -> Picking:
    """The rounds of self-picking, with what they recovered where truth is known."""
    ledger = folder / "labels"
    tables = {at: read_iteration(ledger, at) for at in iterations(ledger)}
    truth = read_truth(config.evaluation.truth) if config.evaluation.truth else None
    rows, missing = [], None
    for at, table in tables.items():
        scores = [row for row in counts["history"] if row["label_iteration"] == at]
        best: Mapping[str, Any] = max(scores, key=lambda row: row["validation_f1"], default={})
        change = diff(tables[at - 1] if at else table, table)
        known = {}
        if truth is not None:
            found = recovery(*_beside_truth(tables[0], table, truth))
            missing = found.missing
            known = {
                "recovered_missing": found.recovered,
                "recovery_precision": 100 * found.precision_of_added if found.added else None,
            }
        rows.append(
            Iteration(
                iteration=at,
                epoch=best["epoch"] + 1 if best else None,
                precision=100 * best["validation_p"] if best else None,
                recall=100 * best["validation_r"] if best else None,
                f1=100 * best["validation_f1"] if best else None,
                labels=counts_by_type(table),
                added=change.added.num_rows,
                dropped=change.dropped.num_rows,
                kept=change.kept.num_rows,
                **known,
            )
        )
    return Picking(iterations=tuple(rows), best=counts["best_iteration"], missing=missing)


def _beside_truth(
    before: pa.Table, after: pa.Table, truth: Mapping[str, Any]
) -> tuple[list[Any], list[Any], list[Any]]:
    """Labels before and after, and the truth, of the sentences that the truth knows."""
    rows = [
        (old.entities, new.entities, truth[old.text])
        for old, new in zip(to_sentences(before), to_sentences(after), strict=True)
        if old.text in truth
    ]
    return [row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows]


def clusters_of(config: Config, run: Path, counts: Mapping[str, Any]) -> Clusters:
    """The clustering that the kept model was trained on, with purity and NMI where fine types are known."""
    entities = read_entities(run / "fet" / "clusters" / f"epoch={max(0, counts['best_epoch'])}.parquet").to_pylist()
    best = counts["label_iteration"]
    sentences = {
        (s.page_id, s.sentence_index): s.text for s in to_sentences(read_iteration(run / "nee" / "labels", best))
    }
    for entity in entities:
        entity["text"] = sentences[entity["page_id"], entity["sentence_index"]]
    fine = _fine_types(config, entities)
    known = [(entity["cluster"], kind) for entity, kind in zip(entities, fine, strict=True) if kind is not None]
    by_cluster: dict[int, list[tuple[dict[str, Any], str | None]]] = {at: [] for at in range(counts["clusters"])}
    for entity, kind in zip(entities, fine, strict=True):
        by_cluster[entity["cluster"]].append((entity, kind))
    return Clusters(
        k=counts["clusters"],
        clusters=tuple(_cluster(at, members) for at, members in by_cluster.items()),
        reseeded=counts["reseeded"],
        purity=100 * purity(*zip(*known, strict=True)) if known else None,
        nmi=normalised_mutual_information(*zip(*known, strict=True)) if known else None,
    )


def _fine_types(config: Config, entities: list[dict[str, Any]]) -> list[str | None]:
    if config.evaluation.truth is None:
        return [None] * len(entities)
    truth = {
        (text, entity.start, entity.end): entity.type
        for text, found in read_truth(config.evaluation.truth, key="fine").items()
        for entity in found
    }
    return [truth.get((entity["text"], entity["start"], entity["end"])) for entity in entities]


def _cluster(at: int, members: list[tuple[dict[str, Any], str | None]]) -> Cluster:
    surfaces = Counter(entity["surface"] for entity, _ in members)
    nearest = sorted((entity for entity, _ in members), key=lambda entity: entity["distance"])
    shown: dict[str, dict[str, Any]] = {}
    for entity in nearest:
        shown.setdefault(entity["surface"], entity)
    distances = [entity["distance"] for entity in nearest]
    return Cluster(
        id=at,
        size=len(members),
        types=dict(Counter(entity["type"] for entity, _ in members).most_common()),
        frequent=tuple(Frequent(surface=name, count=number) for name, number in surfaces.most_common(_FREQUENT)),
        examples=tuple(
            Sentence(text=e["text"], entities=(Span(start=e["start"], end=e["end"], type=e["type"]),))
            for e in list(shown.values())[:_EXAMPLES]
        ),
        mean_distance=sum(distances) / len(distances) if distances else None,
        max_distance=distances[-1] if distances else None,
        fine_types=dict(Counter(kind for _, kind in members if kind is not None).most_common()),
    )
