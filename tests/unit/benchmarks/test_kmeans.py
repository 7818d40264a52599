"""The benchmark of k-means runs to its end, and tells of each goal whether it is met."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from benchmarks import kmeans


def test_it_tells_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(kmeans, "OUT", tmp_path)
    monkeypatch.setattr(kmeans.os, "sched_getaffinity", lambda _: {0, 1})
    options = ["--points", "4000", "--dimensions", "16", "--clusters", "5", "--runs", "1"]
    monkeypatch.setattr(sys, "argv", ["kmeans", *options])
    kmeans.main()
    found = json.loads((tmp_path / "kmeans.json").read_text())["K 5"]
    ours = found["systems"]["ours, 1 rank x 2 threads"]
    for name, result in found["systems"].items():
        assert result["objective"] == pytest.approx(ours["objective"], rel=0.01), name
    goals = {goal["name"]: goal for goal in found["goals"]}
    assert len(goals) == 6
    assert goals["objective against scikit-learn's"]["met"] is True


def test_a_ratio_is_the_median_over_rounds() -> None:
    def of(*seconds: float, objective: float = 1.0, memory: float = 1.5) -> list[dict[str, float]]:
        return [{"seconds": s, "objective": objective, "peak_bytes": memory, "points_bytes": 1.0} for s in seconds]

    runs = {
        "ours, 1 rank x 1 thread": of(1, 10, 4),
        "scikit-learn, 1 rank x 1 thread": of(2, 5, 5, objective=0.5),
        "ours, 2 ranks x 1 thread": of(0.5, 5, 4),
    }
    found = {goal["name"]: (goal["value"], goal["met"]) for goal in kmeans.goals(runs, cores=1)}
    assert found == {
        "times scikit-learn's speed, 1 thread": (1.25, True),
        "objective against scikit-learn's": (2.0, False),
        "objective of two ranks against one's": (1.0, True),
        "two ranks, times the speed of one": (2.0, True),
        "peak memory over the points'": (1.5, True),
    }
