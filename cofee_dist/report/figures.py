"""What a run gave, drawn: scores, self-picking, clusters, training. Each figure is an ``<svg>`` for the page.

A figure that has nothing to show is None. Legends are the page's (they wrap there), so a figure holds data only.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len

from cofee_dist.report.colours import THEME, stage_swatches, system_swatches, type_swatches
from cofee_dist.report.curves import loss_figure, validation_figure
from cofee_dist.report.picking import picking_figure
from cofee_dist.report.schema import Cluster, Clusters, Report
from cofee_dist.report.svg import FONT_SIZE, drawing, figure, panel, text_width, to_html
from cofee_dist.report.text import count, listed, plural, score, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Clusters drawn one by one; the smaller ones share a bar.
MOST_CLUSTERS = 30
_NAME_CELLS = 18
_CLUSTER_CELLS = 26


def figures(report: Report) -> dict[str, str | None]:
    """Every figure by name; None where there is nothing to show."""
    return {
        "systems": systems_figure(report),
        "picking": picking_figure(report),
        "clusters": clusters_figure(report),
        "loss": loss_figure(report.stages, stage_swatches([stage.name for stage in report.stages])),
        "validation": validation_figure(report.stages, stage_swatches([stage.name for stage in report.stages])),
    }


def systems_figure(report: Report) -> str | None:
    """F1 of each system as a bar with its value; the published figure beside it where there is one."""
    rows = [system for system in report.systems if system.f1 is not None]
    if not rows:
        return None
    published = {system.name: system.f1 for system in (report.paper.systems if report.paper else ())}
    with_paper = any(published.get(system.name) is not None for system in rows)
    names = [_wrapped(system.name) for system in rows]
    left = max(text_width(line) for name in names for line in name.split("\n")) + 10
    pitch = 38 if with_paper else 30
    swatches = system_swatches([system.name for system in report.systems])
    with drawing():
        drawn = figure(pitch * len(rows) + 38)
        axes = panel(drawn, left, 34, pitch * len(rows), right=34)
        for place, system in enumerate(rows):
            swatch = swatches[system.name]
            paper = published.get(system.name)
            at = place - (0.2 if paper is not None else 0)
            _bar(axes, at, system.f1 or 0, 0.36, facecolor=swatch.hex, bold=system.name == report.main)
            if paper is not None:
                _bar(axes, place + 0.18, paper, 0.26, facecolor="none", edgecolor=swatch.hex, linewidth=1.2)
        axes.set_yticks(range(len(rows)), names)
        axes.set_ylim(len(rows) - 0.45, -0.55)
        axes.set_xlim(0, _ceiling([system.f1 for system in rows] + [published.get(s.name) for s in rows]))
        axes.tick_params(axis="y", length=0, labelcolor=THEME["ink"], labelsize=FONT_SIZE)
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x")
        axes.set_xlabel("F1, %")
        said = "; ".join(f"{system.name} {score(system.f1)}" for system in rows)
        return to_html(drawn, "systems", f"F1 by system: {said}")


def clusters_figure(report: Report) -> str | None:
    """Cluster sizes as bars split by type, largest first, each named by its most frequent entities."""
    if report.clusters is None or not report.clusters.clusters:
        return None
    rows = _bars_of(report.clusters)
    names = [shorten(name, _CLUSTER_CELLS) for name, _ in rows]
    left = max(text_width(name, FONT_SIZE - 1) for name in names) + 8
    largest = max(sum(types.values()) for _, types in rows)
    height = max(3, len(rows)) * 15.0
    swatches = type_swatches(report.types)
    with drawing():
        drawn = figure(height + 36)
        axes = panel(drawn, left, 34, height, right=text_width(count(largest)) + 8)
        starts = [0] * len(rows)
        for name in report.types:
            widths = [types.get(name, 0) for _, types in rows]
            if any(widths):
                swatch = swatches[name]
                axes.barh(range(len(rows)), widths, 0.74, left=starts, color=swatch.hex, hatch=swatch.hatch, lw=0)
            starts = [start + width for start, width in zip(starts, widths, strict=True)]
        for place, end in enumerate(starts):
            axes.annotate(count(end), (end, place), (3, 0), textcoords="offset points", va="center", size=FONT_SIZE - 1)
        axes.set_yticks(range(len(rows)), names)
        axes.set_ylim(max(3, len(rows)) - 0.4, -0.6)
        axes.set_xlim(0, max(largest, 1) * 1.02)
        axes.tick_params(axis="y", length=0, labelcolor=THEME["ink"], labelsize=FONT_SIZE - 1)
        axes.spines["left"].set_visible(False)
        axes.locator_params(axis="x", nbins=4, integer=True)
        axes.xaxis.set_major_formatter(lambda value, _: count(round(value)))
        axes.grid(axis="x")
        axes.set_xlabel("entities")
        return to_html(drawn, "clusters", f"Sizes of {plural(report.clusters.k, 'cluster')}, by type")


def _bars_of(clusters: Clusters) -> list[tuple[str, dict[str, int]]]:
    """Name and type counts of each bar: the largest clusters, then the rest taken together."""
    ordered = sorted(clusters.clusters, key=lambda cluster: -cluster.size)
    bars = [(_cluster_name(cluster), cluster.types) for cluster in ordered[:MOST_CLUSTERS]]
    rest = ordered[MOST_CLUSTERS:]
    if rest:
        together: dict[str, int] = {}
        for cluster in rest:
            for name, number in cluster.types.items():
                together[name] = together.get(name, 0) + number
        bars.append((f"{plural(len(rest), 'smaller cluster')}", together))
    return bars


def _cluster_name(cluster: Cluster) -> str:
    names = listed([entity.surface for entity in cluster.frequent], _CLUSTER_CELLS - 4)
    return f"{cluster.id} {names or 'empty'}"


def _bar(axes: Axes, at: float, value: float, height: float, bold: bool = False, **style: Any) -> None:
    axes.barh(at, value, height, **style)
    axes.annotate(
        score(value),
        (value, at),
        (3, 0),
        textcoords="offset points",
        va="center",
        size=FONT_SIZE if style.get("facecolor") != "none" else FONT_SIZE - 1.5,
        weight="bold" if bold else "normal",
        color=THEME["ink"] if style.get("facecolor") != "none" else THEME["muted"],
    )


def _wrapped(name: str) -> str:
    """A name on at most two lines."""
    if cell_len(name) <= _NAME_CELLS:
        return name
    first, *rest = textwrap.wrap(name, _NAME_CELLS) or [name]
    return "\n".join(shorten(line, _NAME_CELLS) for line in (first, " ".join(rest)) if line)


def _ceiling(values: Sequence[float | None]) -> float:
    """The end of a percent axis: the next ten above the highest value, 100 at most."""
    highest = max((value for value in values if value is not None), default=0)
    return min(100.0, (highest // 10 + 1) * 10)
