"""The corpus through ``spark-submit``: on one machine, on a cluster that loses a worker, and with mistakes."""

from __future__ import annotations

import bz2
import gzip
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import yaml

from cofee_dist.cli import main
from tests.spark.processes import QUICK_QUERIES, ROOT, Cluster, Done, Processes, busy_executor, events, free_ports
from tests.spark.submitted import arguments, make_world, output

pytestmark = [pytest.mark.spark, pytest.mark.timeout(600)]

PROGRAM = ROOT / "pipelines" / "build_corpus.py"
MANY_SPLITS = 30


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("submitted")
    make_world(folder)
    return folder


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    folder = tmp_path_factory.mktemp("spark")
    (folder / "conf").mkdir()
    # What a cluster's administrator sets.
    (folder / "conf" / "spark-defaults.conf").write_text("spark.app.name by-the-defaults\n")
    started = Processes(folder)
    try:
        yield started
    finally:
        started.end()


@pytest.fixture(scope="module")
def cluster(processes: Processes) -> Cluster:
    return Cluster.start(processes)


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Python with all that this package needs, but not the package, however it is installed here."""
    folder = tmp_path_factory.mktemp("bare")
    packages = folder / "packages"
    packages.mkdir()
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if "cofee" not in entry.name:
            (packages / entry.name).symlink_to(entry)
    python = folder / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH="$PYTHONPATH:{packages}" exec {sys.executable} -S "$@"\n')
    python.chmod(0o755)
    return str(python)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> str:
    """This package as ``--py-files`` takes it."""
    return shutil.make_archive(str(tmp_path_factory.mktemp("zip") / "cofee"), "zip", ROOT, "cofee_dist")


def check_error(done: Done, *parts: str) -> None:
    assert done.code == 2, done.said
    assert done.said.count("error: ") == 1
    told = done.said[done.said.index("error: ") :]
    for part in parts:
        assert part in told
    assert "to do: " in told
    assert "Traceback" not in told


@pytest.fixture(scope="module")
def local(world: Path, processes: Processes, tmp_path_factory: pytest.TempPathFactory) -> tuple[Done, Path]:
    """Run on this machine, in a folder whose name Hadoop would spell otherwise."""
    runs = tmp_path_factory.mktemp("local") / "the runs, 100%"
    (log := runs.with_name("log")).mkdir()
    conf = {"spark.eventLog.enabled": "true", "spark.eventLog.dir": log.as_uri(), **PLAIN_LOG}
    conf |= {"spark.master": "local[2]", "spark.default.parallelism": "3"}
    return processes.submit(PROGRAM, *arguments(world, runs), conf=conf).wait(), runs


PLAIN_LOG = {"spark.eventLog.compress": "false", "spark.eventLog.rolling.enabled": "false"}


def test_the_session_is_the_one_that_was_configured(local: tuple[Done, Path]) -> None:
    done, runs = local
    assert done.code == 0, done.said
    assert " on local[2] · local-" in done.said
    log = events(runs.with_name("log"))
    [given] = [event["Spark Properties"] for event in log if event["Event"] == "SparkListenerEnvironmentUpdate"]
    assert given["spark.default.parallelism"] == "3"
    assert given["spark.app.name"] == "by-the-defaults"
    # The session's own default, where nothing else is set.
    changed = [event["modifiedConfigs"] for event in log if event["Event"].endswith("SQLExecutionStart")]
    assert {conf.get("spark.sql.session.timeZone") for conf in changed} == {"UTC"}


def test_what_is_made_is_worth_comparing(local: tuple[Done, Path]) -> None:
    made = output(local[1])
    counts = made["corpus"]
    assert counts["sentences"] == len(made["corpus/sentences"]) > 200
    assert counts["redirects"] > 0
    assert counts["dropped"]["duplicate"] > 0
    assert {row["reason"] for row in made["corpus/quarantine"]} == {"malformed_page", "damaged_stream"}
    assert (
        len(made["labels/iteration=0"]) == made["labels"]["sentences_labelled"] - made["labels"]["held_out_sentences"]
    )
    assert not [path for path in local[1].rglob("*") if "seen" in path.name or path.name == "_tmp"]


def test_a_killed_worker_changes_nothing(
    world: Path,
    processes: Processes,
    cluster: Cluster,
    local: tuple[Done, Path],
    bare_python: str,
    package: str,
    tmp_path: Path,
) -> None:
    for _ in range(2):
        cluster.add_worker()
    [ui_port] = free_ports(1)
    (log := tmp_path / "log").mkdir()
    conf = {"spark.master": cluster.url, "spark.submit.pyFiles": package, "spark.executor.memory": "600m"}
    conf |= {"spark.eventLog.enabled": "true", "spark.eventLog.dir": log.as_uri(), **PLAIN_LOG}
    conf |= {"spark.ui.enabled": "true", "spark.ui.port": str(ui_port), "spark.sql.session.timeZone": "Asia/Tokyo"}
    python = {"PYSPARK_PYTHON": bare_python, "PYSPARK_DRIVER_PYTHON": sys.executable}
    # The default is relative too, and executors are in folders of their own.
    runs = Path(os.path.relpath(tmp_path / "runs", processes.folder))
    cut = arguments(world, runs, corpus__split_bytes=4_000)
    submitted = processes.submit(PROGRAM, *cut, conf=conf, **python)
    cluster.kill_worker_of(busy_executor(ui_port, MANY_SPLITS))
    done = submitted.wait()
    assert done.code == 0, done.said
    assert f" on {cluster.url} · app-" in done.said
    check_that_work_went_on(events(log))
    assert cluster.alive() == 1
    assert output(tmp_path / "runs") == output(local[1])


def check_that_work_went_on(log: list[dict[str, Any]]) -> None:
    """Of the pass over the dumps, tasks were done before an executor was lost, on both, and after."""
    [removed] = [event for event in log if event["Event"] == "SparkListenerExecutorRemoved"]
    sizes = {
        event["Stage Info"]["Stage ID"]: event["Stage Info"]["Number of Tasks"]
        for event in log
        if event["Event"] == "SparkListenerStageSubmitted"
    }
    # A later stage may list as many files.
    reading = min(stage for stage, tasks in sizes.items() if tasks >= MANY_SPLITS)
    ended = [event for event in log if event["Event"] == "SparkListenerTaskEnd" and event["Stage ID"] == reading]
    good = [event["Task Info"] for event in ended if event["Task End Reason"]["Reason"] == "Success"]
    assert len({task["Index"] for task in good}) == sizes[reading]
    before = [task for task in good if task["Finish Time"] < removed["Timestamp"]]
    assert 0 < len(before) < len(good)
    assert removed["Executor ID"] not in {task["Executor ID"] for task in good if task not in before}
    [given] = [event["Spark Properties"] for event in log if event["Event"] == "SparkListenerEnvironmentUpdate"]
    assert given["spark.executor.memory"] == "600m"
    changed = [event["modifiedConfigs"] for event in log if event["Event"].endswith("SQLExecutionStart")]
    assert {conf.get("spark.sql.session.timeZone") for conf in changed} <= {None, "Asia/Tokyo"}


def built(given: list[str]) -> int:
    """The exit code of ``cofee build-corpus`` in this process."""
    with mock.patch.object(sys, "argv", ["cofee", "build-corpus", *given]), pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


@contextmanager
def configured(spark: Any, conf: Mapping[str, str]) -> Iterator[None]:
    before = {key: spark.conf.get(key) for key in conf}
    for key, value in conf.items():
        spark.conf.set(key, value)
    try:
        yield
    finally:
        for key, value in before.items():
            spark.conf.set(key, value)


@pytest.mark.parametrize(("split_bytes", "partitions"), [(1_000_000, 1), (25_000, 7)])
def test_neither_the_cut_nor_the_order_of_dumps_matters(
    spark: Any, world: Path, local: tuple[Done, Path], tmp_path: Path, split_bytes: int, partitions: int
) -> None:
    """By ``cofee build-corpus``, on a session that is there already and stays."""
    dumps = list(reversed(yaml.safe_load((world / "run.yaml").read_text())["corpus"]["dumps"]))
    given = arguments(world, tmp_path, corpus__dumps=f"[{','.join(dumps)}]", corpus__split_bytes=split_bytes)
    conf = {**QUICK_QUERIES, "spark.sql.shuffle.partitions": str(partitions)}
    with configured(spark, conf):
        assert built(given) == 0
    assert output(tmp_path) == output(local[1])
    assert spark.range(3).count() == 3


def test_a_workers_mistake_is_told_once(
    spark: Any, world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = gzip.compress(bz2.decompress((world / "world-0" / "wiki.xml.bz2").read_bytes()))
    cut = tmp_path / "cut.xml.gz"
    cut.write_bytes(whole[: len(whole) * 2 // 3])
    code = built(arguments(world, tmp_path / "runs", corpus__dumps=f"[{cut}]"))
    check_error(Done(code, capsys.readouterr().err), "truncated", str(cut))


def test_workers_without_the_package_are_told(
    world: Path, processes: Processes, cluster: Cluster, bare_python: str, tmp_path: Path
) -> None:
    if not cluster.alive():
        cluster.add_worker()
    python = {"PYSPARK_PYTHON": bare_python, "PYSPARK_DRIVER_PYTHON": sys.executable}
    given = arguments(world, tmp_path / "runs")
    done = processes.submit(PROGRAM, *given, conf={"spark.master": cluster.url}, **python).wait()
    check_error(done, "no module cofee_dist", "--py-files")


def test_workers_that_do_not_see_the_folder_are_told(
    world: Path, processes: Processes, package: str, tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    runs.mkdir()
    mount = f"mount -t tmpfs -o size=1m tmpfs '{runs}'"
    if subprocess.run(["unshare", "--mount", "sh", "-ec", mount], check=False).returncode:
        pytest.skip("another view of the file system can be had by root only")
    blind = Cluster.start(processes)
    blind.add_worker(before=mount)
    conf = {"spark.master": blind.url, "spark.submit.pyFiles": package}
    done = processes.submit(PROGRAM, *arguments(world, runs), conf=conf).wait()
    check_error(done, "does not see the run's folder", str(runs), "an executor on")
