"""One automaton for all workers of a host: a process builds it once, and forks a helper for each worker.

The automaton of a million entries takes a quarter of a minute and hundreds of megabytes. It cannot be written to a
file and mapped, but the memory of a forked process is shared until it is written to, and an automaton never is. The
first worker that wants it starts the process; it ends by itself once nobody has asked for some time.
"""

from __future__ import annotations

import fcntl
import gc
import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NoReturn

import pyarrow as pa

from cofee_dist.labels.gazetteer import Gazetteer
from cofee_dist.labels.text_labels import TextLabeller

IDLE_SECONDS = 60.0
_SOCKET, _LOG, _LOCK = "socket", "log", "lock"
_POLL_SECONDS = 0.05
_READY, _FAILED = b"ready", b"!"


class HostLabeller:
    """Labels batches as ``TextLabeller`` does, by the host's process.

    Args:
        gazetteer: the folder that ``Gazetteer.write`` filled.
        key: of the job; the same for all workers that shall share, and for no others.
        idle_seconds: after which the process ends.

    Raises:
        RuntimeError: if the process cannot be built or ends too early, with what it said.
    """

    def __init__(self, gazetteer: Path, key: str, idle_seconds: float = IDLE_SECONDS) -> None:
        # Not the job's own folder: sockets live on a host, and their paths are short.
        self.folder = Path(tempfile.gettempdir()) / f"cofee-{os.getuid()}-{key[:32]}"
        self._connection = self._connect() or self._start(gazetteer, idle_seconds)

    def __enter__(self) -> HostLabeller:
        return self

    def __exit__(self, *error: object) -> None:
        self._connection.close()

    def label(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """See ``TextLabeller.label``."""
        try:
            self._connection.send_bytes(_packed(batch))
            answer = self._connection.recv_bytes()
        except (EOFError, OSError) as error:
            raise RuntimeError(f"the host's matcher has ended ({error}): {self._said()}") from error
        if answer[:1] == _FAILED:
            raise RuntimeError(f"the host's matcher failed:\n{answer[1:].decode()}")
        return _unpacked(answer)

    def _connect(self) -> Connection | None:
        """A connection to a helper, or None where nobody answers."""
        made = socket.socket(socket.AF_UNIX)
        try:
            made.connect(str(self.folder / _SOCKET))
            connection = Connection(made.detach())
            return connection if connection.recv_bytes() == _READY else None
        except (FileNotFoundError, ConnectionError, EOFError):
            return None
        finally:
            made.close()

    def _start(self, gazetteer: Path, idle_seconds: float) -> Connection:
        """Start the process unless another worker does so already; wait until it has built the automaton."""
        while True:
            self.folder.mkdir(mode=0o700, exist_ok=True)
            if self.folder.stat().st_uid != os.getuid():
                raise RuntimeError(f"{self.folder} belongs to someone else")
            try:
                with (self.folder / _LOCK).open("w") as lock:
                    fcntl.flock(lock, fcntl.LOCK_EX)
                    return self._connect() or self._launch(gazetteer, idle_seconds)
            except FileNotFoundError:
                # A process that ends for want of work has just removed the folder.
                continue

    def _launch(self, gazetteer: Path, idle_seconds: float) -> Connection:
        command = [sys.executable, "-m", __name__, str(gazetteer), str(self.folder), str(idle_seconds)]
        # What --py-files brought is on this process's path alone.
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        with (self.folder / _LOG).open("wb") as log:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env, start_new_session=True
            )
        while (there := self._connect()) is None:
            if process.poll() is not None:
                said = self._said()
                shutil.rmtree(self.folder, ignore_errors=True)
                raise RuntimeError(f"the host's matcher could not be built: {said}")
            time.sleep(_POLL_SECONDS)
        return there

    def _said(self) -> str:
        try:
            return (self.folder / _LOG).read_text(encoding="utf-8", errors="replace")[-2000:] or "it said nothing"
        except FileNotFoundError:
            return "it left nothing behind"


def serve(gazetteer: Path, folder: Path, idle_seconds: float) -> None:
    """Build the labeller, then fork a helper for every worker that connects, until there is none for some time."""
    labeller = TextLabeller(Gazetteer.read(gazetteer))
    # The garbage collector writes to the objects that it looks at, which would copy their memory.
    gc.collect()
    gc.freeze()
    listener = socket.socket(socket.AF_UNIX)
    (folder / _SOCKET).unlink(missing_ok=True)
    listener.bind(str(folder / _SOCKET))
    listener.listen(socket.SOMAXCONN)
    helpers: set[int] = set()
    asked = time.monotonic()
    try:
        while helpers or time.monotonic() - asked < idle_seconds:
            if select.select([listener], [], [], min(1.0, idle_seconds))[0]:
                accepted, _ = listener.accept()
                if (helper := os.fork()) == 0:
                    listener.close()
                    _help(Connection(accepted.detach()), labeller)
                accepted.close()
                helpers.add(helper)
            if ended := {helper for helper in helpers if os.waitpid(helper, os.WNOHANG)[0]}:
                helpers -= ended
                asked = time.monotonic()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _help(connection: Connection, labeller: TextLabeller) -> NoReturn:
    """Answer one worker until it closes the connection, then end without what the process does at its end."""
    try:
        connection.send_bytes(_READY)
        while True:
            batch = _unpacked(connection.recv_bytes())
            try:
                answer = _packed(labeller.label(batch))
            except Exception:
                answer = _FAILED + traceback.format_exc().encode()
            connection.send_bytes(answer)
    except (EOFError, OSError):
        pass
    finally:
        os._exit(0)


def _packed(batch: pa.RecordBatch) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    return bytes(sink.getvalue())


def _unpacked(data: bytes) -> pa.RecordBatch:
    return pa.ipc.open_stream(data).read_next_batch()


if __name__ == "__main__":
    serve(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]))
