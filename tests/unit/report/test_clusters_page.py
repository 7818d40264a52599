from __future__ import annotations

import html
import io
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from rich.console import Console

from cofee_dist.artifacts import read_json
from cofee_dist.report.cluster_evidence import ClusterEvidence, KEvidence, finding
from cofee_dist.report.cluster_members import EXCERPT_CHARS, mined_clusters
from cofee_dist.report.clusters_page import MOST_CARDS, MOST_ROWS, render_clusters, write_clusters
from cofee_dist.report.clusters_table import evidence_table
from cofee_dist.schemas import ENTITIES
from tests.unit.report.test_page import outline

HARD = "北京大学" * 30 + "<b>&" + "x" * 200
SURFACES = ("Ada", "Paris", "<script>alert(1)</script>", HARD, "Ned", "London", "ACME & Sons", "Rome", "Oslo", "Ann")
TYPES = ("PER", "LO/C", "ORG")


def entity_rows(clusters: int, each: int = 14) -> tuple[pa.Table, dict[tuple[int, int], str]]:
    """Clustered entities, every surface several times, and their sentences; the last cluster is empty."""
    rows, texts = [], {}
    for cluster in range(clusters - 1):
        for at in range(each if cluster else 3 * each):
            surface = SURFACES[(cluster + at) % len(SURFACES)]
            text = f"{'<i>before</i> ' * 30}{surface} & {'after ' * (at % 3 * 60)}."
            start = text.index(surface)
            texts[cluster, at] = text
            row = (cluster, at, start, start + len(surface), TYPES[cluster % 2], surface, cluster, (at * 7 % 50) / 10)
            rows.append(dict(zip(ENTITIES.names, row, strict=True)))
    return pa.Table.from_pylist(rows, schema=ENTITIES), texts


def evidence(clusters: int = 4, known: bool = True) -> ClusterEvidence:
    entities, texts = entity_rows(clusters)
    filled = np.append(np.ones(clusters - 1), 0)
    mined = mined_clusters(
        entities, lambda keys: {key: texts[key] for key in keys}, 2.5 * filled, filled / filled.sum(), near=3, far=2
    )
    measured = {"silhouette": 0.123, "stability": 0.87, "purity": 45.6, "nmi": 0.34} if known else {}
    rows = [
        KEvidence(k=clusters, objective=1236.4, smallest=14, largest=42, empty=1, **measured),
        KEvidence(
            k=clusters + 1,
            objective=1000,
            fall=18.99,
            smallest=1,
            largest=30,
            **({"silhouette": -0.1} if known else {}),
        ),
        KEvidence(k=4 * clusters, objective=0.0123, smallest=1, largest=9),
    ]
    return ClusterEvidence(
        run="run <1>",
        types=TYPES,
        iteration=2,
        entities=entities.num_rows,
        seed=0,
        sample=20,
        halves=3,
        configured=clusters,
        shown=clusters,
        variance="mean",
        rows=tuple(rows),
        clusters=mined,
        notes=("The truth is <missing>.",) if known else (),
    )


def words(page: str) -> str:
    shown = re.sub(r"<style.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", html.unescape(shown))


@pytest.mark.parametrize("known", [True, False])
def test_page_is_well_formed_and_asks_nothing_of_the_network(known: bool) -> None:
    page = render_clusters(evidence(known=known))
    found = outline(page)
    assert (found.faults, found.open) == ([], [])
    assert len(found.ids) == len(set(found.ids))
    assert set(found.fetched) == {"data:,"}
    assert {target.removeprefix("#") for target in found.targets} <= set(found.ids)
    assert not re.search(r"url\((?!#)|@import|<script|<i>before|<b>&", page)
    for escaped in ("&lt;script&gt;alert(1)", "&lt;i&gt;before&lt;/i&gt;", "ACME &amp; Sons", "run &lt;1&gt;"):
        assert escaped in page
    assert "None" not in page
    assert ("NMI" in page) == known


def test_page_shows_the_numbers_and_each_cluster() -> None:
    page = render_clusters(evidence())
    text = words(page)
    for shown in (
        "K = 4 is the most stable (0.87). K = 4 has the highest silhouette (0.123, on 20 of the entities).",
        " 4 1,236 – 0.123 0.87 14–42 45.6 0.34 ",
        " 5 1,000 19.0 % -0.100 – 1–30 ",
        "0.0123",
        "At K = 4, 1 cluster is empty",
        "The truth is <missing>.",
        "42 entities · PER 100 % · V 2.5 · α 33.3 %",
        "No entity is nearest to this centroid",
        "Farthest from the centroid",
    ):
        assert shown in text
    for cluster in range(4):
        assert page.count(f'id="cluster-{cluster}"') == 1


def test_members_are_the_nearest_and_farthest_distinct_surfaces() -> None:
    entities, texts = entity_rows(4)
    mined = mined_clusters(
        entities, lambda keys: {key: texts[key] for key in keys}, np.ones(4), np.ones(4) / 4, near=3, far=2
    )
    assert [cluster.id for cluster in mined] == [0, 1, 2, 3]
    for cluster in mined[:3]:
        rows = [row for row in entities.to_pylist() if row["cluster"] == cluster.id]
        nearest: dict[str, float] = {}
        farthest: dict[str, float] = {}
        for row in rows:
            nearest[row["surface"]] = min(row["distance"], nearest.get(row["surface"], np.inf))
            farthest[row["surface"]] = max(row["distance"], farthest.get(row["surface"], 0))
        wanted = sorted(nearest, key=lambda name: nearest[name])[:3]
        others = sorted(set(farthest) - set(wanted), key=lambda name: -farthest[name])[:2]
        assert [member.distance for member in cluster.near] == pytest.approx([nearest[name] for name in wanted])
        assert [member.distance for member in cluster.far] == pytest.approx([farthest[name] for name in others])
        assert not {member.surface for member in cluster.near} & {member.surface for member in cluster.far}
        assert cluster.size == len(rows) == sum(cluster.types.values())
        for member in (*cluster.near, *cluster.far):
            assert member.count == sum(row["surface"] == member.surface for row in rows) > 0
            assert len(member.sentence.text) <= max(EXCERPT_CHARS, len(member.surface)) + 2
            assert any(member.sentence.text.strip("…") in text for text in texts.values())
    assert (mined[3].size, mined[3].near, mined[3].far) == (0, (), ())


def test_page_of_very_many_clusters_stays_readable(tmp_path: Path) -> None:
    clusters = MOST_ROWS + 200
    of_many = evidence(clusters)
    page = write_clusters(of_many, tmp_path).read_text(encoding="utf-8")
    assert page.count('<article class="card"') == MOST_CARDS
    assert page.count("#cluster-") == MOST_CARDS
    assert "200 smaller ones are in" in words(page)
    assert len(page) < 2_000_000
    told = read_json(tmp_path / "evidence.json")
    assert len(told["clusters"]) == clusters
    assert ClusterEvidence.model_validate(told) == of_many


def test_terminal_shows_the_table_in_80_columns() -> None:
    stream = io.StringIO()
    Console(file=stream, width=80).print(evidence_table(evidence(), "run/clusters/clusters.html"))
    shown = stream.getvalue()
    for part in (
        "* 4",
        "1,236",
        "19.0 %",
        "0.123",
        "0.87",
        "14–42",
        "45.6",
        "The truth is <missing>",
        "run/clusters/",
    ):
        assert part in shown
    assert "…" not in shown
    assert "* is the config's K." in shown
    assert "At K = 4, 1 cluster is empty" in shown


def test_nothing_known_but_the_objective() -> None:
    assert finding(evidence(known=False)) == "Too few entities to say more than the objective."


def test_configs_k_is_told_where_it_was_not_tried() -> None:
    stream = io.StringIO()
    other = evidence().model_copy(update={"configured": 23})
    Console(file=stream, width=120).print(evidence_table(other, "page"))
    assert "The config's K is 23." in stream.getvalue()
    assert "the config has 23" in words(render_clusters(other))
