"""Who belongs to which cluster, with sums and counts over all ranks that follow every move."""

from __future__ import annotations

import numpy as np
import torch

from cofee_dist.mining.blocks import Doubles, Floats, Integers, blocks
from cofee_dist.mining.threads import in_parts
from cofee_dist.ranks import gather_rows, sum_arrays


class Members:
    """This rank's points and their clusters; float64 sums and exact counts of all ranks."""

    def __init__(self, points_nd: Floats, index_n: Integers, clusters: int) -> None:
        n, d = points_nd.shape
        self._points_nd, self._index_n = points_nd, index_n
        self._assignment_n = np.full(n, -1, dtype=np.int64)
        self._own_sizes_k = np.zeros(clusters, dtype=np.int64)
        self._own_sums_kd = np.zeros((clusters, d))
        squares = sum(in_parts(lambda part: _squares(points_nd[part]), n))
        self._squares = float(sum_arrays(np.array([squares]))[0])
        self.sizes_k, self.sums_kd = self._own_sizes_k, self._own_sums_kd

    def move(self, nearest_n: Integers) -> int:
        """Take the new assignment over; how many moved, of all. Late iterations move few, and cost little."""
        moved = 0
        for moved_m, sizes_k, sums_kd in in_parts(lambda part: self._moves(part, nearest_n), len(nearest_n)):
            moved += moved_m
            self._own_sizes_k += sizes_k
            self._own_sums_kd += sums_kd
        self._assignment_n = nearest_n
        return self._share(moved)

    def _moves(self, part: slice, nearest_n: Integers) -> tuple[int, Integers, Doubles]:
        """How many points of a part move, and what that adds to sizes and sums."""
        before_p, after_p = self._assignment_n[part], nearest_n[part]
        sizes_k, sums_kd = np.zeros_like(self._own_sizes_k), np.zeros_like(self._own_sums_kd)
        moved_m = np.flatnonzero(after_p != before_p)
        for block in blocks(len(moved_m)):
            at_b = moved_m[block]
            points_bd = torch.from_numpy(self._points_nd[part][at_b]).double()
            signs = ((after_p, 1), (before_p, -1)) if before_p[0] >= 0 else ((after_p, 1),)  # at first all are new
            for cluster_p, sign in signs:
                cluster_b = cluster_p[at_b]
                torch.from_numpy(sums_kd).index_add_(0, torch.from_numpy(cluster_b), points_bd, alpha=sign)
                sizes_k += sign * np.bincount(cluster_b, minlength=len(sizes_k))
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
        distance_n = squared_distances(self._points_nd, centroids_kd, self._assignment_n)
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

    def centroids(self, before_kd: Doubles) -> Doubles:
        """Means of the members; an empty cluster stays where it was."""
        filled_k = self.sizes_k > 0
        return np.where(filled_k[:, None], self.sums_kd / np.maximum(self.sizes_k, 1)[:, None], before_kd)

    def objective(self) -> float:
        """Sum of squared distances to the means: sum x^2 - sum_k |sum_k|^2 / n_k."""
        explained = np.square(self.sums_kd).sum(1) / np.maximum(self.sizes_k, 1)
        return max(self._squares - float(explained[self.sizes_k > 0].sum()), 0.0)


def squared_distances(points_nd: Floats, centroids_kd: Doubles, assignment_n: Integers) -> Doubles:
    """Of each point to its centroid, float64, from differences: nothing cancels, so float32 does for these."""
    near_kd = centroids_kd.astype(np.float32)
    distance_n = np.empty(len(points_nd))

    def work(part: slice) -> None:
        points_pd, assignment_p, distance_p = points_nd[part], assignment_n[part], distance_n[part]
        for block in blocks(len(points_pd)):
            offsets_bd = points_pd[block] - near_kd[assignment_p[block]]
            distance_p[block] = np.einsum("bd,bd->b", offsets_bd, offsets_bd)

    for _ in in_parts(work, len(points_nd)):
        pass
    return distance_n


def _squares(points_pd: Floats) -> float:
    return sum(float(torch.from_numpy(points_pd[block]).double().square().sum()) for block in blocks(len(points_pd)))
