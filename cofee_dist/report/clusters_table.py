"""Evidence for K as the terminal shows it."""

from __future__ import annotations

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from cofee_dist.report.cluster_evidence import ClusterEvidence, KEvidence, finding
from cofee_dist.report.text import MISSING, amount, count, plural, score


def evidence_table(evidence: ClusterEvidence, page: str) -> Group:
    """A row for each K, the highest silhouette and stability bold, the config's K marked; then where the page is."""
    entities = plural(evidence.entities, "entity", "entities")
    title = f"{entities} of {evidence.run}, labels of iteration {evidence.iteration}"
    table = Table(
        title=Text(title),
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    with_truth = any(row.purity is not None for row in evidence.rows)
    columns = ["K", "objective", "fall", "silhouette", "stability", "sizes"]
    for name in [*columns, *(("purity", "NMI") if with_truth else ())]:
        table.add_column(name, justify="right", no_wrap=True)
    clear, stable = evidence.best(lambda row: row.silhouette), evidence.best(lambda row: row.stability)
    for row in evidence.rows:
        table.add_row(*_cells(row, evidence, clear, stable, with_truth))
    return Group(table, *_said(evidence), Text.assemble(("page  ", "bold"), Text(page, overflow="fold")))


def _said(evidence: ClusterEvidence) -> list[RenderableType]:
    """The finding, and what a reader has to know beside it."""
    tried = any(row.k == evidence.configured for row in evidence.rows)
    config = "* is the config's K." if tried else f"The config's K is {evidence.configured}."
    empty = [row for row in evidence.rows if row.empty]
    notes = [f"At K = {row.k}, {plural(row.empty, 'cluster is', 'clusters are')} empty." for row in empty]
    found = Text(f"{finding(evidence)} {config}", style="bold")
    return [found, *(Text(note, style="yellow") for note in (*evidence.notes, *notes))]


def _cells(
    row: KEvidence, evidence: ClusterEvidence, clear: KEvidence | None, stable: KEvidence | None, with_truth: bool
) -> list[Text]:
    mark = "* " if row.k == evidence.configured else ""
    cells = [
        Text(f"{mark}{row.k}", style="cyan" if row.k == evidence.shown else ""),
        Text(amount(row.objective)),
        Text(MISSING if row.fall is None else f"{row.fall:.1f} %"),
        Text(MISSING if row.silhouette is None else f"{row.silhouette:.3f}", style="bold" if row is clear else ""),
        Text(MISSING if row.stability is None else f"{row.stability:.2f}", style="bold" if row is stable else ""),
        Text(f"{count(row.smallest)}–{count(row.largest)}"),
    ]
    if with_truth:
        cells += [Text(score(row.purity)), Text(MISSING if row.nmi is None else f"{row.nmi:.2f}")]
    return cells
