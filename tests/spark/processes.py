"""Spark's own processes for tests: ``spark-submit``, and a standalone cluster on loopback, ended whatever happens."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pyspark

Found = TypeVar("Found")
ROOT = Path(__file__).resolve().parents[2]
BIN = Path(pyspark.__file__).parent / "bin"
SECONDS = 240  # for anything here to happen
_POLL_SECONDS = 0.05
#: A JVM that lives for seconds only is slowed down by more.
_JAVA = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
QUICK_QUERIES = {"spark.sql.codegen.wholeStage": "false", "spark.sql.codegen.factoryMode": "NO_CODEGEN"}
QUICK = {
    **QUICK_QUERIES,
    "spark.driver.extraJavaOptions": _JAVA,
    "spark.executor.extraJavaOptions": _JAVA,
    "spark.log.level": "WARN",
    "spark.sql.shuffle.partitions": "2",
    "spark.ui.enabled": "false",
}


@dataclass
class Done:
    """How a process ended, and what it said: ``spark-submit`` passes on a program's stderr as stdout."""

    code: int
    said: str


@dataclass
class Processes:
    """Starts processes in sessions of their own, so that all they start can be found and ended."""

    folder: Path
    variables: Mapping[str, str] = field(default_factory=dict)
    _running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, command: list[str], name: str, **variables: str) -> subprocess.Popen[bytes]:
        """Start a process that says all it says to ``<name>.log``."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("SPARK", "PYSPARK", "PYTHONP"))}
        fixed = {"SPARK_LOCAL_IP": "127.0.0.1", "SPARK_CONF_DIR": str(self.folder / "conf"), "OMP_NUM_THREADS": "1"}
        fixed |= {"SPARK_DAEMON_MEMORY": "128m", "SPARK_DAEMON_JAVA_OPTS": _JAVA, "SPARK_LAUNCHER_OPTS": _JAVA}
        fixed |= {"PYSPARK_PYTHON": sys.executable}
        with (self.folder / f"{name}.log").open("wb") as log:
            # Should the tests themselves be killed.
            with_us = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
            process = subprocess.Popen(
                [*with_us, *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=self.folder,
                env={**kept, **fixed, **self.variables, **variables},
            )
        self._running.append(process)
        return process

    def submit(self, program: Path, *arguments: str, conf: Mapping[str, str], **variables: str) -> Submitted:
        """``spark-submit`` a program of this repository, with the repository's package on the driver's path."""
        settings = [part for key, value in {**QUICK, **conf}.items() for part in ("--conf", f"{key}={value}")]
        name = f"submit-{len(self._running)}"
        command = [str(BIN / "spark-submit"), *settings, str(program), *arguments]
        return Submitted(
            self.start(command, name, **{"PYTHONPATH": str(ROOT), **variables}), self.folder / f"{name}.log"
        )

    def end(self) -> None:
        """Kill whatever runs still, and what it started."""
        for process in self._running:
            while pids := list(of_session(process.pid)):
                for pid in pids:
                    kill(pid)
                process.poll()
                time.sleep(_POLL_SECONDS)
            process.wait()


@dataclass
class Submitted:
    """A program under ``spark-submit``."""

    process: subprocess.Popen[bytes]
    log: Path

    def wait(self) -> Done:
        """Until it ends."""
        code = self.process.wait(SECONDS)
        return Done(code, self.log.read_text(encoding="utf-8", errors="replace"))


@dataclass
class Cluster:
    """A standalone master and workers of a core and 1 GiB each."""

    processes: Processes
    port: int
    ui_port: int
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        """What ``--master`` takes."""
        return f"spark://127.0.0.1:{self.port}"

    @classmethod
    def start(cls, processes: Processes) -> Cluster:
        """Start a master."""
        cluster = cls(processes, *free_ports(2))
        options = ["--host", "127.0.0.1", "--port", str(cluster.port), "--webui-port", str(cluster.ui_port)]
        processes.start([str(BIN / "spark-class"), "org.apache.spark.deploy.master.Master", *options], "master")
        until(lambda: fetched(f"http://127.0.0.1:{cluster.ui_port}/json/"))
        return cluster

    def add_worker(self, before: str = "") -> None:
        """Start a worker, after a shell command that runs where it does, and wait until the master knows it."""
        options = ["--host", "127.0.0.1", "--webui-port", "0", "--cores", "1", "--memory", "1g"]
        options += ["--work-dir", str(self.work_folder(len(self.workers))), self.url]
        command = [str(BIN / "spark-class"), "org.apache.spark.deploy.worker.Worker", *options]
        if before:
            command = ["unshare", "--mount", "sh", "-ec", f'{before}; exec "$0" "$@"', *command]
        alive = self.alive()
        self.workers.append(self.processes.start(command, f"worker-{len(self.workers)}"))
        until(lambda: self.alive() > alive or self.workers[-1].poll() is not None)
        assert self.workers[-1].poll() is None, "the worker ended"

    def alive(self) -> int:
        """How many workers the master counts on."""
        return int(fetched(f"http://127.0.0.1:{self.ui_port}/json/")["aliveworkers"])

    def work_folder(self, worker: int) -> Path:
        """Where a worker has its executors' folders: ``<application>/<executor>``."""
        return self.processes.folder / f"work-{worker}"

    def kill_worker_of(self, executor: Mapping[str, str]) -> None:
        """SIGKILL the JVMs of an executor's worker and of the executor itself."""
        owners = [
            worker
            for number, worker in enumerate(self.workers)
            if (self.work_folder(number) / executor["application"] / executor["id"]).exists()
        ]
        assert len(owners) == 1
        jvms = [pid for pid in of_session(owners[0].pid) if b"org.apache.spark" in command_line(pid)]
        assert len(jvms) == 2, "a worker and its executor"
        for pid in jvms:
            kill(pid)


def busy_executor(ui_port: int, tasks: int) -> dict[str, str]:
    """One that works on a stage of at least so many tasks, some of them done and most not: as the driver tells it."""

    def look() -> dict[str, str] | None:
        base = f"http://127.0.0.1:{ui_port}/api/v1/applications"
        for application in fetched(base) or []:
            stages = fetched(f"{base}/{application['id']}/stages?status=active") or []
            if any(s["numTasks"] >= tasks and 0 < s["numCompleteTasks"] < tasks // 2 for s in stages):
                executors = fetched(f"{base}/{application['id']}/executors") or []
                for one in executors:
                    if one["id"] != "driver" and one["activeTasks"]:
                        return {"application": application["id"], "id": one["id"]}
        return None

    return until(look)


def until(look: Callable[[], Found | None]) -> Found:
    """What ``look`` finds, once it finds something."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(_POLL_SECONDS)
    raise TimeoutError("it did not happen")


def fetched(url: str) -> Any:
    """JSON from a server of Spark's, or None while it does not answer."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)
    except (OSError, ValueError):
        return None


def events(folder: Path) -> list[dict[str, Any]]:
    """Of the one application that logged to a folder."""
    [log] = [path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")]
    return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]


def free_ports(count: int) -> Iterator[int]:
    """Ports of loopback that nothing listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [server.getsockname()[1] for server in sockets]
    for server in sockets:
        server.close()
    return iter(ports)


def of_session(session: int) -> Iterator[int]:
    """Processes of a session that have not ended."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            state, *numbers = stat.rpartition(") ")[2].split()
            if int(numbers[2]) == session and state not in "ZX":
                yield int(entry.name)


def command_line(pid: int) -> bytes:
    """Of a process; empty if it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def kill(pid: int) -> None:
    """SIGKILL, if it runs still."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
