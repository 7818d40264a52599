from __future__ import annotations

import re

from cofee_dist.report.k_figure import evidence_figure
from tests.unit.report.test_clusters_page import evidence


def labels(drawn: str) -> list[str]:
    return [found.strip() for found in re.findall(r"<text[^>]*>([^<]*)</text>", drawn)]


def test_a_panel_for_each_curve_that_is_known() -> None:
    titles = {"objective: sum of squared distances", "silhouette", "stability: adjusted Rand index of halves"}
    assert titles <= set(labels(evidence_figure(evidence())))
    assert set(labels(evidence_figure(evidence(known=False)))) & titles == {"objective: sum of squared distances"}


def test_the_k_shown_and_the_ends_have_ticks_and_neighbours_wait_for_room() -> None:
    base = evidence()
    rows = [base.rows[0].model_copy(update={"k": k}) for k in (14, 22, 23, 24, 200)]
    found = labels(evidence_figure(base.model_copy(update={"rows": tuple(rows), "shown": 23})))
    assert [number for number in found if number in ("14", "22", "23", "24", "200")] == ["23", "200"]
    rows = [row for row in rows if row.k < 200]
    found = labels(evidence_figure(base.model_copy(update={"rows": tuple(rows), "shown": 22})))
    assert {"14", "22", "23", "24"} <= set(found)


def test_one_k_alone_can_be_drawn() -> None:
    base = evidence()
    assert "4" in labels(evidence_figure(base.model_copy(update={"rows": base.rows[:1]})))
