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


@contextmanager
def spoken_errors() -> Iterator[None]:
    """A UserError of a worker reaches the driver as the text of a Spark error: make it one again."""
    from pyspark.errors import PySparkException

    try:
        yield
    except PySparkException as error:
        found = _USER_ERROR.search(str(error))
        if found is None:
            raise
        raise UserError(found["what"], where=found["where"], fix=found["fix"]) from error


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
