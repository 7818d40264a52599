"""How wide clusters are, over the entities of all ranks (paper, Eq. 9)."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from cofee_dist.mining.blocks import Doubles, blocks
from cofee_dist.ranks import sum_arrays


def cluster_variances(
    embeddings_nd: NDArray[Any],
    cluster_n: NDArray[np.integer[Any]],
    clusters: int,
    reduction: Literal["mean", "sum"] = "mean",
) -> Doubles:
    """Eq. 9: V_k, the squared distances of a cluster's members to their centroid; every rank calls it.

    The paper sums them; the mean (the default) keeps 1/V_k from vanishing on a large corpus, where the sum would
    make every weight of Eq. 10 the same.

    Args:
        embeddings_nd: e_i of this rank's entities (n, d), float32 or float16.
        cluster_n: each entity's cluster.
        clusters: K.
        reduction: ``mean`` or ``sum`` over the members.

    Returns:
        float64 (k); 0 for an empty cluster, and for one whose members are identical.
    """
    cluster_n = cluster_n.astype(np.int64)
    own_kd = np.zeros((clusters, embeddings_nd.shape[1]))
    for block in blocks(len(embeddings_nd)):
        points_nd = torch.from_numpy(embeddings_nd[block].astype(np.float64))
        torch.from_numpy(own_kd).index_add_(0, torch.from_numpy(cluster_n[block]), points_nd)
    own_sizes_k = np.bincount(cluster_n, minlength=clusters).astype(np.float64)
    sizes_k = np.maximum(sum_arrays(own_sizes_k), 1)
    centroids_kd = sum_arrays(own_kd) / sizes_k[:, None]
    variances_k = np.zeros(clusters)
    for block in blocks(len(embeddings_nd)):
        offsets_nd = embeddings_nd[block] - centroids_kd[cluster_n[block]]
        variances_k += np.bincount(cluster_n[block], weights=np.square(offsets_nd).sum(1), minlength=clusters)
    variances_k = sum_arrays(variances_k)
    return variances_k / sizes_k if reduction == "mean" else variances_k
