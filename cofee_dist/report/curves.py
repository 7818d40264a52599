"""Training, drawn: loss and learning rate by step, validation F1 by epoch, the stages end to end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from cofee_dist.report.colours import THEME, Swatch
from cofee_dist.report.schema import StageCurve
from cofee_dist.report.svg import FONT_SIZE, drawing, figure, panel, to_html
from cofee_dist.report.text import score

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Points drawn for one stage; longer curves are averaged over runs of steps.
MOST_POINTS = 240
_WINDOW_SHARE = 0.08

Points = list[tuple[float, float]]


def loss_figure(stages: Sequence[StageCurve], swatches: Mapping[str, Swatch]) -> str | None:
    """Training loss by optimizer step, faint as logged and strong as a moving mean; the learning rate below."""
    logged = [stage for stage in stages if _known(stage.steps, stage.loss)]
    if not logged:
        return None
    values = [loss for stage in logged for _, loss in _known(stage.steps, stage.loss)]
    rated = any(_known(stage.steps, stage.learning_rate) for stage in logged)
    with drawing():
        drawn = figure(236)
        rates = panel(drawn, 42, 34, 42) if rated else None
        losses = panel(drawn, 42, 96, 120) if rated else panel(drawn, 42, 34, 182)
        panels = [losses] + ([rates] if rates is not None else [])
        offset = 0.0
        for stage in logged:
            points = _shifted(thinned(_known(stage.steps, stage.loss)), offset)
            colour = swatches[stage.name].hex
            losses.plot(*zip(*points, strict=True), color=colour, lw=0.8, alpha=0.35)
            losses.plot(*zip(*smoothed(points), strict=True), color=colour, lw=1.8, marker=_marker(points), ms=4)
            rate = _shifted(thinned(_known(stage.steps, stage.learning_rate)), offset)
            if rates is not None and rate:
                rates.plot(*zip(*rate, strict=True), color=colour, lw=1.4, marker=_marker(rate), ms=4)
            offset += max(stage.steps)
            _divide(panels, offset if stage is not logged[-1] else None)
        for axes in panels:
            axes.set_xlim(0, max(offset, 1))
            axes.grid(axis="y")
        _loss_axis(losses, values)
        if rates is not None:
            losses.tick_params(axis="x", length=0, labelbottom=False)
            _rate_axis(rates)
        panels[-1].locator_params(axis="x", nbins=6, integer=True)
        panels[-1].set_xlabel("optimizer step, stages end to end")
        return to_html(drawn, "loss", "Training loss and learning rate by step: " + ", ".join(s.name for s in logged))


def _loss_axis(axes: Axes, values: Sequence[float]) -> None:
    axes.set_title("training loss")
    if min(values) > 0 and max(values) > 20 * min(values):
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.yaxis.set_minor_formatter(lambda value, _: "")


def _rate_axis(axes: Axes) -> None:
    axes.set_title("learning rate")
    axes.set_ylim(bottom=0)
    axes.locator_params(axis="y", nbins=2)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0e}".replace("e-0", "e-") if value else "0")


def validation_figure(stages: Sequence[StageCurve], swatches: Mapping[str, Swatch]) -> str | None:
    """Validation F1 after each epoch; the best of a stage carries its value."""
    scored = [stage for stage in stages if _known(stage.epochs, stage.validation_f1)]
    if not scored:
        return None
    values = [f1 for stage in scored for _, f1 in _known(stage.epochs, stage.validation_f1)]
    with drawing():
        drawn = figure(236)
        axes = panel(drawn, 42, 34, 182)
        offset = 0.0
        for stage in scored:
            points = _shifted(_known(stage.epochs, stage.validation_f1), offset)
            axes.plot(*zip(*points, strict=True), color=swatches[stage.name].hex, lw=1.8, marker="o", ms=4)
            best = max(points, key=lambda point: point[1])
            axes.annotate(
                score(best[1]), best, (0, 6), textcoords="offset points", ha="center", size=FONT_SIZE, weight="bold"
            )
            offset = points[-1][0]
            _divide([axes], offset + 0.5 if stage is not scored[-1] else None)
        room = max((max(values) - min(values)) * 0.12, 2.0)
        axes.set_ylim(max(0.0, min(values) - room), min(103.0, max(values) + room))
        axes.set_xlim(0.4, offset + 0.6)
        axes.locator_params(axis="x", nbins=10, integer=True)
        axes.grid(axis="y")
        axes.set_title("validation F1, %")
        axes.set_xlabel("epoch, stages end to end")
        return to_html(drawn, "validation", "Validation F1 by epoch: " + ", ".join(stage.name for stage in scored))


def thinned(points: Points, most: int = MOST_POINTS) -> Points:
    """At most ``most`` points: means over runs of consecutive points, so that the curve keeps its level."""
    if len(points) <= most:
        return points
    bounds = [round(index * len(points) / most) for index in range(most + 1)]
    return [_mean(points[low:high]) for low, high in pairwise(bounds)]


def smoothed(points: Points) -> Points:
    """A centred moving mean over 8 % of the points; the window shrinks at the ends."""
    half = int(len(points) * _WINDOW_SHARE / 2)
    means = (_mean(points[max(0, at - half) : at + half + 1])[1] for at in range(len(points)))
    return [(step, mean) for (step, _), mean in zip(points, means, strict=True)]


def _mean(points: Points) -> tuple[float, float]:
    return sum(x for x, _ in points) / len(points), sum(y for _, y in points) / len(points)


def _known(axis: Sequence[float | None], values: Sequence[float | None]) -> Points:
    """Points of which both coordinates are known: a loss that was NaN leaves a gap, not a crash."""
    return [(x, y) for x, y in zip(axis, values, strict=False) if x is not None and y is not None]


def _shifted(points: Points, offset: float) -> Points:
    return [(x + offset, y) for x, y in points]


def _marker(points: Points) -> str:
    """A single point draws no line; show it as a dot."""
    return "o" if len(points) == 1 else ""


def _divide(panels: Sequence[Axes], at: float | None) -> None:
    if at is not None:
        for axes in panels:
            axes.axvline(at, color=THEME["line"], lw=1.0, zorder=0)
