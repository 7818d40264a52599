"""What is seen in each part of the report, in a sentence or two, from the numbers themselves."""

from __future__ import annotations

from dataclasses import dataclass

from cofee_dist.report.schema import Report, System
from cofee_dist.report.text import count, plural, score, shorten, signed

_NAME_CELLS = 40


@dataclass(frozen=True)
class Headline:
    """The number at the top of the page: its value, its name, and what to hold it against."""

    value: str
    name: str
    detail: str


def headline(report: Report) -> Headline:
    """The main system's F1; without a test set the best validation F1; without either, the labels made."""
    main = report.main_system
    if main is not None and main.f1 is not None:
        return Headline(score(main.f1), f"F1 of {main.name} on {report.scored_on or 'the test set'}", _against(report))
    best = _best_validation(report)
    if best is not None:
        return Headline(score(best), "best validation F1", "No test set was given, so nothing was scored on one.")
    labels = sum(report.run.labels.values())
    return Headline(count(labels), "weak labels", "Nothing was scored: there is neither a validation nor a test set.")


def systems_caption(report: Report) -> str:
    """Where the main system stands among the others, whichever way that goes."""
    main = report.main_system
    if main is None or main.f1 is None:
        return "Scores of the systems that were run."
    others = [s for s in report.systems if s.name != main.name and s.f1 is not None]
    parts = [f"{shorten(s.name, _NAME_CELLS)} {score(s.f1)} ({signed((s.f1 or 0) - main.f1)})" for s in others]
    text = f"{main.name} reaches {score(main.f1)} F1" + (f"; beside it {', '.join(parts)}." if parts else ".")
    better = [shorten(s.name, _NAME_CELLS) for s in others if (s.f1 or 0) > (main.f1 or 0)]
    if better:
        text += f" {_joined(better)} {'does' if len(better) == 1 else 'do'} better here."
    return text


def picking_caption(report: Report) -> str:
    """How labels and validation F1 moved from the weak labels to the best iteration."""
    picking = report.picking
    if picking is None:
        return ""
    rows, best = picking.iterations, picking.best_iteration
    first = rows[0]
    if len(rows) == 1:
        return f"One iteration only, with {count(sum(first.labels.values()))} labels: there is nothing to compare with."
    before, after = sum(first.labels.values()), sum(best.labels.values())
    text = f"Iteration {best.iteration} of {rows[-1].iteration} is the best"
    if best.f1 is not None and first.f1 is not None and best is not first:
        text += f": validation F1 {score(best.f1)}, {signed(best.f1 - first.f1)} on the weak labels"
    elif best.f1 is not None:
        text += f": validation F1 {score(best.f1)}"
    text += f". Labels went from {count(before)} to {count(after)}." if best is not first else "; picking did not help."
    return text + recovered(report)


def recovered(report: Report) -> str:
    """What self-picking recovered by its best iteration; empty where truth is not known."""
    if report.picking is None:
        return ""
    best, missing = report.picking.best_iteration, report.picking.missing
    if best.recovered_missing is None:
        return ""
    share = f" of {count(missing)} ({100 * best.recovered_missing / missing:.0f} %)" if missing else ""
    text = f" It has found {count(best.recovered_missing)}{share} entities that the word lists had missed"
    right = best.recovery_precision
    return text + (f"; {right:.0f} % of the new labels are right." if right is not None else ".")


def clusters_caption(report: Report) -> str:
    """How many clusters, how well they meet the known fine types, and which were empty."""
    clusters = report.clusters
    if clusters is None:
        return ""
    sizes = [cluster.size for cluster in clusters.clusters]
    text = f"{count(sum(sizes))} entities in {plural(clusters.k, 'cluster')}"
    if sizes:
        text += f", the largest of {count(max(sizes))}, the smallest of {count(min(sizes))}"
    text += "."
    if clusters.purity is not None:
        text += f" Purity against the known fine types is {score(clusters.purity)} %"
        text += f", NMI {clusters.nmi:.2f}." if clusters.nmi is not None else "."
    if clusters.reseeded:
        text += f" {plural(clusters.reseeded, 'empty cluster was', 'empty clusters were')} seeded anew."
    return text


def training_caption(report: Report) -> str:
    """Which stages were trained, for how many steps, and from which loss to which."""
    parts = []
    for stage in report.stages:
        losses = [loss for loss in stage.loss if loss is not None]
        if losses:
            steps = plural(max(stage.steps, default=0), "step")
            parts.append(f"{stage.name} {steps}, loss {losses[0]:.3g} to {losses[-1]:.3g}")
    return "; ".join(parts) + "." if parts else "No training was logged."


def _against(report: Report) -> str:
    main = report.main_system
    base = report.system("Matching")
    if main is None or main.f1 is None or base is None or base.f1 is None or base.name == main.name:
        return "Trained without labelled sentences."
    way = "above" if main.f1 >= base.f1 else "below"
    return (
        f"{abs(main.f1 - base.f1):.1f} {way} matching the word lists alone ({score(base.f1)});"
        " trained without labelled sentences."
    )


def _best_validation(report: Report) -> float | None:
    values = [f1 for stage in report.stages for f1 in stage.validation_f1 if f1 is not None]
    values += [row.f1 for row in (report.picking.iterations if report.picking else ()) if row.f1 is not None]
    return max(values, default=None)


def _joined(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def best_f1(report: Report) -> System | None:
    """The system with the highest F1, which need not be the main one."""
    scored = [system for system in report.systems if system.f1 is not None]
    return max(scored, key=lambda system: system.f1 or 0, default=None)
