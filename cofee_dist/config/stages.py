"""The config of the three stages of the pre-training."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cofee_dist.config.tree import Positive, Rate, Share, Tree


class Stage(Tree):
    """What every training stage has. ``warmup_share`` is the share of steps in which the rate rises.

    After them it falls to zero along a line or half a cosine, or stays (``schedule``). Of the sentences without an
    entity of a type, an epoch asks that type's question of at most ``negatives_per_positive`` for each sentence with
    one, and of others in the next epoch (null: of all).
    """

    epochs: Positive
    learning_rate: Rate
    warmup_share: Share = 0.1
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    max_gradient_norm: Rate = 1.0
    negatives_per_positive: Annotated[float, Field(ge=0)] | None = None
    max_sentences: Positive | None = None


class Esi(Stage):
    """Entity span identification; ``min_anchors`` may ask for more than the corpus kept."""

    epochs: Positive = 5
    learning_rate: Rate = 6e-6
    min_anchors: Positive = 4


class Nee(Stage):
    """Named entity extraction with iterative self-picking; ``epochs`` is the most it trains.

    Picking starts after ``epochs_before_picking`` and comes again every ``epochs_between_picking``; training
    stops when validation F1 has not risen for ``patience`` epochs in which new labels were used.
    """

    epochs: Positive = 6
    learning_rate: Rate = 3e-5
    picking_threshold: Annotated[float, Field(gt=0, lt=1)] = 0.1
    picking: Literal["replace", "union", "none"] = "union"
    epochs_before_picking: Positive = 1
    epochs_between_picking: Positive = 1
    patience: Positive = 1


class Fet(Stage):
    """Fine-grained entity typing: K clusters, their loss weighted by gamma (Eq. 6-10).

    ``kmeans_points`` finds the centroids with a sample of so many entities (null: with all of them); every entity is
    assigned. ``embedding_precision`` is that of the files in which embeddings wait for k-means.
    """

    epochs: Positive = 5
    learning_rate: Rate = 2e-5
    clusters: Positive = 23
    cluster_loss_weight: Annotated[float, Field(ge=0)] = 0.001
    variance: Literal["mean", "sum"] = "mean"
    kmeans_iterations: Positive = 25
    kmeans_points: Positive | None = None
    embedding_precision: Literal["fp32", "fp16"] = "fp32"
    pca_dimensions: Positive | None = None


class Stages(Tree):
    """The three stages of the pre-training, in their order."""

    esi: Esi = Esi()
    nee: Nee = Nee()
    fet: Fet = Fet()
