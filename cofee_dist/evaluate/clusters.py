"""How well clusters meet known classes: contingency, purity, normalised mutual information."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from typing import TypeVar

from cofee_dist.evaluate.scorer import ratio

_Cluster = TypeVar("_Cluster", bound=Hashable)
_Class = TypeVar("_Class", bound=Hashable)


def contingency(clusters: Sequence[_Cluster], classes: Sequence[_Class]) -> dict[_Cluster, dict[_Class, int]]:
    """How many members of each cluster are of each class; clusters by size, a cluster's classes by count."""
    _check(clusters, classes)
    by_cluster: dict[_Cluster, Counter[_Class]] = {}
    for cluster, class_ in zip(clusters, classes, strict=True):
        by_cluster.setdefault(cluster, Counter())[class_] += 1
    ordered = sorted(by_cluster.items(), key=lambda item: -item[1].total())
    return {cluster: dict(counts.most_common()) for cluster, counts in ordered}


def purity(clusters: Sequence[Hashable], classes: Sequence[Hashable]) -> float:
    """Share of members that are of their cluster's most frequent class; 0 where there are none.

    Grows with the number of clusters (one member each is pure), so read it beside ``normalised_mutual_information``.
    """
    table = contingency(clusters, classes)
    return ratio(sum(max(counts.values()) for counts in table.values()), len(clusters))


def normalised_mutual_information(clusters: Sequence[Hashable], classes: Sequence[Hashable]) -> float:
    """I(U; V) divided by the arithmetic mean of H(U) and H(V): 0 if independent, 1 if they are the same partition.

    Two partitions of one block each (or of no members) agree: 1, as in scikit-learn.
    """
    _check(clusters, classes)
    n = len(clusters)
    cluster_sizes, class_sizes = Counter(clusters), Counter(classes)
    mean_entropy = (_entropy(cluster_sizes, n) + _entropy(class_sizes, n)) / 2
    if mean_entropy == 0:
        return 1.0
    information = sum(
        count / n * math.log(n * count / (cluster_sizes[cluster] * class_sizes[class_]))
        for (cluster, class_), count in Counter(zip(clusters, classes, strict=True)).items()
    )
    return min(1.0, max(0.0, information / mean_entropy))


def _entropy(sizes: Counter[Hashable], n: int) -> float:
    return -sum(size / n * math.log(size / n) for size in sizes.values())


def _check(clusters: Sequence[Hashable], classes: Sequence[Hashable]) -> None:
    if len(clusters) != len(classes):
        raise ValueError(f"{len(clusters)} cluster numbers, {len(classes)} classes")
