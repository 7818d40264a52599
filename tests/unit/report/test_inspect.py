from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from cofee_dist.artifacts import StageFolder
from cofee_dist.errors import UserError
from cofee_dist.labels.ledger import write_iteration
from cofee_dist.report.inspect import inspect_run
from cofee_dist.report.inspect_labels import LabelsView
from cofee_dist.schemas import Entity, LabelledSentence
from tests.unit.report.samples import sample_dict

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
    corpus.finish({**sample_dict()["run"]["corpus"], "coverage": 0.12345, "[odd]": True})
    labels = StageFolder(tmp_path / "labels", "labels", {}, {})
    labels.begin()
    write_iteration(labels.path, 0, weak)
    labels.finish({"labels": 2, "startup_seconds": 70.25, "startup": {"first_labels": 65.0, "model": 5.25}})
    nee = StageFolder(tmp_path / "nee", "nee", {}, {})
    nee.begin()
    write_iteration(nee.path / "labels", 0, weak)
    write_iteration(nee.path / "labels", 1, picked)
    return tmp_path


def test_stages_are_told_with_state_and_counts(run: Path) -> None:
    lines = printed(inspect_run(run)).splitlines()
    corpus = next(line for line in lines if line.strip().startswith("corpus"))
    assert "finished" in corpus
    assert "pages 206" in corpus
    counts = " ".join(" ".join(lines).split())
    assert "coverage 0.1235" in counts
    assert "[odd] yes" in counts
    assert "startup seconds 70.25 · startup: first labels 1 min 05 s, model 5.2 s" in counts
    assert "unfinished" in next(line for line in lines if line.strip().startswith("nee"))


def test_what_was_lost_of_a_dump_adds_up(run: Path) -> None:
    lines = [line.split() for line in printed(inspect_run(run)).splitlines()]
    at = lines.index(["what", "sentences", "links"])
    rows = {}
    for *what, sentences, links in (words for words in lines[at + 2 : at + 8] if len(words) > 2):
        rows[" ".join(what)] = int(sentences.replace(",", "")), int(links.replace(",", ""))
    total = rows.pop("all")
    assert rows["kept"] == (11140, 15336)
    assert list(rows) == ["kept", "too few anchors", "too long", "duplicate"]
    assert total == tuple(map(sum, zip(*rows.values(), strict=True)))


def test_labels_by_iteration_and_type(run: Path) -> None:
    lines = printed(inspect_run(run)).splitlines()
    head = next(line.split() for line in lines if "sentences" in line and "LOC" in line)
    first = next(line for line in lines if line.split()[:1] == ["1"])
    assert head == ["iteration", "sentences", "labels", "LOC", "ORG", "PER", "sources"]
    assert first.split()[:6] == ["1", "2", "3", "2", "0", "1"]
    assert "gazetteer 1, picked 2" in first


def test_a_label_is_traced_to_its_source(run: Path) -> None:
    text = printed(LabelsView(run, 1).show())
    assert PARIS in text
    assert "page 7, sentence 0" in text
    assert "PER Ada  picked, score 0.62" in text
    assert "LOC Paris  gazetteer\n" in text
    assert "PER" not in printed(LabelsView(run, 0).show())


def test_labels_of_one_surface_and_a_limit(run: Path) -> None:
    text = printed(LabelsView(run, 1).show(surface="Ada"))
    assert PARIS in text
    assert LYON not in text
    assert "no label on 'Rome'" in printed(LabelsView(run, 1).show(surface="Rome"))
    limited = printed(LabelsView(run, 0).show(limit=1))
    assert LYON not in limited
    assert "the first 1 are shown" in limited


def test_what_an_iteration_added_and_dropped(run: Path) -> None:
    text = printed(LabelsView(run).show())
    assert text == printed(LabelsView(run, 1, 0).show_changes())
    assert "iteration 1 against 0: 2 added, 1 dropped, 1 kept; 2 sentences changed" in text
    counted = [line.split() for line in text.splitlines()]
    assert ["PER", "picked", "1", "1", "0", "0"] in counted
    assert ["LOC", "gazetteer", "1", "0", "0", "1"] in counted
    assert ["ORG", "gazetteer", "0", "0", "1", "0"] in counted
    first, second = text.split(PARIS)[1].split(LYON)
    assert "+ PER Ada  picked, score 0.62\n  LOC Paris  gazetteer" in first
    assert "+ LOC Paris  picked, score 0.50\n  − ORG Paris  gazetteer" in second
    assert "… and 1 more" in printed(LabelsView(run, 1).show_changes(limit=1))
    backwards = printed(LabelsView(run, 0, 1).show())
    assert "iteration 0 against 1: 1 added, 2 dropped, 1 kept" in backwards


def test_only_some_types(run: Path) -> None:
    text = printed(LabelsView(run, types=["ORG"]).show())
    assert "0 added, 1 dropped, 0 kept; 1 sentence changed" in text
    assert PARIS not in text
    assert "no label on 'Ada'" in printed(LabelsView(run, 0, types=["LOC"]).show(surface="Ada"))


def test_changes_as_json(run: Path) -> None:
    found = json.loads(json.dumps(LabelsView(run).as_json(limit=1)))
    assert (found["iteration"], found["against"], found["sentences"], found["sentences_changed"]) == (1, 0, 2, 2)
    assert found["labels"] == {"LOC": {"gazetteer": 1, "picked": 1}, "PER": {"picked": 1}}
    assert (found["added"]["PER"], found["dropped"]) == ({"picked": 1}, {"ORG": {"gazetteer": 1}})
    (row,) = found["examples"]
    assert (row["page_id"], row["sentence_index"], row["text"]) == (7, 0, PARIS)
    ada = {"start": 0, "end": 3, "type": "PER", "source": "picked", "score": 0.625, "surface": "Ada"}
    assert (row["added"], row["dropped"]) == ([ada], [])
    assert [label["surface"] for label in row["kept"]] == ["Paris"]
    first = LabelsView(run, 0).as_json()
    assert [row["labels"][0]["type"] for row in first["examples"]] == ["LOC", "ORG"]


def test_mistakes_are_told(run: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no run here"):
        inspect_run(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no stage"):
        inspect_run(tmp_path / "empty")
    with pytest.raises(UserError, match="no labels yet"):
        LabelsView(tmp_path / "empty")
    with pytest.raises(UserError, match="no run here"):
        LabelsView(tmp_path / "none")
    with pytest.raises(UserError, match="none before it"):
        LabelsView(run, 0).show_changes()
    for wanted in ((9, None), (1, 9)):
        with pytest.raises(UserError, match=r"no iteration 9[\s\S]*take one of 0, 1"):
            LabelsView(run, *wanted)
    with pytest.raises(UserError, match=r"the type 'CITY'[\s\S]*take one of LOC, ORG, PER"):
        LabelsView(run, types=["LOC", "CITY"])
