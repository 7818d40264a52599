"""Points as k-means reads them: float32, some rows at a time, so that no copy of all of them is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cofee_dist.mining.blocks import Doubles, Floats, Integers, blocks
from cofee_dist.mining.threads import in_parts
from cofee_dist.ranks import sum_arrays

#: Squared, how many times farther from the origin than from their mean points may be: float32 distances cancel there.
_FAR = 4


@dataclass(frozen=True)
class Points:
    """This rank's points (n, d), float32 or float16, in memory or mapped; ``shift_d`` is subtracted as they are read.

    ``squares``: the sum of squared lengths of all ranks' points, as read.
    """

    stored_nd: NDArray[Any]
    squares: float
    shift_d: Floats | None = None

    @classmethod
    def of(cls, stored_nd: NDArray[Any]) -> Points:
        """Shifted to their mean if that is far from the origin; every rank calls it.

        Raises:
            ValueError: A point is not finite.
        """
        total, squares, sum_d = _moments(stored_nd)
        if not np.isfinite(squares):
            raise ValueError("the points to cluster hold NaN or infinite values")
        mean_d = sum_d / max(total, 1)
        of_mean = float(mean_d @ mean_d)
        if of_mean <= _FAR * (squares / max(total, 1) - of_mean):
            return cls(stored_nd, squares)
        shift_d = mean_d.astype(np.float32)
        return cls(stored_nd, _moments(stored_nd, shift_d)[1], shift_d)

    def __len__(self) -> int:
        return len(self.stored_nd)

    def read(self, rows: slice | Integers) -> Floats:
        """Some of the points, shifted; not to be written to."""
        return _read(self.stored_nd, rows, self.shift_d)

    def read_into(self, read_bd: Floats, rows: slice) -> None:
        """``read`` into an array."""
        if self.shift_d is None:
            read_bd[:] = self.stored_nd[rows] if self.stored_nd.dtype == np.float32 else self.read(rows)
        else:
            np.subtract(self.stored_nd[rows], self.shift_d, out=read_bd)

    def shifted(self, places_kd: NDArray[Any]) -> Doubles:
        """Where places among the stored points are among those read."""
        return places_kd.astype(np.float64) - (0.0 if self.shift_d is None else self.shift_d)

    def unshifted(self, places_kd: Doubles) -> Doubles:
        """The other way round."""
        return places_kd + (0.0 if self.shift_d is None else self.shift_d)

    def take(self, rows: NDArray[Any]) -> Points:
        """A copy of some; every rank calls it."""
        stored_nd = self.stored_nd[rows]
        return Points(stored_nd, _moments(stored_nd, self.shift_d)[1], self.shift_d)


def _read(stored_nd: NDArray[Any], rows: slice | Integers, shift_d: Floats | None) -> Floats:
    read_bd = stored_nd[rows]
    if read_bd.dtype == np.float16 and read_bd.flags.writeable:  # numpy's own takes eight times as long
        read_bd = torch.from_numpy(read_bd).float().numpy()
    return np.asarray(read_bd, np.float32) if shift_d is None else np.subtract(read_bd, shift_d, dtype=np.float32)


def _moments(stored_nd: NDArray[Any], shift_d: Floats | None = None) -> tuple[int, float, Doubles]:
    """Of all ranks' points: how many, the sum of their squared lengths, and their sum (d); in float64."""

    def work(part: slice) -> Doubles:
        moments = np.zeros(2 + stored_nd.shape[1])
        for block in blocks(part):
            points_bd = torch.from_numpy(_read(stored_nd, block, shift_d).astype(np.float64))
            moments[0] += len(points_bd)
            moments[1] += float(points_bd.flatten().dot(points_bd.flatten()))
            moments[2:] += points_bd.sum(0).numpy()
        return moments

    found = sum_arrays(sum(in_parts(work, len(stored_nd)), np.zeros(2 + stored_nd.shape[1])))
    return int(found[0]), float(found[1]), found[2:]
