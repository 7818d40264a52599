"""The Spark session: the one that ``spark-submit`` configures, else a quiet one on this machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import cofee_dist
from cofee_dist.corpus.spark_cluster import submitted, submitted_session
from cofee_dist.errors import UserError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_MIN_JAVA = 17
_JAVA_VERSION = re.compile(r'version "(?:1\.)?(\d+)')
#: The JVM's second compiler takes longer than it saves: the work is done in Python, Spark handles what it leaves.
_QUICK_START = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
_LOG_SETTINGS = """\
rootLogger.level = error
rootLogger.appenderRef.stderr.ref = stderr
appender.stderr.type = Console
appender.stderr.name = stderr
appender.stderr.target = SYSTEM_ERR
appender.stderr.layout.type = PatternLayout
appender.stderr.layout.pattern = %d{HH:mm:ss} %p %c{1}: %m%n
"""


@contextmanager
def opened_session() -> Iterator[SparkSession]:
    """The session that runs already, which is left running; else ``spark-submit``'s, or a local one, until the end.

    Raises:
        UserError: where none can be had, or only that of Spark Connect: its workers' progress cannot be followed.
    """
    if "SPARK_REMOTE" in os.environ:
        raise UserError("Spark Connect is not supported", where="SPARK_REMOTE, --remote", fix="use --master")
    _without_warnings()
    from pyspark.sql import SparkSession

    if (running := SparkSession.getActiveSession()) is not None:
        yield running
        return
    session = submitted_session() if submitted() else local_session()
    try:
        yield session
    finally:
        session.stop()


def _without_warnings() -> None:
    # Nothing here goes through pandas.
    warnings.filterwarnings("ignore", message="PySpark does not yet fully support pandas", category=FutureWarning)


def local_session(cores: int | None = None, memory: str = "2g") -> SparkSession:
    """A Spark session in this process's own JVM: no ports open to others, no UI, UTC, nothing on the terminal.

    Args:
        cores: how many tasks run at once; by default as many as this process may use.
        memory: the JVM's heap; Python workers take theirs beside it.

    Raises:
        UserError: where Java 17 or newer is missing, or the JVM does not start (with the end of its log).
    """
    check_java()
    _without_warnings()
    from pyspark import SparkConf, SparkContext
    from pyspark.sql import SparkSession

    if (running := SparkSession.getActiveSession()) is not None:
        return running
    cores = cores or _usable_cores()
    # Driver and workers must be the same interpreter.
    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    folder = Path(tempfile.mkdtemp(prefix="cofee-spark-"))
    log_settings = folder / "log4j2.properties"
    log_settings.write_text(_LOG_SETTINGS, encoding="utf-8")
    conf = SparkConf(loadDefaults=False)
    for key, value in _settings(cores, memory, log_settings).items():
        conf.set(key, value)
    gateway = SparkContext._gateway or _launch(conf, folder / "spark.log")
    return SparkSession(SparkContext(conf=conf, gateway=gateway))


def _usable_cores() -> int:
    # A container or `taskset` may leave less than the machine has.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def check_java() -> None:
    """Raise a UserError unless the Java that Spark will take is there and new enough."""
    home = os.environ.get("JAVA_HOME")
    fix = f"install Java {_MIN_JAVA} (Debian, Ubuntu: apt-get install openjdk-17-jre-headless)"
    java = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    if home and not os.access(java or "", os.X_OK):
        raise UserError("JAVA_HOME does not lead to a Java", where=home, fix=f"unset JAVA_HOME or correct it, or {fix}")
    if java is None:
        raise UserError(f"Spark needs Java {_MIN_JAVA} or newer, and there is no java on the PATH", fix=fix)
    try:
        shown = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UserError(f"this Java does not run: {error}", where=java, fix=fix) from error
    version = _JAVA_VERSION.search(shown.stderr + shown.stdout)
    if version is None or shown.returncode:
        raise UserError("this Java does not tell its version", where=java, fix=fix)
    if int(version[1]) < _MIN_JAVA:
        raise UserError(f"Spark needs Java {_MIN_JAVA} or newer; this is Java {version[1]}", where=java, fix=fix)


def _settings(cores: int, memory: str, log_settings: Path) -> dict[str, str]:
    return {
        "spark.master": f"local[{cores}]",
        "spark.app.name": "cofee",
        "spark.driver.memory": memory,
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.extraJavaOptions": f"{_QUICK_START} -Dlog4j2.configurationFile={log_settings.as_uri()}",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": str(max(4, 2 * cores)),
        "spark.sql.warehouse.dir": str(log_settings.parent / "warehouse"),
    }


def _launch(conf: object, log: Path) -> object:
    """Start the JVM. What it says goes to a log file: its first warnings precede any setting that could stop them."""
    from pyspark.errors import PySparkRuntimeError
    from pyspark.java_gateway import launch_gateway

    with log.open("wb") as file, _importable_in_workers():
        try:
            return launch_gateway(conf, popen_kwargs={"stderr": file})
        except PySparkRuntimeError as error:
            said = log.read_text(encoding="utf-8", errors="replace").strip()[-1000:]
            raise UserError(
                f"Spark's JVM did not start:\n{said or error}", where=log, fix="lower its memory, or mend its Java"
            ) from error


@contextmanager
def _importable_in_workers() -> Iterator[None]:
    """Python workers find this package where this process found it, installed or not."""
    before = os.environ.get("PYTHONPATH")
    root = str(Path(cofee_dist.__file__).resolve().parent.parent)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (root, before)))
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before
