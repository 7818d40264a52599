"""A run without a wiki: texts and word lists in, a model out; no ESI, and nothing that asks for it."""

from __future__ import annotations

import io
import json
import random
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from cofee_dist.report.inspect import inspect_run
from cofee_dist.report.inspect_labels import LabelsView
from tests.e2e.test_pipeline import cofee

pytestmark = [pytest.mark.spark, pytest.mark.ray, pytest.mark.timeout(300)]

PEOPLE, PLACES = ["Ada Quill", "Bo Tarn", "Cy Moss"], ["Larkwater", "Dunmere", "Ostwick"]


def written(path: Path, lines: list[str]) -> str:
    path.write_text("\n".join(lines), encoding="utf-8")
    return str(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, draw = tmp_path_factory.mktemp("texts"), random.Random(0)
    lines = [f"On day {at} {draw.choice(PEOPLE)} went to {draw.choice(PLACES)} by boat." for at in range(60)]
    test = [{"text": "Bo Tarn saw Dunmere.", "entities": [{"start": 0, "end": 7, "type": "PER"}]}]
    config: dict[str, Any] = {
        "name": "texts",
        "runs": str(folder / "runs"),
        "task": {
            "types": {
                "PER": {"question": "persons", "gazetteers": [written(folder / "PER.txt", PEOPLE[:2])]},
                "LOC": {"question": "places", "gazetteers": [written(folder / "LOC.txt", PLACES)]},
            }
        },
        "corpus": {"texts": [written(folder / "notes.txt", lines)]},
        "labels": {"source": "text"},
        "encoder": {
            "scratch": {"vocabulary_size": 200, "hidden_size": 16, "layers": 1, "heads": 1},
            "max_length_tokens": 48,
        },
        "stages": {"nee": {"epochs": 2, "learning_rate": 3e-3}, "fet": {"epochs": 1, "clusters": 2}},
        "engine": {"device": "cpu", "cpu_threads": 1},
        "evaluation": {
            "test": {"path": written(folder / "test.jsonl", list(map(json.dumps, test)))},
            "ablations": True,
        },
        "tracking": {"uri": None},
    }
    (folder / "run.yaml").write_text(yaml.safe_dump(config))
    return folder


def test_a_run_without_dumps_has_no_esi_and_says_so(folder: Path) -> None:
    done = cofee("pretrain", "-c", str(folder / "run.yaml"))
    assert done.returncode == 0, done.stderr
    run = folder / "runs" / "texts"
    assert {path.parent.name for path in run.glob("*/manifest.json")} == {
        *("texts", "labels", "base", "nee", "fet", "mrc_ner", "evaluation")
    }
    assert done.stderr.count("no dump, so no anchors to learn from") == 1
    report = json.loads((run / "report.json").read_text())
    assert [system["name"] for system in report["systems"]] == ["Matching", "MRC-NER", "CoFEE-MRC – ESI", "– FET – ESI"]
    assert report["main"] == "CoFEE-MRC – ESI"
    assert (report["run"]["corpus"], report["run"]["texts"]["lines"]) == (None, 60)
    assert str(folder / "notes.txt") in report["run"]["inputs"]
    assert report["run"]["matches"]["types"]["LOC"]["hits"] == 60
    assert report["predictions"]
    assert "60 lines" in done.stdout
    assert "Texts" in (run / "report.html").read_text()
    assert "Wikipedia" not in (run / "model" / "README.md").read_text()

    console = Console(record=True, file=io.StringIO())
    console.print(inspect_run(run), LabelsView(run, 0).show())
    told = console.export_text()
    assert "texts" in told
    assert "gazetteer" in told
    assert "esi" not in told
