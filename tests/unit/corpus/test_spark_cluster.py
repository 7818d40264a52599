"""What an executor finds wrong on its machine, and what is made of Spark's errors; no JVM is started here."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pytest

import cofee_dist
from cofee_dist.corpus.spark_cluster import Look, submitted
from cofee_dist.corpus.spark_jobs import _spoken
from cofee_dist.corpus.spark_paths import to_read, to_write


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    path = tmp_path / "runs" / "a" / ".seen-1"
    path.parent.mkdir(parents=True)
    path.write_text(path.name)
    return path


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    path = tmp_path / "dump.xml"
    path.write_bytes(b"12345")
    return path


def look(mark: Path, dump: Path | str, size: int = 5, version: str = cofee_dist.__version__) -> tuple[str, str]:
    return Look(mark, {str(dump): size}, version).problem() or ("", "")


def test_nothing_is_wrong_and_nothing_is_left(mark: Path, dump: Path) -> None:
    [batch] = Look(mark, {str(dump): 5}, cofee_dist.__version__)(iter([pa.RecordBatch.from_pylist([{"id": 1}])]))
    [row] = batch.to_pylist()
    assert row["host"]
    assert (row["problem"], row["fix"]) == (None, None)
    assert os.listdir(mark.parent) == [mark.name]


def test_the_folder(mark: Path, dump: Path) -> None:
    mark.write_text("something else")
    assert "another folder" in look(mark, dump)[0]
    mark.unlink()
    problem, fix = look(mark, dump)
    assert f"does not see the run's folder {mark.parent}" in problem
    assert "set runs" in fix


def test_the_dump(mark: Path, dump: Path) -> None:
    problem, fix = look(mark, dump, size=6)
    assert problem == f"it sees 5 bytes of {dump}, the driver 6"
    assert fix
    dump.unlink()
    problem, fix = look(mark, dump)
    assert str(dump) in problem
    assert "does not exist" in problem
    assert "every machine" in fix
    _, fix = look(mark, "nosuch://bucket/dump.xml")
    assert "fsspec" in fix


def test_another_version(mark: Path, dump: Path) -> None:
    assert "version" in look(mark, dump, version="0.0.0")[0]


@pytest.mark.parametrize(
    ("text", "what", "fix"),
    [
        (
            "Traceback …\ncofee_dist.errors.UserError: the dump is truncated\n  where: a.gz\n  to do: fetch it again\n",
            "the dump is truncated\n  where: a.gz",
            "fetch it again",
        ),
        ("…\nModuleNotFoundError: No module named 'blingfire'\n", "no module blingfire", "--py-files"),
        (
            "[PYTHON_VERSION_MISMATCH] Python in worker has different version: 3.9 than that in driver: 3.11, Py…",
            "workers run Python 3.9, the driver 3.11",
            "PYSPARK_PYTHON",
        ),
        ('java.io.IOException: Cannot run program "/x/python": error=2, No such …', "cannot run /x/python", "PYSPARK"),
        (
            "Job aborted due to stage failure: Task 1 in stage 0.0 failed 4 times, most recent failure: Lost task 1.3 "
            "in stage 0.0 (TID 1): ExecutorLostFailure (executor 3 exited …",
            "Task 1 in stage 0.0 failed 4 times (ExecutorLostFailure)",
            "memoryOverhead",
        ),
    ],
)
def test_what_spark_says_of_a_mistake(text: str, what: str, fix: str) -> None:
    error = _spoken(text)
    assert error is not None
    assert what in str(error)
    assert fix in (error.fix or "")


def test_what_no_one_can_mend_stays_as_it_is() -> None:
    assert _spoken("An exception was thrown from the Python worker:\nKeyError: 'x'") is None
    assert _spoken("Job aborted due to stage failure: Task 1 in stage 0.0 failed 4 times: KeyError") is None


def test_paths_are_those_of_this_machine(tmp_path: Path) -> None:
    assert to_write("a b%20") == f"file://{Path.cwd()}/a b%20"
    assert to_read(tmp_path / "a[1]*") == f"file://{tmp_path}/a\\[1\\]\\*"


def test_who_started_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYSPARK_GATEWAY_PORT", raising=False)
    assert not submitted()
    monkeypatch.setenv("PYSPARK_GATEWAY_PORT", "1")
    assert submitted()
