"""The end of a run in the terminal: scores, self-picking, clusters, where the files are, the line to type next."""

from __future__ import annotations

from rich import box
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from cofee_dist.report import captions
from cofee_dist.report.schema import Report
from cofee_dist.report.text import count, duration, plural, score, shorten

_NAME_CELLS = 26
_MOST_ITERATIONS = 10


def print_report(report: Report, console: Console | None = None) -> None:
    """Print the summary and the lines to type next; 80 columns are enough."""
    console = console or Console()
    console.print(render(report))
    if report.next:
        console.print("\nTo type next:", style="bold green")
        for line in report.next:
            # Left to the terminal to wrap: a line that is broken here could not be copied.
            console.print(Text(f"  {line}", style="bold"), soft_wrap=True)


def render(report: Report) -> Group:
    """Scores, findings and files, as one rich renderable."""
    parts: list[RenderableType] = [_head(report)]
    if report.systems:
        parts.append(systems_table(report))
        if report.paper:
            parts.append(Text(report.paper.note, style="dim"))
        parts.append(Text())
    parts.append(_findings(report))
    return Group(*parts)


def systems_table(report: Report) -> Table:
    """P/R/F1 of each system, the best F1 in bold, the published F1 beside it where there is one."""
    published = {system.name: system.f1 for system in (report.paper.systems if report.paper else ())}
    timed = any(system.seconds is not None for system in report.systems)
    title = Text(f"Scores on {report.scored_on}, %" if report.scored_on else "Scores, %")
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("system", no_wrap=True)
    for name in ("P", "R", "F1"):
        table.add_column(name, justify="right", no_wrap=True)
    if published:
        table.add_column("paper F1", justify="right", no_wrap=True, style="dim")
    if timed:
        table.add_column("time", justify="right", no_wrap=True, style="dim")
    best = captions.best_f1(report)
    for system in report.systems:
        label = Text(shorten(system.name, _NAME_CELLS), style="cyan" if system.name == report.main else "")
        f1 = Text(score(system.f1), style="bold" if system is best else "")
        row: list[RenderableType] = [label, score(system.precision), score(system.recall), f1]
        if published:
            row.append(score(published.get(system.name)))
        if timed:
            row.append(duration(system.seconds))
        table.add_row(*row)
    return table


def _head(report: Report) -> RenderableType:
    head = captions.headline(report)
    text = Text.assemble((head.value, "bold green"), "  ", (head.name, "bold"), "\n", (head.detail, "dim"))
    return Panel(text, title=Text(shorten(report.run.name, 60)), title_align="left", border_style="green")


def _findings(report: Report) -> RenderableType:
    """Name and finding of each part that the run has."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    main = report.main_system
    if main is not None and main.per_type:
        scores = " · ".join(f"{shorten(name, 20)} {score(row.f1)}" for name, row in main.per_type.items())
        table.add_row("F1 by type", Text(scores))
    run = report.run
    if run.corpus is not None:
        dropped = sum(run.corpus.dropped.values())
        kept = f"{plural(run.corpus.sentences, 'sentence')} of {plural(run.corpus.articles, 'article')}"
        table.add_row("corpus", Text(f"{kept}; {count(dropped)} left out, each with its reason"))
    if run.texts is not None:
        dropped = sum(run.texts.drops.values())
        kept = f"{plural(run.texts.sentences, 'sentence')} of {plural(run.texts.lines, 'line')}"
        table.add_row("texts", Text(f"{kept}; {count(dropped)} left out, each with its reason"))
    if run.labels:
        labels = " · ".join(f"{shorten(name, 20)} {count(number)}" for name, number in run.labels.items())
        table.add_row("weak labels", Text(labels))
    if report.picking is not None:
        table.add_row("self-picking", Text(captions.picking_caption(report)))
        table.add_row("", _f1_line(report))
    if report.clusters is not None:
        table.add_row("clusters", Text(captions.clusters_caption(report)))
    if run.seconds:
        table.add_row("stage time", Text(duration(sum(seconds or 0 for seconds in run.seconds.values()))))
    for name, path in report.files.items():
        table.add_row(Text(shorten(name, 14)), Text(path, overflow="fold"))
    return table


def _f1_line(report: Report) -> Text:
    """Validation F1 by iteration, the best in bold: ``validation F1 41.2 → 47.9 → 53.3``."""
    assert report.picking is not None
    rows, best = report.picking.iterations, report.picking.best
    places = [place for place, row in enumerate(rows) if row.iteration == best]
    shown = set(range(len(rows)))
    if len(rows) > _MOST_ITERATIONS:
        shown = {0, 1, *range(places[0] - 1, places[0] + 2), len(rows) - 2, len(rows) - 1}
    line = Text("validation F1 ")
    for place, row in enumerate(rows):
        if place not in shown:
            continue
        if place:
            line.append(" → " if place - 1 in shown else " → … → ", "dim")
        line.append(score(row.f1), "bold" if row.iteration == best else "")
    return line
