"""Stage 3, fine-grained entity typing: clusters as pseudo-labels of an auxiliary loss (paper, section 3.3)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from cofee_dist.artifacts import read_json, write_json
from cofee_dist.batches.collate import Batch
from cofee_dist.batches.dataset import SpanDataset
from cofee_dist.config import Fet
from cofee_dist.mining.assignments import entity_table, moved_share, write_entities
from cofee_dist.mining.embeddings import embed_entities
from cofee_dist.mining.kmeans import Clustering, kmeans
from cofee_dist.mining.variances import cluster_variances
from cofee_dist.mining.whitening import fit_whitening
from cofee_dist.model.losses import cluster_loss, cluster_weights, entity_embeddings, total_loss
from cofee_dist.model.span_extractor import SpanExtractor, SpanOutput
from cofee_dist.ranks import barrier, from_first, gather_rows
from cofee_dist.train.best import save_model
from cofee_dist.train.engine import Engine
from cofee_dist.train.examples import Examples
from cofee_dist.train.loop import StepTotals
from cofee_dist.train.metrics import Metrics
from cofee_dist.train.stage_esi import mrc_loss
from cofee_dist.train.validate import Validation


def fet_losses(
    output: SpanOutput, batch: Batch, totals: StepTotals, model: SpanExtractor, weights_k: Tensor, gamma: float
) -> dict[str, Tensor]:
    """Eq. 10 and its two parts, over a micro-batch's share of the step; ``weights_k`` are the clusters' (Eq. 8)."""
    mrc = mrc_loss(output, batch, totals)
    entities_ed = entity_embeddings(output.hidden_btd, batch.span_example_e, batch.span_start_e, batch.span_end_e)
    assert model.cluster_head is not None
    logits_ek = model.cluster_head(entities_ed)
    clustering = cluster_loss(logits_ek, batch.cluster_e, weights_k, max(1, totals.entities))
    return {"loss": total_loss(mrc, clustering, gamma), "mrc_loss": mrc, "cluster_loss": clustering}


@dataclass
class FetState:
    """Where the stage stands. ``best_epoch`` -1: the model that it began with."""

    best_f1: float = -1.0
    best_epoch: int = -1
    history: list[dict[str, float]] = field(default_factory=list)


class FetPolicy:
    """Clusters the entities of D_s^best anew each epoch; L = L_MRC + gamma L_clus.

    The clusters of an epoch are written before it trains: a resumed process reads them back, since its model has
    moved on. A clustering starts from the last one's members, so that cluster ids stay comparable. The model kept is
    the best on validation, the one that the stage began with included.
    """

    def __init__(
        self,
        name: str,
        engine: Engine,
        model: SpanExtractor,
        stage: Fet,
        examples: Examples,
        validation: Validation,
        folder: Path,
        batch_tokens: int,
        seed: int,
    ) -> None:
        self.name = name
        self._engine, self._model, self._stage, self._seed = engine, model, stage, seed
        self._examples, self._validation, self._folder = examples, validation, folder
        self._data = examples.labelled("best")
        self._batch_tokens = batch_tokens
        self._state = FetState()
        self._weights_k = torch.empty(0)

    def dataset(self, epoch: int) -> SpanDataset:
        """See StagePolicy."""
        if epoch == 0 and self._state.best_f1 < 0:
            self._keep_if_best(self._validation().f1, -1)
        path = self._clusters_path(epoch)
        if not from_first(path.exists()):
            self._cluster(epoch, path)
        with np.load(path) as saved:
            self._weights_k = torch.from_numpy(saved["weights_k"]).to(self._engine.device)
            return self._data.with_clusters(saved["assignment_n"])

    def loss(self, output: SpanOutput, batch: Batch, totals: StepTotals) -> dict[str, Tensor]:
        """See StagePolicy."""
        return fet_losses(output, batch, totals, self._model, self._weights_k, self._stage.cluster_loss_weight)

    def end_epoch(self, epoch: int) -> tuple[bool, Metrics]:
        """See StagePolicy."""
        found = self._validation()
        self._keep_if_best(found.f1, epoch)
        metrics = {"validation_f1": found.f1, "validation_p": found.precision, "validation_r": found.recall}
        told = read_json(self._clusters_path(epoch).with_suffix(".json"))
        metrics["kmeans_objective"] = told["objective"][-1]
        metrics["kmeans_iterations"] = len(told["objective"])
        metrics["clusters_reseeded"] = sum(told["reseeded"])
        metrics["largest_cluster_over_mean"] = told["imbalance"][-1]
        if epoch > 0:
            metrics["moved_share"] = self._moved_share(epoch)
        self._state.history.append({"epoch": epoch, **metrics})
        return True, metrics

    def _keep_if_best(self, f1: float, epoch: int) -> None:
        if f1 > self._state.best_f1:
            self._state.best_f1, self._state.best_epoch = f1, epoch
            save_model(self._engine, self._model, self._folder / "model")

    def _cluster(self, epoch: int, path: Path) -> None:
        """Embed, cluster and weigh the entities with the model as it is now; rank 0 writes what came out.

        Embeddings stay where they were made, each rank's in a file of its own; only each entity's cluster and its
        distance to the centroid come to all.
        """
        engine, stage = self._engine, self._stage
        shard = path.with_name(f"embeddings.rank={engine.rank}.npy")
        with engine.evaluation() as model, engine.autocast():
            index_n, embeddings_nd = embed_entities(
                model,
                self._data,
                engine.device,
                self._batch_tokens,
                shard,
                stage.embedding_precision,
                engine.rank,
                engine.world_size,
            )
        clustering = self._kmeans(embeddings_nd, index_n, epoch)
        variances_k = cluster_variances(embeddings_nd, clustering.assignment_n, len(clustering.sizes_k), stage.variance)
        weights_k = cluster_weights(torch.from_numpy(variances_k), torch.from_numpy(clustering.sizes_k))
        _, assignment_n, distance_n = gather_rows(index_n, clustering.assignment_n, clustering.distance_n)
        if engine.rank == 0:
            write_entities(path.with_suffix(".parquet"), self._entities(), assignment_n, distance_n)
            write_json(path.with_suffix(".json"), _told(clustering))
            partial = path.with_name(f".{path.name}")
            with partial.open("wb") as file:
                np.savez(
                    file,
                    assignment_n=assignment_n,
                    centroids_kd=clustering.centroids_kd,
                    weights_k=weights_k.numpy(),
                    reseeded=sum(clustering.reseeded),
                )
            partial.rename(path)
        barrier()
        shard.unlink(missing_ok=True)

    def _entities(self) -> Iterator[pa.Table]:
        """Every entity, a block of sentences at a time."""
        row = 0
        for table in self._examples.sentences():
            yield entity_table(self._data.rows(row, row + table.num_rows), table)
            row += table.num_rows

    def _kmeans(self, embeddings_nd: NDArray[Any], index_n: NDArray[np.int64], epoch: int) -> Clustering:
        stage, points_nd, initial_n = self._stage, embeddings_nd, None
        if stage.pca_dimensions is not None:
            points_nd = fit_whitening(embeddings_nd, stage.pca_dimensions).apply(embeddings_nd)
        if epoch > 0:
            # Not from its centroids: each epoch's projection has axes of its own.
            with np.load(self._clusters_path(epoch - 1)) as saved:
                initial_n = saved["assignment_n"][index_n]
        return kmeans(
            points_nd,
            stage.clusters,
            stage.kmeans_iterations,
            self._seed,
            initial_n=initial_n,
            index_n=index_n,
            most_points=stage.kmeans_points,
            device=self._engine.device,
        )

    def _moved_share(self, epoch: int) -> float:
        """Share of the entities that this epoch's clustering put elsewhere than the last one's."""
        with np.load(self._clusters_path(epoch - 1)) as before, np.load(self._clusters_path(epoch)) as after:
            return moved_share(before["assignment_n"], after["assignment_n"])

    def _clusters_path(self, epoch: int) -> Path:
        return clusters_path(self._folder, epoch)

    def state(self) -> dict[str, Any]:
        """See StagePolicy."""
        return asdict(self._state)

    def restore(self, state: dict[str, Any]) -> None:
        """See StagePolicy."""
        self._state = FetState(**state)

    def finish(self) -> dict[str, Any]:
        """See StagePolicy."""
        with np.load(self._clusters_path(max(0, self._state.best_epoch))) as saved:
            clusters, reseeded = len(saved["weights_k"]), int(saved["reseeded"])
        return {
            **asdict(self._state),
            "validation_f1": self._state.best_f1,
            "entities": len(self._data.first),
            "clusters": clusters,
            "reseeded": reseeded,
            "dropped_entities": dict(self._data.dropped),
        }


def _told(clustering: Clustering) -> dict[str, Any]:
    """What k-means did, for people: objective, reseeded clusters and imbalance by iteration, the sizes at the end."""
    return {
        "objective": clustering.objective,
        "reseeded": clustering.reseeded,
        "imbalance": clustering.imbalance,
        "sizes": clustering.sizes_k.tolist(),
        "trained_on": clustering.trained_on,
    }


def clusters_path(folder: Path, epoch: int) -> Path:
    """Where an epoch's clusters lie: ``.npz`` for training, ``.parquet`` (schemas.ENTITIES) for people."""
    return folder / "clusters" / f"epoch={epoch}.npz"
