"""Self-picking, drawn: validation scores and labels by iteration, and what was recovered where truth is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cofee_dist.report.colours import PALETTE, THEME, type_swatches
from cofee_dist.report.schema import Iteration, Report
from cofee_dist.report.svg import FONT_SIZE, drawing, figure, panel, text_width, to_html
from cofee_dist.report.text import count, plural, score

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def picking_figure(report: Report) -> str | None:
    """Self-picking by iteration: validation scores, label counts by type, and what was recovered if truth is known."""
    if report.picking is None:
        return None
    rows = report.picking.iterations
    scored = any(row.f1 is not None for row in rows)
    with_truth = any(row.recovered_missing is not None or row.recovery_precision is not None for row in rows)
    heights = [("scores", 110.0)] * scored + [("labels", 110.0)] + [("recovered", 80.0)] * with_truth
    most = max((sum(row.labels.values()) for row in rows), default=0)
    left = max(30.0, text_width(count(most)) + 8)
    with drawing():
        drawn = figure(sum(height + 24 for _, height in heights) + 32)
        bottom = drawn.get_figheight() * 72
        axes = None
        for kind, height in heights:
            bottom -= height + 24
            axes = panel(drawn, left, bottom, height)
            _mark_best(axes, report.picking.best)
            if kind == "scores":
                _draw_scores(axes, rows)
            elif kind == "labels":
                _draw_labels(axes, rows, report.types)
            else:
                _draw_recovered(axes, rows, report.picking.missing)
            _iteration_axis(axes, rows, last=kind == heights[-1][0])
        return to_html(drawn, "picking", f"Self-picking in {plural(len(rows), 'iteration')}, scores and label counts")


def _mark_best(axes: Axes, best: int) -> None:
    axes.axvspan(best - 0.42, best + 0.42, color=THEME["line"], alpha=0.45, lw=0, zorder=0)


def _iteration_axis(axes: Axes, rows: Sequence[Iteration], last: bool) -> None:
    numbers = [row.iteration for row in rows]
    axes.set_xlim(min(numbers) - 0.6, max(numbers) + 0.6)
    step = max(1, len(numbers) // 12)
    ticks = numbers[::step]
    axes.set_xticks(ticks, [str(number) for number in ticks] if last else [""] * len(ticks))
    axes.tick_params(axis="x", length=0)
    if last:
        axes.set_xlabel("iteration of self-picking (0: the weak labels)")


def _draw_scores(axes: Axes, rows: Sequence[Iteration]) -> None:
    series = (
        ("precision", PALETTE["blue"], "--", "^"),
        ("recall", PALETTE["orange"], ":", "s"),
        ("f1", THEME["ink"], "-", "o"),
    )
    values = [value for name, *_ in series for row in rows if (value := getattr(row, name)) is not None]
    for name, colour, line, marker in series:
        points = [(row.iteration, value) for row in rows if (value := getattr(row, name)) is not None]
        axes.plot(*zip(*points, strict=True), color=colour, ls=line, marker=marker, ms=4, lw=1.6, clip_on=False)
    for row in rows:
        if row.f1 is not None and len(rows) <= 8:
            axes.annotate(
                score(row.f1),
                (row.iteration, row.f1),
                (0, 5),
                textcoords="offset points",
                ha="center",
                size=FONT_SIZE - 1,
            )
    low, high = min(values), max(values)
    room = max((high - low) * 0.12, 2.0)
    axes.set_ylim(max(0.0, low - room), min(101.0, high + room))
    axes.locator_params(axis="y", nbins=5)
    axes.grid(axis="y")
    axes.set_title("validation P, R, F1, %")


def _draw_labels(axes: Axes, rows: Sequence[Iteration], types: Sequence[str]) -> None:
    swatches = type_swatches(types)
    numbers = [row.iteration for row in rows]
    tops = [0] * len(rows)
    for name in types:
        heights = [row.labels.get(name, 0) for row in rows]
        if any(heights):
            swatch = swatches[name]
            axes.bar(numbers, heights, 0.66, bottom=tops, color=swatch.hex, hatch=swatch.hatch, lw=0)
        tops = [top + height for top, height in zip(tops, heights, strict=True)]
    axes.set_ylim(0, max(max(tops) * 1.06, 1))
    axes.locator_params(axis="y", nbins=4, integer=True)
    axes.yaxis.set_major_formatter(lambda value, _: count(round(value)))
    axes.grid(axis="y")
    axes.set_title("labels in training data, by type")


def _draw_recovered(axes: Axes, rows: Sequence[Iteration], missing: int | None) -> None:
    """Share of the missing entities that have a label now, and how many of the new labels are true."""
    if missing:
        shares = [
            (row.iteration, 100 * row.recovered_missing / missing) for row in rows if row.recovered_missing is not None
        ]
        if shares:
            numbers, heights = zip(*shares, strict=True)
            axes.bar(numbers, heights, 0.5, color=PALETTE["grey"], lw=0)
    points = [(row.iteration, row.recovery_precision) for row in rows if row.recovery_precision is not None]
    if points:
        axes.plot(*zip(*points, strict=True), color=THEME["ink"], marker="D", ms=4, lw=1.4, clip_on=False)
    axes.set_ylim(0, 100)
    axes.set_yticks([0, 50, 100])
    axes.grid(axis="y")
    axes.set_title("missing entities recovered (bars), new labels right (line), %")
