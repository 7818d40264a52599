"""The report as one HTML file that asks nothing of the network: styles and figures are inside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cofee_dist.report import captions, text
from cofee_dist.report.colours import Swatch, stage_swatches, system_swatches, type_swatches
from cofee_dist.report.figures import MOST_CLUSTERS, figures
from cofee_dist.report.highlight import pieces
from cofee_dist.report.losses import loss_rows
from cofee_dist.report.schema import Report, Run

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

#: Clusters whose cards are open; the others wait behind a click.
OPEN_CARDS = 12


def environment() -> Environment:
    """Where the templates of every page lie, with the filters that they share."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    made = Environment(
        loader=FunctionLoader(text.shipped),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        score=text.score,
        count=text.count,
        amount=text.amount,
        percent=text.percent,
        duration=text.duration,
        shorten=text.shorten,
        signed=text.signed,
    )
    return made


def style_sheet() -> Markup:
    """The styles that every page holds."""
    from markupsafe import Markup

    return Markup(text.shipped("report.css"))


def render_page(report: Report) -> str:
    """The whole page, as text."""
    from markupsafe import Markup

    drawn = {name: svg and Markup(svg) for name, svg in figures(report).items()}  # our own SVG, its text escaped
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            report=report,
            run=report.run,
            css=style_sheet(),
            figures=drawn,
            headline=captions.headline(report),
            captions=captions,
            best=captions.best_f1(report),
            paper={system.name: system for system in report.paper.systems} if report.paper else {},
            swatches=_swatches(report),
            drawn_types=_drawn_types(report),
            pieces=pieces,
            plural=text.plural,
            open_cards=OPEN_CARDS,
            most_clusters=MOST_CLUSTERS,
            facts=facts(report),
            **_rows(report.run),
            clusters=sorted(report.clusters.clusters, key=lambda c: (-c.size, c.id)) if report.clusters else [],
        )
    )


def _swatches(report: Report) -> dict[str, dict[str, Swatch]]:
    return {
        "system": system_swatches([system.name for system in report.systems]),
        "type": type_swatches(report.types),
        "stage": stage_swatches([stage.name for stage in report.stages]),
    }


def _drawn_types(report: Report) -> dict[str, set[str]]:
    """The types that a figure's legend has to name."""
    iterations = report.picking.iterations if report.picking else ()
    clusters = report.clusters.clusters if report.clusters else ()
    return {
        "picking": {name for row in iterations for name, number in row.labels.items() if number},
        "clusters": {name for cluster in clusters for name, number in cluster.types.items() if number},
    }


def _rows(run: Run) -> dict[str, Sequence[tuple[str, ...]]]:
    """Each row of the plain tables."""
    ambiguous = run.matches.ambiguous if run.matches else ()
    return {
        "losses": loss_rows(run.corpus.model_dump()) if run.corpus else [],
        "text_drops": _drops(run.texts.drops if run.texts else {}),
        "labels": [(name, text.count(number)) for name, number in run.labels.items()],
        "seconds": [(stage, text.duration(seconds)) for stage, seconds in run.seconds.items()],
        "ambiguous": [(f"{row.surface} ({', '.join(row.types)})", text.count(row.hits)) for row in ambiguous],
    }


def _drops(drops: Mapping[str, int]) -> list[tuple[str, str]]:
    """Reasons with their numbers, the most frequent first."""
    return [(reason, text.count(number)) for reason, number in sorted(drops.items(), key=lambda row: -row[1])]


def facts(report: Report) -> list[tuple[str, str]]:
    """Name and value of what a reader wants to know first, for the head of the page."""
    run = report.run
    sentences = sum(read.sentences for read in (run.corpus, run.texts) if read is not None)
    known: list[tuple[str, Any]] = [
        ("encoder", run.encoder),
        ("sentences", text.count(sentences) if run.corpus or run.texts else None),
        ("weak labels", text.count(sum(run.labels.values())) if run.labels else None),
        ("stage time", text.duration(sum(s for s in run.seconds.values() if s is not None)) if run.seconds else None),
        ("seed", str(run.seed)),
        ("started", run.started),
    ]
    return [(name, value) for name, value in known if value is not None]
