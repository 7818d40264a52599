from __future__ import annotations

from typing import Any

from cofee_dist.report.captions import (
    best_f1,
    clusters_caption,
    headline,
    picking_caption,
    systems_caption,
    training_caption,
)
from cofee_dist.report.schema import Report, as_report
from tests.unit.report.samples import bare_report, sample_dict, sample_report, wide_report


def changed(**parts: Any) -> Report:
    return as_report(sample_dict() | parts)


def test_headline_is_the_main_systems_f1() -> None:
    head = headline(sample_report())
    assert (head.value, head.name) == ("54.6", "F1 of CoFEE-MRC on Twitter test (3,257 sentences)")
    assert "24.5 above matching" in head.detail


def test_headline_does_not_hide_a_main_system_that_is_worse() -> None:
    systems = sample_dict()["systems"]
    systems[2] |= {"f1": 20.0}
    assert "10.1 below matching" in headline(changed(systems=systems)).detail


def test_headline_without_a_test_set_and_without_any_score() -> None:
    assert (headline(bare_report()).value, headline(bare_report()).name) == ("41.2", "best validation F1")
    unscored = changed(systems=[], picking=None, stages=[])
    assert (headline(unscored).value, headline(unscored).name) == ("15,154", "weak labels")


def test_systems_caption_names_what_is_better() -> None:
    assert "– FET 53.3 (−1.3)" in systems_caption(sample_report())
    assert "better" not in systems_caption(sample_report())
    assert systems_caption(wide_report()).endswith("does better here.")
    best = best_f1(wide_report())
    assert best is not None
    assert best.f1 == 95.1


def test_picking_caption_compares_the_best_iteration_with_the_weak_labels() -> None:
    said = picking_caption(sample_report())
    assert said.startswith("Iteration 3 of 4 is the best: validation F1 53.3, +12.1 on the weak labels.")
    assert "from 15,154 to 19,119" in said
    assert "1,544 of 2,100 (74 %)" in said
    assert "81 % of the new labels are right" in said


def test_picking_caption_where_picking_did_not_help_and_where_no_label_is_right() -> None:
    picking = sample_dict()["picking"] | {"best": 0}
    assert "picking did not help" in picking_caption(changed(picking=picking))
    picking = sample_dict()["picking"]
    picking["iterations"][3]["recovery_precision"] = 0.0
    assert "0 % of the new labels are right" in picking_caption(changed(picking=picking))
    assert "nothing to compare with" in picking_caption(bare_report())


def test_cluster_and_training_captions() -> None:
    assert clusters_caption(sample_report()).startswith("3,090 entities in 8 clusters, the largest of 906")
    assert "Purity against the known fine types is 81.4 %, NMI 0.63. 1 empty cluster was" in clusters_caption(
        sample_report()
    )
    assert "Purity" not in clusters_caption(bare_report())
    assert training_caption(bare_report()) == "NEE 3 steps, loss 0.7 to 0.5."
    assert training_caption(changed(stages=[])) == "No training was logged."
