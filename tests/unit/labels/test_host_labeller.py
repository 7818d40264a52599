"""One process for all workers of a host: the same labels, built once, gone when nobody asks."""

from __future__ import annotations

import shutil
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from uuid import uuid4

import psutil
import pytest

from cofee_dist.config import Labels
from cofee_dist.labels.gazetteer import Gazetteer, build_gazetteer
from cofee_dist.labels.host_labeller import HostLabeller
from cofee_dist.labels.text_labels import TextLabeller
from tests.unit.labels.test_text_labels import LISTS, batch

TEXTS = ["Ada Lovelace in New York", "none", "Paris, 東京都; NASA", ""]


def servers(folder: Path) -> list[psutil.Process]:
    """The host's process; its helpers are its children."""
    found = [process for process in psutil.process_iter(["cmdline"]) if str(folder) in (process.info["cmdline"] or [])]
    return [process for process in found if process.parent() not in found]


def worker(gazetteer: Path, key: str) -> tuple[list[dict[str, object]], int]:
    with HostLabeller(gazetteer, key, idle_seconds=1) as labeller:
        found = [row for _ in range(3) for row in labeller.label(batch(TEXTS)).to_pylist()]
        return found, len(servers(labeller.folder))


@pytest.mark.parametrize("ambiguity", ["keep_all", "drop"])
def test_a_gazetteer_is_read_as_it_was_written(tmp_path: Path, ambiguity: str) -> None:
    made = build_gazetteer(LISTS, Labels(ambiguity=ambiguity, ignore_case=True, chinese="simplified"))  # type: ignore[arg-type]
    made.write(tmp_path)
    read = Gazetteer.read(tmp_path)
    assert list(read.items()) == list(made.items())
    assert (read.counts, read.types_of_kind, read.labels_of_kind) == (
        made.counts,
        made.types_of_kind,
        made.labels_of_kind,
    )
    assert (read.ambiguity, read.ignore_case, read.chinese) == (made.ambiguity, True, "simplified")


def test_workers_share_one_process_that_ends_by_itself(tmp_path: Path) -> None:
    gazetteer, key = build_gazetteer(LISTS, Labels()), uuid4().hex
    gazetteer.write(tmp_path)
    with ProcessPoolExecutor(3, mp_context=get_context("spawn")) as pool:
        told = [pool.submit(worker, tmp_path, key) for _ in range(6)]
        results = [each.result(timeout=120) for each in told]
    expected = TextLabeller(gazetteer).label(batch(TEXTS)).to_pylist()
    assert expected
    for found, number in results:
        assert found == expected * 3
        assert number == 1
    with HostLabeller(tmp_path, key) as labeller:
        folder = labeller.folder
        with pytest.raises(RuntimeError, match=r"the host's matcher failed(?s:.)*KeyError"):
            labeller.label(batch(TEXTS).select(["page_id"]))
        assert labeller.label(batch(TEXTS)).to_pylist() == expected
    until = time.monotonic() + 60
    while folder.exists() and time.monotonic() < until:
        time.sleep(0.1)
    assert not folder.exists()


def test_that_it_cannot_be_built_is_told(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"could not be built(?s:.)*entries\.parquet"):
        HostLabeller(tmp_path, uuid4().hex)


def test_that_it_was_killed_is_told(tmp_path: Path) -> None:
    build_gazetteer(LISTS, Labels()).write(tmp_path)
    with HostLabeller(tmp_path, uuid4().hex, idle_seconds=1) as labeller:
        (server,) = servers(labeller.folder)
        for process in (*server.children(), server):
            process.kill()
        shutil.rmtree(labeller.folder)
        with pytest.raises(RuntimeError, match="has ended"):
            labeller.label(batch(TEXTS))
