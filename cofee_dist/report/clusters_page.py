"""Evidence for K as one HTML file beside ``evidence.json``: the curves, and a K's clusters with their entities."""

from __future__ import annotations

from pathlib import Path

from cofee_dist.artifacts import write_json, write_text
from cofee_dist.report import text
from cofee_dist.report.captions import Headline
from cofee_dist.report.cluster_evidence import ClusterEvidence, finding
from cofee_dist.report.colours import type_swatches
from cofee_dist.report.highlight import pieces
from cofee_dist.report.k_figure import evidence_figure
from cofee_dist.report.page import OPEN_CARDS, environment, style_sheet

#: The folder below a run's.
CLUSTERS = "clusters"
EVIDENCE_JSON = "evidence.json"
CLUSTERS_HTML = "clusters.html"
#: The largest clusters have a card with sentences, more have a row of the table: a page of any K can be read.
MOST_CARDS = 100
MOST_ROWS = 1000


def write_clusters(evidence: ClusterEvidence, folder: Path) -> Path:
    """Write the numbers and the page; returns the page's path."""
    page = render_clusters(evidence)
    write_json(folder / EVIDENCE_JSON, evidence.to_json())
    write_text(folder / CLUSTERS_HTML, page)
    return folder / CLUSTERS_HTML


def render_clusters(evidence: ClusterEvidence) -> str:
    """The page, as text."""
    from markupsafe import Markup

    return (
        environment()
        .get_template("clusters.html.j2")
        .render(
            evidence=evidence,
            css=style_sheet(),
            headline=_headline(evidence),
            facts=_facts(evidence),
            figure=Markup(evidence_figure(evidence)),  # our own SVG, its text escaped
            best_silhouette=evidence.best(lambda row: row.silhouette),
            best_stability=evidence.best(lambda row: row.stability),
            with_truth=any(row.purity is not None for row in evidence.rows),
            rows=evidence.clusters[:MOST_ROWS],
            cards=evidence.clusters[:MOST_CARDS],
            open_cards=OPEN_CARDS,
            swatches=type_swatches(evidence.types),
            pieces=pieces,
            plural=text.plural,
        )
    )


def _headline(evidence: ClusterEvidence) -> Headline:
    tried = text.listed((str(row.k) for row in evidence.rows), 60)
    chosen = "the config's K" if evidence.shown == evidence.configured else f"the config has {evidence.configured}"
    name = f"{text.plural(evidence.shown, 'cluster')} shown: {chosen}; tried {tried}"
    return Headline(f"K {evidence.shown}", name, finding(evidence))


def _facts(evidence: ClusterEvidence) -> list[tuple[str, str]]:
    sampled = evidence.sample < evidence.entities
    return [
        ("entities", text.count(evidence.entities)),
        ("labels of iteration", str(evidence.iteration)),
        ("embeddings", f"PCA to {evidence.pca_dimensions}, whitened" if evidence.pca_dimensions else "as they are"),
        ("silhouette of", text.plural(evidence.sample, "entity", "entities") if sampled else "all entities"),
        ("stability of", f"{evidence.halves} halves"),
        ("seed", str(evidence.seed)),
    ]
