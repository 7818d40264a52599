"""``cofee clusters``: a run's entities, embedded as the FET stage would, and the evidence for several K."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from cofee_dist.artifacts import fingerprint, path_digest, read_json, read_manifest, write_json
from cofee_dist.batches.dataset import SpanDataset
from cofee_dist.config import Config
from cofee_dist.config.file import load_config
from cofee_dist.errors import UserError
from cofee_dist.evaluate.clusters import normalised_mutual_information, purity
from cofee_dist.labels.ledger import iteration_folder, texts_of
from cofee_dist.mining.assignments import as_entities, entity_table
from cofee_dist.mining.choose_k import HALVES, Evidence, check_numbers, numbers_around, weigh
from cofee_dist.mining.embeddings import embed_entities
from cofee_dist.mining.variances import cluster_variances
from cofee_dist.mining.whitening import fit_whitening
from cofee_dist.model.losses import cluster_weights
from cofee_dist.model.span_extractor import SpanExtractor
from cofee_dist.pipeline.collect_labels import fine_types
from cofee_dist.pipeline.models import load_model
from cofee_dist.pipeline.run import CONFIG
from cofee_dist.report.cluster_evidence import ClusterEvidence, KEvidence, MinedCluster
from cofee_dist.report.cluster_members import mined_clusters
from cofee_dist.report.clusters_page import CLUSTERS
from cofee_dist.train.engine import autocast
from cofee_dist.train.examples import Examples
from cofee_dist.train.stage_data import EXAMPLES, sampled_labels
from cofee_dist.train.stage_nee import LEDGER

EMBEDDINGS = "embeddings.npy"
#: What the embeddings were made from; written after them.
_MADE_FROM = "embeddings.json"
_FAR = 2

Tell = Callable[[str], None]


@dataclass(frozen=True)
class _Entities:
    """The entities of D_s^best as the FET stage reads them."""

    config: Config
    folder: Path
    iteration: int
    model: SpanExtractor
    examples: Examples
    data: SpanDataset

    @property
    def total(self) -> int:
        return len(self.data.first)

    def table(self) -> pa.Table:
        """Key, start, end, type and surface of each; a block of sentences at a time."""
        tables, row = [], 0
        for table in self.examples.sentences():
            tables.append(entity_table(self.data.rows(row, row + table.num_rows), table))
            row += table.num_rows
        return pa.concat_tables(tables)


def compare_clusters(
    run: Path,
    numbers: Sequence[int] | None,
    show: int | None,
    sample: int,
    near: int,
    seed: int | None,
    tell: Tell = lambda _: None,
) -> ClusterEvidence:
    """Cluster a run's entities into several numbers of clusters and weigh each.

    With the config's seed, the clustering into the config's K is the FET stage's first.

    Args:
        run: the run's folder.
        numbers: the K to try, beside the one shown; around the config's if None.
        show: the K whose clusters are told one by one; the config's (or the most there can be) if None.
        sample: entities that silhouettes are computed of.
        near: distinct surfaces told of each cluster.
        seed: of clusterings and samples; the config's if None.
        tell: is told what is being done.

    Raises:
        UserError: No run there, its NEE stage is not finished, or a K that cannot be.
    """
    asked = [*(numbers or ()), *([show] if show is not None else ())]
    check_numbers(asked)
    with _read(run, tell) as entities:
        return _compare(entities, asked, numbers, show, sample, near, seed, tell)


def _compare(
    entities: _Entities,
    asked: Sequence[int],
    numbers: Sequence[int] | None,
    show: int | None,
    sample: int,
    near: int,
    seed: int | None,
    tell: Tell,
) -> ClusterEvidence:
    config, total = entities.config, entities.total
    if total < 2:
        raise UserError(
            "the run has no two entities to cluster", where=entities.folder, fix="see `cofee inspect RUN --labels`"
        )
    check_numbers(asked, total)
    fet, seed = config.stages.fet, config.seed if seed is None else seed
    shown = show if show is not None else min(max(fet.clusters, 2), total)
    tried = [shown, *(numbers or numbers_around(fet.clusters, total))]
    embeddings_nd = _embeddings(entities, tell)
    points_nd = embeddings_nd
    if fet.pca_dimensions is not None:
        points_nd = fit_whitening(embeddings_nd, fet.pca_dimensions).apply(embeddings_nd)
    device = next(entities.model.parameters()).device
    found = weigh(points_nd, tried, seed, sample, fet.kmeans_iterations, fet.kmeans_points, device, tell)
    table = entities.table()
    kinds, notes = _kinds(entities, table)
    tell("reading sentences")
    return ClusterEvidence(
        run=config.name,
        types=tuple(config.task.types),
        iteration=entities.iteration,
        entities=total,
        seed=seed,
        sample=min(sample, total),
        halves=HALVES,
        configured=fet.clusters,
        shown=shown,
        pca_dimensions=fet.pca_dimensions,
        variance=fet.variance,
        rows=_rows(found, kinds),
        clusters=_clusters(entities, table, embeddings_nd, next(row for row in found if row.k == shown), near),
        notes=tuple(notes),
    )


@contextmanager
def _read(run: Path, tell: Tell) -> Iterator[_Entities]:
    """The run's NEE model and its best labels, tokenised in files that are there as long as the block."""
    if not (run / CONFIG).is_file():
        raise UserError("there is no run here", where=run, fix="give the folder of a run, such as runs/NAME")
    config, manifest = load_config(run / CONFIG), read_manifest(run / "nee")
    if manifest is None:
        raise UserError(
            "the run's NEE stage is not finished: there are no entities to cluster yet",
            where=run / "nee",
            fix=f"cofee pretrain --config {run / CONFIG}",
        )
    if config.engine.cpu_threads is not None:
        torch.set_num_threads(config.engine.cpu_threads)
    tell("reading model and labels")
    iteration = int(manifest.counts["best_iteration"])
    model = load_model(run / "nee" / "model")
    labels = partial(sampled_labels, run / "nee" / LEDGER, iteration, config.stages.fet.max_sentences, config.seed)
    folder, longest = run / CLUSTERS / f".{EXAMPLES}.{os.getpid()}", config.encoder.max_length_tokens
    examples = Examples(folder, 0, model.tokenizer, config.questions, longest, labels)
    try:
        yield _Entities(config, run, iteration, model, examples, examples.labelled("best"))
    finally:
        examples.remove()


def _embeddings(entities: _Entities, tell: Tell) -> NDArray[Any]:
    """e_i (Eq. 6) of every entity, mapped; from the run's folder if they are of this very model, labels and config."""
    config, run, model = entities.config, entities.folder, entities.model
    folder, nee = run / CLUSTERS, run / "nee"
    made_from = fingerprint(
        {
            "model": path_digest(nee / "model"),
            "labels": path_digest(iteration_folder(nee / "labels", entities.iteration)),
            "questions": list(config.questions.items()),
            "max_length_tokens": config.encoder.max_length_tokens,
            "max_sentences": [config.stages.fet.max_sentences, config.seed],
            "precision": [config.engine.precision, config.stages.fet.embedding_precision],
        }
    )
    path, told = folder / EMBEDDINGS, folder / _MADE_FROM
    if path.exists() and told.exists() and read_json(told) == {"made_from": made_from}:
        return np.load(path, mmap_mode="c")
    tell(f"embedding {entities.total:,} entities")
    told.unlink(missing_ok=True)
    partial = folder / f".{os.getpid()}.{EMBEDDINGS}"
    device = next(model.parameters()).device
    try:
        with autocast(device, config.engine):
            batch_tokens, precision = config.engine.micro_batch_tokens, config.stages.fet.embedding_precision
            embed_entities(model, entities.data, device, batch_tokens, partial, precision)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    write_json(told, {"made_from": made_from})
    return np.load(path, mmap_mode="c")


def _kinds(entities: _Entities, table: pa.Table) -> tuple[list[str | None], list[str]]:
    """True fine types where they are known, and what has to be said of them."""
    truth = entities.config.evaluation.truth
    if truth is not None and not Path(truth).is_file():
        note = f"Purity and NMI are left out: the truth is not at {truth} (a path relative to the folder you are in)."
        return [None] * table.num_rows, [note]
    return fine_types(entities.config, table, entities.examples.sentences()), []


def _rows(found: Sequence[Evidence], kinds: Sequence[str | None]) -> tuple[KEvidence, ...]:
    rows: list[KEvidence] = []
    at, known = [at for at, kind in enumerate(kinds) if kind is not None], [kind for kind in kinds if kind is not None]
    for one in found:
        clusters, sizes_k = one.clustering.assignment_n[at].tolist(), one.clustering.sizes_k
        before = rows[-1].objective if rows else None
        rows.append(
            KEvidence(
                k=one.k,
                objective=one.objective,
                fall=100 * (1 - one.objective / before) if before else None,
                silhouette=one.silhouette,
                stability=one.stability,
                smallest=sizes_k[sizes_k > 0].min(),
                largest=sizes_k.max(),
                empty=(sizes_k == 0).sum(),
                purity=100 * purity(clusters, known) if known else None,
                nmi=normalised_mutual_information(clusters, known) if known else None,
            )
        )
    return tuple(rows)


def _clusters(
    entities: _Entities, table: pa.Table, embeddings_nd: NDArray[Any], shown: Evidence, near: int
) -> tuple[MinedCluster, ...]:
    """The clusters of the K shown, weighed as the FET stage does."""
    found = shown.clustering
    variance = entities.config.stages.fet.variance
    variances_k = cluster_variances(embeddings_nd, found.assignment_n, shown.k, variance)
    weights_k = cluster_weights(torch.from_numpy(variances_k), torch.from_numpy(found.sizes_k)).numpy()
    texts = partial(texts_of, entities.examples.sentences())
    clustered = as_entities(table, found.assignment_n, found.distance_n)
    return mined_clusters(clustered, texts, variances_k, weights_k, near, _FAR)
