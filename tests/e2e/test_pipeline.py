"""The whole job by the command line, on a tiny made-up wiki: run, skipped, changed, killed, spoilt."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from cofee_dist.train.metrics import read_metrics
from tests.training import weights_of

ROOT = Path(__file__).resolve().parents[2]
STAGES = ("corpus", "labels", "base", "esi", "nee", "fet", "nee_without_esi", "mrc_ner", "evaluation")
pytestmark = [pytest.mark.spark, pytest.mark.ray, pytest.mark.timeout(600)]


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "cofee_dist.cli", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "DS_ACCELERATOR": "cpu"},
    )


def cofee(*arguments: str) -> subprocess.CompletedProcess[str]:
    process = start(*arguments)
    stdout, stderr = process.communicate(timeout=500)
    return subprocess.CompletedProcess(arguments, process.returncode, stdout, stderr)


def tiny_world(folder: Path) -> Path:
    """A tiny world and the config of a run on it, ``run.yaml``."""
    from cofee_dist.world.generate import generate

    made = generate(folder / "world", seed=3, size="tiny")
    file = {"path": str(made.validation)}
    questions = {"PER": "find persons", "LOC": "find locations", "ORG": "find organizations"}
    config = {
        "name": "tiny",
        "runs": str(folder / "runs"),
        "task": {
            "types": {
                name: {"question": questions[name], "gazetteers": [str(path)]} for name, path in made.gazetteers.items()
            }
        },
        "corpus": {"dumps": [str(made.dump)], "min_anchors": 1},
        "encoder": {
            "scratch": {"vocabulary_size": 500, "hidden_size": 32, "layers": 1, "heads": 2},
            "max_length_tokens": 96,
        },
        "stages": {
            "esi": {"epochs": 2, "learning_rate": 3e-3, "min_anchors": 2},
            "nee": {"epochs": 3, "learning_rate": 3e-3, "picking": "union", "picking_threshold": 0.2},
            "fet": {"epochs": 2, "learning_rate": 1e-3, "clusters": 4},
        },
        "engine": {"device": "cpu", "cpu_threads": 1, "batch_tokens": 1024, "micro_batch_tokens": 512},
        "evaluation": {
            "validation": file,
            "test": {"path": str(made.test)},
            "truth": str(made.truth),
            "examples": str(made.unseen),
            "ablations": True,
        },
    }
    (folder / "run.yaml").write_text(yaml.safe_dump(config))
    return folder


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    return tiny_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def first(world) -> subprocess.CompletedProcess[str]:
    done = cofee("pretrain", "-c", str(world / "run.yaml"))
    assert done.returncode == 0, done.stderr
    return done


def run_folder(world: Path) -> Path:
    return world / "runs" / "tiny"


def test_every_stage_leaves_its_manifest(world, first):
    for stage in STAGES:
        manifest = json.loads((run_folder(world) / stage / "manifest.json").read_text())
        assert manifest["fingerprint"]
        assert manifest["versions"]["cofee_dist"]
        assert stage in first.stderr


def test_the_report_holds_what_was_measured(world, first):
    report = json.loads((run_folder(world) / "report.json").read_text())
    assert [system["name"] for system in report["systems"]] == [
        "Matching",
        "MRC-NER",
        "CoFEE-MRC",
        "– FET",
        "– FET – ESI",
    ]
    for name in ("Matching", "CoFEE-MRC"):
        assert name in first.stdout
    scores = json.loads((run_folder(world) / "evaluation" / "scores.json").read_text())
    assert report["systems"][0]["f1"] == pytest.approx(100 * scores["Matching"]["f1"])
    assert report["picking"]["missing"] > 0
    assert 0 <= report["clusters"]["purity"] <= 100
    assert sum(cluster["size"] for cluster in report["clusters"]["clusters"]) > 0
    assert report["predictions"]
    assert "<svg" in (run_folder(world) / "report.html").read_text()
    assert "PER" in (run_folder(world) / "model" / "README.md").read_text()


def test_predictions_are_scored_as_the_table_says(world, first):
    from cofee_dist.evaluate.scorer import score

    lines = (run_folder(world) / "evaluation" / "fet.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    spans = [
        [{(e["start"], e["end"], e["type"]) for e in record[side]} for record in records]
        for side in ("gold", "entities")
    ]
    scores = json.loads((run_folder(world) / "evaluation" / "scores.json").read_text())
    assert score(*spans).f1 == pytest.approx(scores["CoFEE-MRC"]["f1"])


def test_the_saved_model_predicts(world, first):
    done = cofee("predict", "--model", str(run_folder(world)), "--threshold", "0.1", "Anna lives in Bern.")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["text"] == "Anna lives in Bern."


def test_inspect_tells_stages_and_where_labels_come_from(world, first):
    told = cofee("inspect", str(run_folder(world)))
    assert told.returncode == 0, told.stderr
    for stage in STAGES:
        assert stage in told.stdout
    labels = cofee("inspect", str(run_folder(world)), "--labels", "--iteration", "0")
    assert "gazetteer" in labels.stdout
    changes = cofee("inspect", str(run_folder(world)), "--changes", "--iteration", "1")
    assert "iteration 1 against 0" in changes.stdout


def test_mlflow_has_a_parent_and_a_run_for_each_training_stage(world, first):
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{world / 'runs' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("cofee")
    runs = {run.data.tags["mlflow.runName"]: run for run in client.search_runs([experiment.experiment_id])}
    parent = runs["tiny"]
    assert parent.info.status == "FINISHED"
    for stage in STAGES:
        child = runs[f"tiny/{stage}"]
        assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert child.info.status == "FINISHED"
    nee = runs["tiny/nee"].info.run_id
    logged = [point.value for point in client.get_metric_history(nee, "loss")]
    assert logged == [
        line["loss"] for line in read_metrics(run_folder(world) / "nee" / "metrics.jsonl") if "loss" in line
    ]
    assert {found.path for found in client.list_artifacts(nee, "model")} >= {"model/model.safetensors"}
    assert "report.html" in {found.path for found in client.list_artifacts(parent.info.run_id)}


def test_a_second_run_skips_every_stage(world, first):
    before = {stage: (run_folder(world) / stage / "manifest.json").read_bytes() for stage in STAGES}
    done = cofee("pretrain", "-c", str(world / "run.yaml"))
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(" done ") == len(STAGES)
    assert before == {stage: (run_folder(world) / stage / "manifest.json").read_bytes() for stage in STAGES}


@pytest.fixture
def copied(world, first, tmp_path) -> Path:
    """The finished run, to be changed without harm."""
    shutil.copytree(world / "runs", tmp_path / "runs")
    return tmp_path / "runs" / "tiny"


def test_a_changed_config_runs_what_depends_on_it(world, copied):
    arguments = ["--set", f"runs={copied.parent}", "--set", "stages.fet.clusters=5"]
    done = cofee("pretrain", "-c", str(world / "run.yaml"), *arguments)
    assert done.returncode == 0, done.stderr
    ran = {line.split()[1] for line in done.stderr.splitlines() if line.startswith("✓") and " done " not in line}
    assert ran == {"fet", "evaluation"}
    assert json.loads((copied / "fet" / "manifest.json").read_text())["counts"]["clusters"] == 5


def test_clusters_are_compared_with_those_of_the_epoch_before(world, first):
    shares = [line.get("moved_share") for line in read_metrics(run_folder(world) / "fet" / "metrics.jsonl")]
    (share,) = [share for share in shares if share is not None]
    assert 0 <= share < 1


def test_an_error_in_a_stage_ends_the_ablation_that_trains_beside_it(world, copied):
    for name in ("esi", "nee", "fet", "nee_without_esi", "mrc_ner"):
        shutil.rmtree(copied / name)
    settings = [f"runs={copied.parent}", "tracking.uri=null", "engine.parallel_stages=2", "stages.esi.min_anchors=99"]
    done = cofee("pretrain", "-c", str(world / "run.yaml"), *(part for one in settings for part in ("--set", one)))
    assert done.returncode == 2, done.stderr
    assert "stage esi has no sentences" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (copied / "nee_without_esi" / "manifest.json").exists()


@pytest.mark.parametrize("stage", ["esi", "nee", "fet"])
def test_killed_in_a_stage_and_run_again_gives_the_same_model(world, first, copied, stage):
    whole = run_folder(world)
    for name in STAGES[STAGES.index(stage) :]:
        shutil.rmtree(copied / name)
    arguments = [
        *("--set", f"runs={copied.parent}", "--set", "engine.checkpoint_every_steps=2"),
        *("--set", "evaluation.ablations=false", "--set", "tracking.uri=null"),
    ]
    process = start("pretrain", "-c", str(world / "run.yaml"), *arguments)
    deadline = time.monotonic() + 240
    while not list((copied / stage / "checkpoints").glob("step=*/state.json")) and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (copied / stage / "manifest.json").exists(), "killed before the stage ended"
    done = cofee("pretrain", "-c", str(world / "run.yaml"), *arguments)
    assert done.returncode == 0, done.stderr
    for name in STAGES[STAGES.index(stage) : STAGES.index("fet") + 1]:
        left, right = weights_of(whole / name / "model"), weights_of(copied / name / "model")
        assert all(left[key].equal(right[key]) for key in left), name
        assert (
            read_metrics(whole / name / "metrics.jsonl")[-1]["step"]
            == read_metrics(copied / name / "metrics.jsonl")[-1]["step"]
        )


@pytest.mark.deepspeed
def test_deepspeed_learns_what_torch_learns(world, first, copied):
    arguments = [
        *("--set", f"runs={copied.parent}", "--set", "engine.name=deepspeed", "--set", "evaluation.ablations=false"),
        *("--set", f"engine.deepspeed_config={ROOT}/cluster/deepspeed/zero2.json", "--set", "tracking.uri=null"),
    ]
    done = cofee("pretrain", "-c", str(world / "run.yaml"), *arguments)
    assert done.returncode == 0, done.stderr
    for stage in ("esi", "nee"):
        torch_losses, deepspeed_losses = (
            [line["loss"] for line in read_metrics(folder / stage / "metrics.jsonl") if "loss" in line]
            for folder in (run_folder(world), copied)
        )
        assert deepspeed_losses == pytest.approx(torch_losses, rel=0.02)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda world, run: ["corpus.dumps=[nowhere.xml.bz2]"], ["the dump does not exist", "nowhere.xml.bz2"]),
        (lambda world, run: [f"corpus.dumps=[{truncated(world, run)}]"], ["truncated.xml.bz2"]),
        (
            lambda world, run: [f"corpus.dumps=[{written(run, 'page.xml', '<html><p>no wiki</p></html>')}]"],
            ["page.xml"],
        ),
        (lambda world, run: [f"task.types.PER.gazetteers=[{written(run, 'empty.txt', '')}]"], ["empty.txt"]),
        (
            lambda world, run: [
                f"task.types.{kind}.gazetteers=[{written(run, 'none.txt', 'Zzyzx Qwrt')}]"
                for kind in ("PER", "LOC", "ORG")
            ],
            ["none.txt", "anchors matches"],
        ),
        (lambda world, run: ["evaluation.test.path=nowhere.jsonl"], ["the test file does not exist"]),
    ],
    ids=["missing dump", "truncated dump", "no wiki", "empty gazetteer", "gazetteer without hits", "missing test"],
)
def test_bad_input_ends_with_one_message(world, copied, spoil, told):
    settings = [f"runs={copied.parent}", "tracking.uri=null", *spoil(world, copied)]
    done = cofee("pretrain", "-c", str(world / "run.yaml"), *(part for one in settings for part in ("--set", one)))
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("error:") == 1
    for part in told:
        assert part in done.stderr


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """A file system of a few megabytes."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], check=False)
    if mounted.returncode != 0:
        pytest.skip("a small file system can be mounted by root only")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_ends_with_one_message_and_the_next_run_goes_on(world, first, small_disk):
    arguments = ["pretrain", "-c", str(world / "run.yaml"), "--set", f"runs={small_disk}/runs"]
    arguments += ["--set", "tracking.uri=null", "--set", "evaluation.ablations=false"]
    done = cofee(*arguments)
    assert done.returncode == 1, done.stderr
    assert "the disk is full" in done.stderr
    assert "Traceback" not in done.stderr
    subprocess.run(["mount", "-o", "remount,size=200m", str(small_disk)], check=True)
    done = cofee(*arguments)
    assert done.returncode == 0, done.stderr
    left = weights_of(run_folder(world) / "fet" / "model")
    right = weights_of(small_disk / "runs" / "tiny" / "fet" / "model")
    assert all(left[key].equal(right[key]) for key in left)


def truncated(world: Path, run: Path) -> Path:
    whole = (world / "world" / "wiki.xml.bz2").read_bytes()
    path = run / "truncated.xml.bz2"
    path.write_bytes(whole[: len(whole) * 2 // 3])
    return path


def written(run: Path, name: str, text: str) -> Path:
    path = run / name
    path.write_text(text, encoding="utf-8")
    return path
