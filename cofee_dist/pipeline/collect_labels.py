"""What became of the weak labels: round by round of self-picking, and cluster by cluster."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from cofee_dist.config import Config
from cofee_dist.evaluate.clusters import contingency, normalised_mutual_information, purity
from cofee_dist.evaluate.readers import read_truth
from cofee_dist.evaluate.recovery import recovery
from cofee_dist.labels.changes import by_type, compare
from cofee_dist.labels.ledger import iterations, read_blocks, read_iteration, to_sentences
from cofee_dist.mining.assignments import read_entities
from cofee_dist.report.collect import clusters_from_tables
from cofee_dist.report.schema import Clusters, Iteration, Picking
from cofee_dist.schemas import KEY
from cofee_dist.train.stage_fet import clusters_path


def picking_of(config: Config, folder: Path, counts: Mapping[str, Any]) -> Picking:
    """The rounds of self-picking, with what they recovered where truth is known."""
    ledger = folder / "labels"
    truth = read_truth(config.evaluation.truth) if config.evaluation.truth else None
    rows, missing = [], None
    for at in iterations(ledger):
        scores = [row for row in counts["history"] if row["label_iteration"] == at]
        best: Mapping[str, Any] = max(scores, key=lambda row: row["validation_f1"], default={})
        change = compare(ledger, max(0, at - 1), at)
        known: dict[str, Any] = {}
        if truth is not None:
            found = recovery(*_beside_truth(read_iteration(ledger, 0), read_iteration(ledger, at), truth))
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
                labels=by_type(change.added + change.kept),
                added=change.added.total(),
                dropped=change.dropped.total(),
                kept=change.kept.total(),
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


def clusters_of(config: Config, run: Path, counts: Mapping[str, Any], iteration: int) -> Clusters:
    """The clustering that the kept model was trained on, with purity and NMI where fine types are known.

    ``counts`` are the FET stage's; ``iteration`` is the label set whose entities it clustered.
    """
    path = clusters_path(run / "fet", max(0, counts["best_epoch"])).with_suffix(".parquet")
    entities, ledger = read_entities(path), run / "nee" / "labels"
    clusters: list[int] = []
    fine: list[str] = []
    if config.evaluation.truth is not None:
        kinds = fine_types(config, entities, read_blocks(ledger, iteration))
        known = [(cluster, kind) for cluster, kind in zip(entities["cluster"].to_pylist(), kinds, strict=True) if kind]
        clusters, fine = [cluster for cluster, _ in known], [kind for _, kind in known]
    return clusters_from_tables(
        entities,
        read_blocks(ledger, iteration),
        counts["clusters"],
        counts["reseeded"],
        purity=100 * purity(clusters, fine) if fine else None,
        nmi=normalised_mutual_information(clusters, fine) if fine else None,
        fine_types=contingency(clusters, fine),
    )


def fine_types(config: Config, entities: pa.Table, sentences: Iterable[pa.Table]) -> list[str | None]:
    """The true fine type of each entity of a table with key, start and end; None where the truth has none.

    ``sentences`` are tables of the entities' sentences (schemas.LABELS), gone through once, and not at all without
    truth.
    """
    if config.evaluation.truth is None:
        return [None] * entities.num_rows
    found = read_truth(config.evaluation.truth, key="fine")
    texts: dict[tuple[int, int], str] = {}
    for table in sentences:
        for page_id, index, text in zip(*(table.column(name).to_pylist() for name in (*KEY, "text")), strict=True):
            if text in found:
                texts[page_id, index] = text
    truth = {(text, entity.start, entity.end): entity.type for text, row in found.items() for entity in row}
    columns = (entities.column(name).to_pylist() for name in (*KEY, "start", "end"))
    return [truth.get((texts.get((page, at), ""), begin, end)) for page, at, begin, end in zip(*columns, strict=True)]
