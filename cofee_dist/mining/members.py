"""Who belongs to which cluster, with sums and counts over all ranks that follow every move."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from cofee_dist.mining.blocks import Clusters, Doubles, Floats, Integers, blocks
from cofee_dist.mining.nearest import Nearest
from cofee_dist.mining.points import Points
from cofee_dist.mining.threads import in_parts
from cofee_dist.ranks import gather_rows, sum_arrays


class Members:
    """This rank's points and their clusters; float64 sums and exact counts of all ranks."""

    def __init__(self, points: Points, index_n: Integers, clusters: int) -> None:
        n, d = points.stored_nd.shape
        self._points, self._index_n = points, index_n
        self._assignment_n = np.full(n, -1, dtype=np.int32)
        self._own_sizes_k = np.zeros(clusters, dtype=np.int64)
        self._own_sums_kd = np.zeros((clusters, d))
        self.sizes_k, self.sums_kd = self._own_sizes_k, self._own_sums_kd

    def start(self, assignment_n: Clusters) -> Doubles:
        """Begin with an assignment of old; the means of the members. Clusters without any get a far point each."""
        self.move(assignment_n)
        d = self.sums_kd.shape[1]
        before_kd = np.broadcast_to(self.sums_kd.sum(0) / max(1, self.sizes_k.sum()), (len(self.sizes_k), d))
        centroids_kd = self.centroids(before_kd)
        self.refill(centroids_kd)
        return self.centroids(centroids_kd)

    def assign(self, nearest: Nearest) -> int:
        """Move each point to its nearest centroid; how many moved, of all. Late iterations move few."""

        def after_of(part: slice) -> Clusters:
            before_p = self._assignment_n[part]
            return nearest.of(self._points, part, None if before_p[0] < 0 else before_p)

        return self._take(after_of, nearest.threads)

    def move(self, after_n: Clusters) -> int:
        """Take the new assignment over; how many moved, of all."""
        return self._take(lambda part: after_n[part])

    def _take(self, after_of: Callable[[slice], Clusters], threads: int | None = None) -> int:
        """A part is assigned and counted at once, while its points are in the cache."""

        def work(part: slice) -> tuple[int, Integers, Doubles]:
            after_p = after_of(part)
            changes = self._changes(part, after_p)
            self._assignment_n[part] = after_p
            return changes

        moved = 0
        for moved_m, sizes_k, sums_kd in in_parts(work, len(self._points), threads):
            moved += moved_m
            self._own_sizes_k += sizes_k
            self._own_sums_kd += sums_kd
        return self._share(moved)

    def _changes(self, part: slice, after_p: Clusters) -> tuple[int, Integers, Doubles]:
        """How many points of a part move, and what that adds to sizes and sums."""
        before_p, clusters = self._assignment_n[part], len(self._own_sizes_k)
        moved_m = np.flatnonzero(after_p != before_p)
        signs = ((after_p, 1), (before_p, -1)) if before_p[0] >= 0 else ((after_p, 1),)  # at first all are new
        sizes_k, sums_kd = np.zeros_like(self._own_sizes_k), np.zeros_like(self._own_sums_kd)
        for cluster_p, sign in signs:
            sizes_k += sign * np.bincount(cluster_p[moved_m], minlength=clusters)
        for block in blocks(len(moved_m)):
            at_b = moved_m[block]
            rows = part.start + at_b if len(signs) > 1 else slice(part.start + block.start, part.start + block.stop)
            points_bd = torch.from_numpy(self._points.read(rows).astype(np.float64))
            for cluster_p, sign in signs:
                # By an index that is expanded, scatter_add_ takes 0.6 x the time of index_add_.
                index_bd = torch.from_numpy(cluster_p[at_b].astype(np.int64))[:, None].expand_as(points_bd)
                torch.from_numpy(sums_kd).scatter_add_(0, index_bd, points_bd if sign > 0 else points_bd.neg_())
        return len(moved_m), sizes_k, sums_kd

    def _share(self, moved: int) -> int:
        """Sum what the ranks hold, in one exchange."""
        clusters, d = self._own_sums_kd.shape
        told = sum_arrays(np.concatenate([[moved], self._own_sizes_k, self._own_sums_kd.ravel()]))
        self.sizes_k = told[1 : 1 + clusters].astype(np.int64)
        self.sums_kd = told[1 + clusters :].reshape(clusters, d)
        return int(told[0])

    def refill(self, centroids_kd: Doubles) -> int:
        """Give each empty cluster the point farthest from its centroid; how many were given one."""
        empty = np.nonzero(self.sizes_k == 0)[0]
        if len(empty) == 0:
            return 0
        distance_n = self._distances(centroids_kd)
        # A point is passed over if it is its cluster's last one: no more than that can be passed over.
        most = len(empty) + len(self.sizes_k)
        far_c = np.argsort(-distance_n, kind="stable")[:most]
        columns = self._index_n[far_c], distance_n[far_c], self._assignment_n[far_c]
        number_c, far_distance_c, cluster_c = gather_rows(*columns)
        after_n = self._assignment_n.copy()
        left_k = self.sizes_k.copy()
        given = 0
        for at in np.argsort(-far_distance_c, kind="stable"):
            if given == len(empty) or far_distance_c[at] <= 0:
                break
            if left_k[cluster_c[at]] > 1:
                left_k[cluster_c[at]] -= 1
                after_n[self._index_n == number_c[at]] = empty[given]
                given += 1
        self.move(after_n)
        return given

    def _distances(self, centroids_kd: Doubles) -> Floats:
        near_kd, distance_n = centroids_kd.astype(np.float32), np.empty(len(self._points), np.float32)

        def work(part: slice) -> None:
            distance_n[part] = squared_distances(self._points, part, near_kd, self._assignment_n[part])

        for _ in in_parts(work, len(self._points)):
            pass
        return distance_n

    def centroids(self, before_kd: Doubles) -> Doubles:
        """Means of the members; an empty cluster stays where it was."""
        filled_k = self.sizes_k > 0
        return np.where(filled_k[:, None], self.sums_kd / np.maximum(self.sizes_k, 1)[:, None], before_kd)

    def objective(self) -> float:
        """Sum of squared distances to the means: sum x^2 - sum_k |sum_k|^2 / n_k."""
        explained = np.square(self.sums_kd).sum(1) / np.maximum(self.sizes_k, 1)
        return max(self._points.squares - float(explained[self.sizes_k > 0].sum()), 0.0)

    def largest_over_mean(self) -> float:
        """How uneven the clusters are: the largest one's size over the mean size."""
        return float(self.sizes_k.max() * len(self.sizes_k) / max(1, self.sizes_k.sum()))


def squared_distances(points: Points, part: slice, near_kd: Floats, assignment_p: Clusters) -> Floats:
    """Of each point of a part to its centroid, from differences: nothing cancels, so float32 does for these."""
    distance_p = np.empty(len(assignment_p), np.float32)
    for block in blocks(part):
        own = slice(block.start - part.start, block.stop - part.start)
        offsets_bd = points.read(block) - near_kd[assignment_p[own]]
        distance_p[own] = np.einsum("bd,bd->b", offsets_bd, offsets_bd)
    return distance_p
