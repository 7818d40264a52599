"""The losses of CoFEE, one function for each equation of the paper (Eq. 1-10).

Every loss is a *sum* over its terms divided by ``count``, the number of terms in the whole optimizer step (all
ranks, all micro-batches). Gradients summed over ranks and micro-batches are then those of one big batch, however
the step was cut.

Shapes in names: b examples, t positions, d hidden size, e entities, k clusters.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

#: A cluster's variance is taken to be at least this share of the mean over the clusters that have members.
VARIANCE_FLOOR = 0.1


def span_probabilities(logits_bt2: Tensor) -> Tensor:
    """Eq. 1-2: the probability that a position starts (or ends) an entity, softmax over {no, yes}.

    Args:
        logits_bt2: What ``start_head`` or ``end_head`` gave; any float type.

    Returns:
        float32 (b, t), the probability of "yes".
    """
    return torch.softmax(logits_bt2.float(), dim=-1)[..., 1]


def start_loss(start_logits_bt2: Tensor, start_targets_bt: Tensor, positions_bt: Tensor, count: float) -> Tensor:
    """Eq. 3: cross-entropy of the start positions, summed over ``positions_bt``, divided by ``count``."""
    return _position_loss(start_logits_bt2, start_targets_bt, positions_bt, count)


def end_loss(end_logits_bt2: Tensor, end_targets_bt: Tensor, positions_bt: Tensor, count: float) -> Tensor:
    """Eq. 4: cross-entropy of the end positions, summed over ``positions_bt``, divided by ``count``."""
    return _position_loss(end_logits_bt2, end_targets_bt, positions_bt, count)


def span_loss(
    start_logits_bt2: Tensor,
    end_logits_bt2: Tensor,
    start_targets_bt: Tensor,
    end_targets_bt: Tensor,
    positions_bt: Tensor,
    count: float,
) -> Tensor:
    """Eq. 5: L_MRC = L_start + L_end (not their mean).

    Args:
        start_logits_bt2: Logits of {no, yes} for starts.
        end_logits_bt2: The same for ends.
        start_targets_bt: int64 {0, 1}, 1 at an entity's first piece.
        end_targets_bt: int64 {0, 1}, 1 at an entity's last piece.
        positions_bt: bool, True at the sentence's tokens; nothing else adds to the loss.
        count: Positions in the whole optimizer step, over all ranks and micro-batches.

    Returns:
        A float32 scalar.
    """
    return start_loss(start_logits_bt2, start_targets_bt, positions_bt, count) + end_loss(
        end_logits_bt2, end_targets_bt, positions_bt, count
    )


def _position_loss(logits_bt2: Tensor, targets_bt: Tensor, positions_bt: Tensor, count: float) -> Tensor:
    losses_bt = F.cross_entropy(logits_bt2.float().transpose(1, 2), targets_bt, reduction="none")
    # where, not a product: a masked position may hold an infinite loss, and 0 * inf is not 0.
    return losses_bt.where(positions_bt, 0.0).sum() / count


def entity_embeddings(hidden_btd: Tensor, span_example_e: Tensor, span_start_e: Tensor, span_end_e: Tensor) -> Tensor:
    """Eq. 6: e_i = sum of h over the entity's tokens, accumulated in float32.

    Args:
        hidden_btd: The encoder's output; any float type.
        span_example_e: int64, the example in which each entity lies.
        span_start_e: int64, position of its first token.
        span_end_e: int64, position of its last token (inclusive).

    Returns:
        float32 (e, d); gradients flow to ``hidden_btd``, also where there are no entities.
    """
    b, t, d = hidden_btd.shape
    lengths_e = span_end_e - span_start_e + 1
    entity_m = torch.repeat_interleave(torch.arange(len(lengths_e), device=lengths_e.device), lengths_e)
    first_e = lengths_e.cumsum(0) - lengths_e
    within_m = torch.arange(len(entity_m), device=lengths_e.device) - first_e[entity_m]
    position_m = (span_example_e * t + span_start_e)[entity_m] + within_m
    hidden_md = hidden_btd.reshape(b * t, d)[position_m].float()
    return hidden_md.new_zeros(len(lengths_e), d).index_add(0, entity_m, hidden_md)


def cluster_log_probabilities(logits_ek: Tensor) -> Tensor:
    """Eq. 7: log p(c | e_i) = log softmax over the K clusters of W e_i + b; float32 (e, k)."""
    return torch.log_softmax(logits_ek.float(), dim=-1)


def cluster_loss(logits_ek: Tensor, cluster_e: Tensor, weights_k: Tensor, count: float) -> Tensor:
    """Eq. 8: L_clus = -(1/M) sum_i alpha_{c_i} log p(c_i | e_i).

    Divided by M and not by the sum of the weights, as a weighted ``CrossEntropyLoss`` would: that cancels the
    weights in a batch whose entities are all of one cluster.

    Args:
        logits_ek: What ``cluster_head`` gave for the entities.
        cluster_e: int64, each entity's cluster, its pseudo-label.
        weights_k: alpha (Eq. 10).
        count: M, the entities in the whole optimizer step, over all ranks and micro-batches.

    Returns:
        A float32 scalar; 0 with a gradient of 0 where there are no entities.
    """
    chosen_e = cluster_log_probabilities(logits_ek).gather(1, cluster_e[:, None]).squeeze(1)
    return -(weights_k.to(chosen_e)[cluster_e] * chosen_e).sum() / count


def cluster_weights(variances_k: Tensor, sizes_k: Tensor) -> Tensor:
    """Eq. 10: alpha = softmax over clusters of 1/V_k: the tighter a cluster, the more it counts.

    Where the equation does not say: an empty cluster is left out of the softmax and weighs 0; a variance below
    ``VARIANCE_FLOOR`` times the mean variance of the clusters with members (one member, or identical ones, have
    0) counts as that floor; if all variances are 0, clusters with members weigh the same.

    Args:
        variances_k: V_k (Eq. 9).
        sizes_k: Members of each cluster.

    Returns:
        float64 (k), sums to 1.

    Raises:
        ValueError: No cluster has members.
    """
    filled_k = sizes_k > 0
    if not bool(filled_k.any()):
        raise ValueError("no cluster has members")
    variances_k = variances_k.double()
    # The smallest normal number keeps 1/V finite; with all variances 0 it makes all scores equal.
    floor = (VARIANCE_FLOOR * variances_k[filled_k].mean()).clamp(min=torch.finfo(torch.float64).tiny)
    scores_k = 1.0 / variances_k.clamp(min=floor)
    return torch.softmax(scores_k.masked_fill(~filled_k, -torch.inf), dim=0)


def total_loss(mrc_loss: Tensor, clustering_loss: Tensor, cluster_loss_weight: float) -> Tensor:
    """The loss of FET: L = L_MRC + gamma L_clus (below Eq. 8)."""
    return mrc_loss + cluster_loss_weight * clustering_loss
