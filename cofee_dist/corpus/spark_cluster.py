"""A session on the Spark that ``spark-submit`` gives, and whether its executors see what they must."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pyarrow as pa

import cofee_dist
from cofee_dist.corpus.dump_location import dump_size
from cofee_dist.corpus.spark_jobs import spoken_errors
from cofee_dist.errors import UserError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

#: Set where neither the command line nor a file of the cluster's sets it.
_DEFAULTS = {"spark.sql.session.timeZone": "UTC"}
#: What the launcher of Spark gives to a Python program that it starts.
_LAUNCHED = "PYSPARK_GATEWAY_PORT"
_SEEN = pa.schema([("host", pa.string()), ("problem", pa.string()), ("fix", pa.string())])
_SEEN_SQL = "host string, problem string, fix string"
_TASKS_PER_CORE = 2
_ELSEWHERE = "put it where every machine of the cluster finds it under the same path"


def submitted() -> bool:
    """Whether ``spark-submit`` started this process: then master, executors and memory are its to say."""
    return _LAUNCHED in os.environ


def submitted_session() -> SparkSession:
    """The session that ``spark-submit`` configures; of ours only what was left unset.

    Raises:
        UserError: where the cluster gives none.
    """
    from py4j.protocol import Py4JError
    from pyspark import SparkConf
    from pyspark.sql import SparkSession

    try:
        session = SparkSession.builder.getOrCreate()
    except Py4JError as error:
        raise UserError(
            f"Spark gave no session: {_reason(str(error))}",
            where=SparkConf().get("spark.master"),
            fix="see that --master leads to a cluster that runs; Spark's own log tells why it did not answer",
        ) from error
    given = session.sparkContext.getConf()
    for key, value in _DEFAULTS.items():
        if not given.contains(key):
            session.conf.set(key, value)
    return session


def _reason(said: str) -> str:
    """The Java error in what py4j tells: the line behind its own."""
    lines = [line.strip().removeprefix(": ") for line in said.splitlines() if line.strip()]
    return next((line for line in lines if "Exception" in line or "Error:" in line), lines[0] if lines else said)


def told(session: SparkSession) -> str:
    """Which Spark it is, in a line."""
    context = session.sparkContext
    parts = [f"{context.version} on {context.master}", context.applicationId, context.uiWebUrl or "no UI"]
    return " · ".join(str(part) for part in parts)


def check_executors(session: SparkSession, folder: Path, files: Mapping[str, int]) -> None:
    """Have executors look for what they must see, before hours of work or, worse, output that only they see.

    Executors that are there now are asked, by more tasks than there are cores. Spark of a single machine is not.

    Args:
        session: a session.
        folder: of the run, on storage that this process and all executors share.
        files: paths or URLs that the workers open, with their bytes.

    Raises:
        UserError: for the first that misses a file or this package, or cannot write to the folder.
    """
    context = session.sparkContext
    if str(context.master).startswith("local"):
        return
    mark = folder.resolve() / f".seen-{uuid4().hex}"
    mark.write_text(mark.name, encoding="utf-8")
    tasks = _TASKS_PER_CORE * context.defaultParallelism
    look = Look(mark, files, cofee_dist.__version__)
    context.setJobGroup(mark.name, "looking whether executors see the run's folder and the dumps")
    try:
        with spoken_errors():
            found = session.range(tasks, numPartitions=tasks).mapInArrow(look, _SEEN_SQL).collect()
    finally:
        context.setLocalProperty("spark.jobGroup.id", None)  # type: ignore[arg-type]
        context.setLocalProperty("spark.job.description", None)  # type: ignore[arg-type]
        mark.unlink()
    for row in found:
        if row["problem"]:
            raise UserError(row["problem"], where=f"an executor on {row['host']}", fix=row["fix"])


class Look:
    """The function that ``mapInArrow`` runs in each task: a row that tells what is wrong there, if anything."""

    def __init__(self, mark: Path, files: Mapping[str, int], version: str) -> None:
        self._mark, self._files, self._version = mark, dict(files), version

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Look once, whatever the batches hold."""
        for _ in batches:
            pass
        problem, fix = self.problem() or (None, None)
        yield pa.RecordBatch.from_pylist([{"host": socket.gethostname(), "problem": problem, "fix": fix}], schema=_SEEN)

    def problem(self) -> tuple[str, str] | None:
        """What is wrong on this machine, and what to do."""
        if cofee_dist.__version__ != self._version:
            found = f"{cofee_dist.__version__} of this package, not the driver's {self._version}"
            return f"it has version {found}", "install the same version everywhere, or send it with --py-files"
        return self._of_folder() or self._of_files()

    def _of_folder(self) -> tuple[str, str] | None:
        folder = self._mark.parent
        try:
            if self._mark.read_text(encoding="utf-8") != self._mark.name:
                return f"it sees another folder at {folder}", f"runs={folder.parent}: {_ELSEWHERE}"
            own = self._mark.with_name(f"{self._mark.name}-{uuid4().hex}")
            own.touch()
            own.unlink()
        except FileNotFoundError:
            return f"it does not see the run's folder {folder}", f"set runs to shared storage: {_ELSEWHERE}"
        except OSError as error:
            return f"it cannot write to the run's folder {folder}: {error.strerror}", "let Spark's user write there"
        return None

    def _of_files(self) -> tuple[str, str] | None:
        for path, size in self._files.items():
            try:
                seen = dump_size(path)
            except UserError as error:
                fix = error.fix or ""
                return f"it cannot read {path}: {error.what}", fix if "://" in path else f"{_ELSEWHERE}, or give a URL"
            if seen != size:
                return f"it sees {seen:,} bytes of {path}, the driver {size:,}", f"{_ELSEWHERE}, the same file"
        return None
