"""The command line: fast help, one clear message and exit code 2 for the user's mistakes."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest

from cofee_dist.cli import main
from cofee_dist.errors import told_of_path

ROOT = Path(__file__).resolve().parents[2]


def cofee(*arguments: str, input: str = "") -> subprocess.CompletedProcess[str]:
    """The command line in this process: starting one that imports torch takes many seconds."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with (
        contextlib.chdir(ROOT),
        mock.patch.dict(os.environ, {"HF_HUB_OFFLINE": "1", "COFEE_DATA": "/nowhere"}),
        mock.patch.object(sys, "argv", ["cofee", *arguments]),
        mock.patch.object(sys, "stdin", io.StringIO(input)),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as exit:
            code = int(exit.code or 0)
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


def assert_told(done: subprocess.CompletedProcess[str], *parts: str) -> None:
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    for part in parts:
        assert part in done.stderr


def test_help_names_the_commands():
    done = subprocess.run([sys.executable, "-m", "cofee_dist.cli", "--help"], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0
    for command in ("quickstart", "pretrain", "predict", "evaluate", "inspect", "clusters"):
        assert command in done.stdout


def test_help_imports_no_engine():
    code = (
        "import sys, cofee_dist.cli\n"
        "heavy = {'torch', 'transformers', 'pyspark', 'ray', 'mlflow', 'matplotlib', 'pyarrow', 'pydantic'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_dry_run_prints_the_resolved_config():
    done = cofee("pretrain", "-c", "pipelines/configs/twitter.yaml", "--set", "seed=7", "--dry-run")
    assert done.returncode == 0
    assert "seed: 7" in done.stdout
    assert "/nowhere/gazetteers/en/PER.txt" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["pretrain", "-c", "missing.yaml"], ["cannot read the config", "missing.yaml"]),
        (["pretrain", "-c", "pipelines/configs/twitter.yaml", "--set", "corpus.dump=x"], ["did you mean 'dumps'"]),
        (["predict", "--model", "nowhere", "text"], ["no model there", "nowhere", "--model FOLDER"]),
        (["inspect", "nowhere"], ["nowhere"]),
        (["evaluate", "x.txt", "--model", "nowhere"], ["no model there"]),
        (["download", "English", "--mirror", "http://127.0.0.1:9"], ["'English' is no code", "cofee download en"]),
        (["download", "wikipedia", "--mirror", "http://127.0.0.1:9"], ["is no code", "en, de, zh, simple"]),
    ],
)
def test_mistakes(arguments, parts):
    assert_told(cofee(*arguments), *parts)


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    from tests.encoders import tiny_model

    folder = tmp_path_factory.mktemp("run") / "model"
    tiny_model().save_pretrained(folder)
    return folder


def test_predict_reads_arguments_files_and_stdin(model, tmp_path):
    texts = ["Ada Lovelace lived in London .", "", "😀 Paris"]
    (tmp_path / "texts.txt").write_text("\n".join(texts) + "\n", encoding="utf-8")
    options = ["--model", str(model.parent), "--threshold", "0.05"]
    by_file = cofee("predict", *options, "--file", str(tmp_path / "texts.txt"))
    by_stdin = cofee("predict", *options, input="\n".join(texts) + "\n")
    assert by_file.returncode == 0, by_file.stderr
    assert by_file.stdout == by_stdin.stdout
    lines = [json.loads(line) for line in by_file.stdout.splitlines()]
    assert [line["text"] for line in lines] == texts
    found = [(line["text"], entity) for line in lines for entity in line["entities"]]
    assert found, "a threshold this low finds something"
    for text, entity in found:
        assert text[entity["start"] : entity["end"]] == entity["text"]
        assert entity["type"] in {"PER", "LOC"}
        assert 0 < entity["score"] <= 1


def test_predict_takes_new_types_by_their_question(model):
    done = cofee("predict", "--model", str(model), "--threshold", "0.01", "--type", "CITY=Find cities", "Ada in London")
    assert done.returncode == 0, done.stderr
    assert {entity["type"] for entity in json.loads(done.stdout)["entities"]} <= {"CITY"}
    assert_told(cofee("predict", "--model", str(model), "--type", "CITY", "x"), "does not know the type 'CITY'")


def test_predict_tells_what_is_no_text_or_type(model, tmp_path):
    options = ["predict", "--model", str(model)]
    assert_told(cofee(*options, "--file", str(tmp_path)), "cannot read the texts: Is a directory", "to do")
    (tmp_path / "texts.txt").write_bytes(b"caf\xe9\n")
    assert_told(cofee(*options, "--file", str(tmp_path / "texts.txt")), "not UTF-8", "texts.txt", "iconv")
    assert_told(cofee(*options, "--type", "=Find cities", "x"), "no type's name", "to do")
    (tmp_path / "texts.txt").write_bytes("\ufeffAda".encode())
    assert json.loads(cofee(*options, "--file", str(tmp_path / "texts.txt")).stdout)["text"] == "Ada"


def test_a_folder_that_is_no_model_is_told(model, tmp_path):
    (tmp_path / "gold.txt").write_text("Ada B-PER\n\n")
    for content in ("{", "{}", '{"types": 3}'):
        (tmp_path / "config.json").write_text(content)
        assert_told(cofee("evaluate", str(tmp_path / "gold.txt"), "-m", str(tmp_path)), "no model that a run", "to do")
    shutil.copytree(model, tmp_path / "cut")
    weights = tmp_path / "cut" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    assert_told(cofee("predict", "-m", str(tmp_path / "cut"), "x"), "cannot read the model", str(tmp_path / "cut"))


def test_what_the_system_says_of_a_path_is_one_message(tmp_path):
    (tmp_path / "a_file").write_text("")
    told = cofee("quickstart", "--folder", str(tmp_path / "a_file" / "x"))
    assert_told(told, "Not a directory", str(tmp_path / "a_file"), "to do")


def test_what_is_no_mistake_of_a_path_is_not_told_as_one(tmp_path):
    for error in (
        OSError(errno.EMFILE, "too many", "x"),
        OSError(errno.ENOENT, "none"),
        OSError(errno.ENOENT, "none", sys.prefix + "/lib/x.py"),
        OSError("no number"),
    ):
        assert told_of_path(error) is None


def test_evaluate_scores_a_labelled_file(model, tmp_path):
    path = tmp_path / "gold.txt"
    path.write_text("Ada B-PER\nin O\nLondon B-LOC\n\n", encoding="utf-8")
    done = cofee("evaluate", str(path), "--model", str(model), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["gold"] == 2
    path.write_text("Ada B-PER\nin O\nAcme B-ORG\n\n", encoding="utf-8")
    assert_told(cofee("evaluate", str(path), "--model", str(model)), "ORG", f"{path}:3")
    path.write_text("Ada\n", encoding="utf-8")
    assert_told(cofee("evaluate", str(path), "--model", str(model)), f"{path}:1")
