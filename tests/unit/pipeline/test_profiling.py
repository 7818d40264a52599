"""``cofee profile`` by its command line: a tiny encoder of its own, made-up sentences and those of a run."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from cofee_dist.config.file import load_config
from cofee_dist.labels.ledger import write_iteration
from cofee_dist.pipeline.profile_sentences import made_up_sentences, sentences_of_run
from cofee_dist.pipeline.profiling import Profile, _advice
from cofee_dist.schemas import ENTITY, SENTENCES
from cofee_dist.train.profile import Rung
from tests.training import made_up, write_sentences
from tests.unit.test_cli import assert_told, cofee


@pytest.fixture
def config(tmp_path: Path) -> Path:
    settings = {
        "name": "tiny",
        "runs": str(tmp_path / "runs"),
        "task": {
            "types": {
                "PER": {"question": "Find persons", "gazetteers": ["PER.txt"]},
                "LOC": {"question": "Find places", "gazetteers": ["LOC.txt"]},
            }
        },
        "encoder": {
            "scratch": {"vocabulary_size": 200, "hidden_size": 32, "layers": 1, "heads": 1},
            "max_length_tokens": 48,
        },
        "stages": {"fet": {"clusters": 3}},
        "engine": {"device": "cpu", "batch_tokens": 400, "micro_batch_tokens": 150},
    }
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path


@pytest.mark.parametrize("stage", ["esi", "nee", "fet"])
def test_json_tells_every_size(config: Path, stage: str) -> None:
    done = cofee("profile", "-c", str(config), "--stage", stage, "--steps", "2", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["stage"] == stage
    assert found["sentences"].endswith("made up")
    assert [rung["micro_batch_tokens"] for rung in found["rungs"]] == [50, 100, 150, 200, 400, 800, 1600]
    assert [rung["batch_tokens"] for rung in found["rungs"]] == [400, 400, 400, 400, 400, 800, 1600]
    assert all(rung["fits"] for rung in found["rungs"])
    speeds = {rung["micro_batch_tokens"]: rung["tokens_per_second"] for rung in found["rungs"]}
    assert found["fastest_of_all"] == max(speeds, key=lambda size: speeds[size])
    assert found["fastest"] == max((size for size in speeds if size <= 400), key=lambda size: speeds[size])
    losses = {"loss", "mrc_loss", "cluster_loss"} if stage == "fet" else {"loss"}
    for rung in found["rungs"]:
        assert {name for name in rung if "loss" in name} == losses
        assert set(rung["ms"]) == {"data", "forward", "backward", "update", "other"}
    assert not (config.parent / "runs").exists()


def test_the_table_names_the_setting(config: Path) -> None:
    options = ["--steps", "1", "--up-to", "1000", "--set", "engine.micro_batch_tokens=100"]
    done = cofee("profile", "-c", str(config), *options)
    assert done.returncode == 0, done.stderr
    assert "stage nee on cpu, fp32" in done.stdout
    rows = [line.split() for line in done.stdout.splitlines()]
    head = ["micro-batch", "tokens/s", "padding", "data", "forward", "backward", "update", "other", "TFLOP/s"]
    assert head in rows
    assert [row[0] for row in rows if row and row[0].isdigit()] == ["50", "100", "200", "400", "800"]
    assert [row[1] for row in rows if row[:1] == ["100"]] == ["now"]
    assert [row[0] for row in rows if row[1:2] == ["*"]] == ["800"]
    assert "* a worker has 400 tokens of a step" in done.stdout
    assert "fastest that fits: --set engine.micro_batch_tokens=" in done.stdout
    assert "--up-to TOKENS tries more than 800" in done.stdout


def rung(size: int, batch: int, speed: float | None) -> Rung:
    metrics = {} if speed is None else {"tokens_per_second": speed}
    return Rung(size, batch, metrics, {"forward": 2.0, "backward": 6.0})


@pytest.mark.parametrize(
    ("speeds", "told", "not_told"),
    [
        (
            (50.0, 90.0, None),
            ("micro_batch_tokens=100 (now", "75%", "1.80 times", "=200 --set engine.batch_tokens=800"),
            "up-to",
        ),
        ((50.0, 40.0, 30.0), ("micro_batch_tokens=100 (now", "--up-to TOKENS tries more than 400"), "times as fast"),
        ((None,), ("no size fits",), "fastest"),
    ],
)
def test_the_advice(speeds: tuple[float | None, ...], told: tuple[str, ...], not_told: str) -> None:
    rungs = [rung(size, 4 * size, speed) for size, speed in zip((100, 200, 400), speeds, strict=False)]
    lines = "\n".join(_advice(Profile("nee", "cpu", "fp32", "", 100, 100, 1, tuple(rungs))))
    assert all(part in lines for part in told)
    assert not_told not in lines


def test_a_stage_that_is_none(config: Path) -> None:
    assert_told(cofee("profile", "-c", str(config), "--stage", "ner"), "no stage 'ner'", "esi, nee, fet")


def test_sentences_of_the_run_are_taken(config: Path) -> None:
    folder, weak = config.parent / "runs" / "tiny", made_up(30)
    write_iteration(folder / "labels", 0, weak)
    write_sentences(folder / "corpus" / "sentences", weak)
    loaded = load_config(config, [])
    assert sentences_of_run(loaded, "nee", 12) == weak[:12]
    loaded = load_config(config, ["stages.esi.min_anchors=1"])
    spans = sentences_of_run(loaded, "esi", 30)
    assert [s.text for s in spans] == [s.text for s in weak if s.entities]
    assert {entity.type for s in spans for entity in s.entities} == {ENTITY}

    done = cofee("profile", "-c", str(config), "--steps", "1", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["sentences"] == f"30 of {folder}"


def test_a_table_in_many_files_is_read_no_further_than_needed(config: Path) -> None:
    folder = config.parent / "runs" / "tiny" / "corpus" / "sentences"
    write_sentences(folder, made_up(4))
    (folder / "part-1.parquet").write_bytes(b"not read")
    loaded = load_config(config, ["stages.esi.min_anchors=1"])
    assert len(sentences_of_run(loaded, "esi", 3)) <= 3
    pq.write_table(pa.Table.from_pylist([], schema=SENTENCES), folder / "part-1.parquet")
    assert len(sentences_of_run(loaded, "esi", 9)) == len([s for s in made_up(4) if s.entities])


@pytest.mark.parametrize("language", ["en", "zh"])
def test_made_up_sentences_are_labelled_where_words_are(config: Path, language: str) -> None:
    loaded = load_config(config, [f"task.language={language}", "task.types.PER.question=人名和虚构的人物形象"])
    sentences = made_up_sentences(loaded, "nee", 60)
    assert sentences == made_up_sentences(loaded, "nee", 60)
    assert len({len(s.text) for s in sentences}) > 10
    for sentence in sentences:
        assert len(sentence.entities) == 2
        for entity in sentence.entities:
            surface = sentence.text[entity.start : entity.end]
            assert surface.strip() == surface
            assert surface if language == "zh" else len(surface.split()) == 2
            assert entity.type in {"PER", "LOC"}
