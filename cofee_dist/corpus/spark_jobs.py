"""What a Spark job tells: how far it is, and what went wrong in its workers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from cofee_dist.errors import UserError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

#: Told (tasks done, tasks).
Progress = Callable[[int, int], None]

_POLL_SECONDS = 0.5
_USER_ERROR = re.compile(r"UserError: (?P<what>.+)(?:\n  where: (?P<where>.+))?(?:\n  to do: (?P<fix>.+))?")


#: What else a person can mend: what Spark says of it, what we say, and what to do.
_MENDABLE = (
    (
        re.compile(r"ModuleNotFoundError: No module named '([\w.]+)'"),
        "the Python of Spark's workers has no module {0}",
        "give it with --py-files or install it where PYSPARK_PYTHON (spark.pyspark.python) leads on every machine",
    ),
    (
        re.compile(r"Python in worker has different version: (\S+) than that in driver: ([\w.]+\w)"),
        "Spark's workers run Python {0}, the driver {1}",
        "set PYSPARK_PYTHON (spark.pyspark.python) to the same version on every machine",
    ),
    (
        re.compile(r'Cannot run program "([^"]+)"'),
        "Spark's workers cannot run {0}",
        "set PYSPARK_PYTHON (spark.pyspark.python) to a Python that is on every machine",
    ),
    (
        re.compile(r"(?s)Job aborted due to stage failure: (Task \d+ in stage [\d.]+ failed \d+ times).*?"
                   r"(Python worker exited unexpectedly|ExecutorLostFailure)"),
        "Spark gave up: {0} ({1})",
        "see the executors' logs; if they were killed for their memory, raise spark.executor.memoryOverhead",
    ),
)  # fmt: skip


@contextmanager
def spoken_errors() -> Iterator[None]:
    """What went wrong in a worker reaches the driver as the text of a Spark error: make it a UserError again."""
    from py4j.protocol import Py4JJavaError
    from pyspark.errors import PySparkException

    try:
        yield
    except (PySparkException, Py4JJavaError) as error:
        spoken = _spoken(str(error))
        if spoken is None:
            raise
        raise spoken from error


def _spoken(text: str) -> UserError | None:
    if found := _USER_ERROR.search(text):
        return UserError(found["what"], where=found["where"], fix=found["fix"])
    for pattern, what, fix in _MENDABLE:
        if found := pattern.search(text):
            return UserError(what.format(*found.groups()), fix=fix)
    return None


@contextmanager
def watched(spark: SparkSession, on_progress: Progress) -> Iterator[None]:
    """Tell from time to time how many tasks of the jobs begun here are done."""
    context = spark.sparkContext
    tracker, stop, group = context.statusTracker(), Event(), f"cofee-{uuid4().hex}"

    def poll() -> None:
        while not stop.wait(_POLL_SECONDS):
            stages = [stage for job in tracker.getJobIdsForGroup(group) for stage in _stages(tracker, job)]
            done, total = sum(stage.numCompletedTasks for stage in stages), sum(stage.numTasks for stage in stages)
            if total:
                on_progress(done, total)

    watcher = Thread(target=poll, name="spark-progress", daemon=True)
    context.setJobGroup(group, "reading dumps")
    watcher.start()
    try:
        yield
    finally:
        stop.set()
        watcher.join()
        context.setLocalProperty("spark.jobGroup.id", None)  # type: ignore[arg-type]


def _stages(tracker: Any, job: int) -> list[Any]:
    info = tracker.getJobInfo(job)
    return [stage for number in (info.stageIds if info else ()) if (stage := tracker.getStageInfo(number))]
