"""A build that was killed in the middle of a dump goes on with the splits that are missing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import yaml

from tests.unit.corpus.test_dump import HEAD, TAIL, page_xml

pytestmark = pytest.mark.spark

PAGES = 1500
SECONDS = 180


def command(folder: Path) -> list[str]:
    pages = [
        page_xml(n, f"[[Ada]] met [[b{n}]] in [[c{n}]] and [[d{n}]] there. " + "No link. " * 200, f"T{n}")
        for n in range(1, PAGES + 1)
    ]
    folder.mkdir()
    (folder / "dump.xml").write_text(HEAD.replace('"de"', '"en"') + "".join(pages) + TAIL, "utf-8")
    (folder / "PER.txt").write_text("Ada\n", "utf-8")
    config = {
        "name": "killed",
        "runs": str(folder / "runs"),
        "task": {"types": {"PER": {"question": "who?", "gazetteers": [str(folder / "PER.txt")]}}},
        "corpus": {"dumps": [str(folder / "dump.xml")], "split_bytes": 50_000},
        "encoder": {"scratch": {}},
        "tracking": {"uri": None},
    }
    (folder / "run.yaml").write_text(yaml.safe_dump(config), "utf-8")
    return [sys.executable, "-m", "cofee_dist.cli", "build-corpus", "--config", str(folder / "run.yaml")]


def rows_of_splits(folder: Path) -> list[Path]:
    return sorted((folder / "runs/killed/corpus/_tmp").glob("*/rows/[!.]*.parquet"))


def mark(file: Path) -> int:
    """Change the sentences of a split, so that it shows whether the split is read again; how many they are."""
    table = pq.read_table(file)
    text = pc.replace_substring(table["text"], "there", "where")
    marked = table.set_column(table.schema.get_field_index("text"), "text", text)
    pq.write_table(marked.cast(table.schema), file)
    return pc.sum(pc.equal(table["kind"], "sentence")).as_py()


def test_a_killed_build_goes_on(tmp_path: Path) -> None:
    started = command(tmp_path / "a")
    process = subprocess.Popen(started, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + SECONDS
        while len(rows_of_splits(tmp_path / "a")) < 3:
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.01)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    finished = rows_of_splits(tmp_path / "a")
    stage = tmp_path / "a/runs/killed/corpus"
    assert not (stage / "manifest.json").exists()
    assert not (stage / "sentences").exists()
    marked = sum(map(mark, finished))
    assert 0 < marked < PAGES
    subprocess.run(started, check=True, timeout=SECONDS)
    sentences = pq.read_table(stage / "sentences")
    assert sentences["page_id"].to_pylist() == list(range(1, PAGES + 1))
    again = pc.sum(pc.match_substring(sentences["text"], "where")).as_py()
    assert again == marked
    texts = pc.replace_substring(sentences["text"], "where", "there")
    assert texts.to_pylist() == [f"Ada met b{n} in c{n} and d{n} there." for n in range(1, PAGES + 1)]
    assert not (stage / "_tmp").exists()
