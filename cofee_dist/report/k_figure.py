"""Objective, silhouette and stability against K, drawn below each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from cofee_dist.report.cluster_evidence import ClusterEvidence, KEvidence
from cofee_dist.report.colours import PALETTE, THEME
from cofee_dist.report.svg import FONT_SIZE, WIDTH, drawing, figure, panel, to_html

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_HEIGHT, _GAP, _AXIS = 84.0, 26.0, 34.0
_CURVES: tuple[tuple[str, str, str, Callable[[KEvidence], float | None]], ...] = (
    ("objective: sum of squared distances", "blue", "o", lambda row: row.objective),
    ("silhouette", "vermillion", "s", lambda row: row.silhouette),
    ("stability: adjusted Rand index of halves", "green", "D", lambda row: row.stability),
)
_TICK_POINTS = 15.0


def evidence_figure(evidence: ClusterEvidence) -> str:
    """The curves that are known, one panel each; the K that the page shows is shaded."""
    curves = [curve for curve in _CURVES if any(curve[3](row) is not None for row in evidence.rows)]
    numbers = [row.k for row in evidence.rows]
    with drawing():
        drawn = figure((_HEIGHT + _GAP) * len(curves) + _AXIS)
        for at, (title, colour, marker, value) in enumerate(curves):
            last = at == len(curves) - 1
            axes = panel(drawn, 46, _AXIS + (_HEIGHT + _GAP) * (len(curves) - 1 - at), _HEIGHT, right=14)
            axes.axvline(evidence.shown, color=THEME["line"], lw=7, zorder=0)
            points = [(row.k, known) for row in evidence.rows if (known := value(row)) is not None]
            axes.plot(*zip(*points, strict=True), color=PALETTE[colour], marker=marker, ms=4.5, lw=1.6, clip_on=False)
            axes.set_title(title)
            _number_axis(axes, [known for _, known in points], large=at == 0)
            _k_axis(axes, numbers, evidence.shown, last)
        return to_html(drawn, "evidence", "Objective, silhouette and stability against the number of clusters")


def _number_axis(axes: Axes, values: Sequence[float], large: bool) -> None:
    room = max((max(values) - min(values)) * 0.15, abs(max(values)) * 0.01, 0.005)
    axes.set_ylim(min(values) - room, max(values) + room)
    axes.locator_params(axis="y", nbins=4)
    if large:
        from matplotlib.ticker import EngFormatter

        axes.yaxis.set_major_formatter(EngFormatter(sep=""))
    axes.grid(axis="y")


def _k_axis(axes: Axes, numbers: Sequence[int], shown: int, last: bool) -> None:
    """A tick at each K that has room; the K shown and the ends come first."""
    low, high = min(numbers), max(numbers)
    room = max((high - low) * 0.06, 0.5)
    axes.set_xlim(low - room, high + room)
    pitch = axes.get_position().width * WIDTH / (high - low + 2 * room)
    ticks: list[int] = []
    for number in (shown, high, low, *numbers):
        if all(abs(number - other) * pitch >= _TICK_POINTS for other in ticks):
            ticks.append(number)
    axes.set_xticks(ticks, [str(tick) if last else "" for tick in ticks], size=FONT_SIZE - 0.5)
    axes.tick_params(axis="x", length=3 if last else 0)
    if last:
        axes.set_xlabel("K, number of clusters")
