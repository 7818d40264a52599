from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from cofee_dist.artifacts import StageFolder
from cofee_dist.errors import UserError
from cofee_dist.labels.ledger import write_iteration
from cofee_dist.report.inspect import inspect_changes, inspect_labels, inspect_run
from cofee_dist.schemas import Entity, LabelledSentence

PARIS = "Ada [x] moved to Paris in 1852."
LYON = "Lyon and Paris are far apart."


def printed(renderable: object) -> str:
    console = Console(width=100, file=io.StringIO())
    console.print(renderable)
    return console.file.getvalue()  # type: ignore[attr-defined]


def entity(text: str, surface: str, type_: str, source: str, score: float = 1.0) -> Entity:
    start = text.index(surface)
    return Entity(start, start + len(surface), type_, source, score)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    weak = [
        LabelledSentence(PARIS, (entity(PARIS, "Paris", "LOC", "gazetteer"),), 7, 0),
        LabelledSentence(LYON, (entity(LYON, "Paris", "ORG", "gazetteer"),), 7, 4),
    ]
    picked = [
        LabelledSentence(
            PARIS, (entity(PARIS, "Ada", "PER", "picked", 0.625), entity(PARIS, "Paris", "LOC", "gazetteer")), 7, 0
        ),
        LabelledSentence(LYON, (entity(LYON, "Paris", "LOC", "picked", 0.5),), 7, 4),
    ]
    corpus = StageFolder(tmp_path / "corpus", "corpus", {}, {})
    corpus.begin()
    corpus.finish({"sentences": 11140, "drops": {"short": 3}, "coverage": 0.12345, "[odd]": True})
    labels = StageFolder(tmp_path / "labels", "labels", {}, {})
    labels.begin()
    write_iteration(labels.path, 0, weak)
    labels.finish({"labels": 2})
    nee = StageFolder(tmp_path / "nee", "nee", {}, {})
    nee.begin()
    write_iteration(nee.path / "labels", 0, weak)
    write_iteration(nee.path / "labels", 1, picked)
    return tmp_path


def test_stages_are_told_with_state_and_counts(run: Path) -> None:
    lines = printed(inspect_run(run)).splitlines()
    corpus = next(line for line in lines if line.strip().startswith("corpus"))
    assert "finished" in corpus
    assert "sentences 11,140" in corpus
    assert "coverage 0.1235" in corpus
    assert "[odd] yes" in corpus
    assert "unfinished" in next(line for line in lines if line.strip().startswith("nee"))


def test_labels_by_iteration_and_type(run: Path) -> None:
    lines = printed(inspect_run(run)).splitlines()
    head = next(line.split() for line in lines if "sentences" in line and "LOC" in line)
    first = next(line for line in lines if line.split()[:1] == ["1"])
    assert head == ["iteration", "sentences", "labels", "LOC", "ORG", "PER", "sources"]
    assert first.split()[:6] == ["1", "2", "3", "2", "0", "1"]
    assert "gazetteer 1, picked 2" in first


def test_a_label_is_traced_to_its_source(run: Path) -> None:
    text = printed(inspect_labels(run, 1))
    assert PARIS in text
    assert "page 7, sentence 0" in text
    assert "PER Ada  picked, score 0.62" in text
    assert "LOC Paris  gazetteer\n" in text
    assert "PER" not in printed(inspect_labels(run, 0))


def test_labels_of_one_surface_and_a_limit(run: Path) -> None:
    text = printed(inspect_labels(run, 1, surface="Ada"))
    assert PARIS in text
    assert LYON not in text
    assert "no label on 'Rome'" in printed(inspect_labels(run, 1, surface="Rome"))
    limited = printed(inspect_labels(run, 1, limit=1))
    assert LYON not in limited
    assert "the first 1 are shown" in limited


def test_what_an_iteration_added_and_dropped(run: Path) -> None:
    text = printed(inspect_changes(run, 1))
    assert "iteration 1 against 0: 2 added, 1 dropped, 1 kept" in text
    added, dropped = text.split("dropped\n")
    assert f"PER {PARIS}  picked, score 0.62" in added
    assert f"LOC {LYON}  picked, score 0.50" in added
    assert f"ORG {LYON}  gazetteer" in dropped
    assert "… and 1 more" in printed(inspect_changes(run, 1, limit=1))


def test_mistakes_are_told(run: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no run here"):
        inspect_run(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no stage"):
        inspect_run(tmp_path / "empty")
    with pytest.raises(UserError, match="no labels yet"):
        inspect_labels(tmp_path / "empty", 0)
    with pytest.raises(UserError, match="none before it"):
        inspect_changes(run, 0)
    with pytest.raises(UserError, match="iteration 9"):
        inspect_changes(run, 9)
