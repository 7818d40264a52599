"""A stage counts as finished when its manifest is there, with this very fingerprint."""

from __future__ import annotations

import json
import os
import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cofee_dist import artifacts
from cofee_dist.artifacts import MANIFEST, StageFolder, file_digest, fingerprint, path_digest, write_json, write_text

JSON = st.recursive(
    st.integers() | st.text(max_size=5) | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), JSON))
def test_a_fingerprint_does_not_depend_on_the_order_of_keys(value):
    assert fingerprint(value) == fingerprint(dict(reversed(value.items())))


def folder(tmp_path, config=None, inputs=None):
    return StageFolder(tmp_path / "stage", "stage", config or {"a": 1}, inputs or {"dump": "d1"})


def test_finished_once_skipped_from_then_on(tmp_path):
    first = folder(tmp_path)
    assert first.manifest is None
    assert first.begin() is False
    (first.path / "result").write_text("x")
    assert folder(tmp_path).manifest is None, "half-written"
    first.finish({"rows": 3})
    assert folder(tmp_path).manifest.counts == {"rows": 3}


@pytest.mark.parametrize("changed", [{"config": {"a": 2}}, {"inputs": {"dump": "d2"}}])
def test_another_config_or_input_begins_anew(tmp_path, changed):
    first = folder(tmp_path)
    first.begin()
    (first.path / "result").write_text("x")
    first.finish({})
    other = folder(tmp_path, **changed)
    assert other.manifest is None
    assert other.begin() is False
    assert not (other.path / "result").exists()


def test_what_a_killed_run_left_is_kept_for_the_same_stage_only(tmp_path):
    first = folder(tmp_path)
    first.begin()
    (first.path / "checkpoint").write_text("x")
    assert folder(tmp_path).begin() is True
    assert (first.path / "checkpoint").exists()
    assert folder(tmp_path, config={"a": 2}).begin() is False
    assert not (first.path / "checkpoint").exists()


def test_another_way_begins_an_unfinished_stage_anew_and_leaves_a_finished_one(tmp_path):
    def way(name):
        return StageFolder(tmp_path / "stage", "stage", {"a": 1}, {"dump": "d1"}, {"engine": name})

    way("torch").begin()
    (tmp_path / "stage" / "checkpoint").write_text("x")
    assert way("torch").begin() is True
    assert way("deepspeed").begin() is False
    assert not (tmp_path / "stage" / "checkpoint").exists()
    made = way("deepspeed")
    assert made.begin() is True
    made.finish({"rows": 3})
    assert way("torch").manifest.counts == {"rows": 3}


def test_writing_replaces_whole_files(tmp_path):
    path = tmp_path / "a" / MANIFEST
    write_json(path, {"x": 1})
    write_json(path, {"x": 2})
    assert json.loads(path.read_text()) == {"x": 2}
    assert [child.name for child in path.parent.iterdir()] == [MANIFEST]


def test_digests_tell_content_apart(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(b"a" * 100)
    two.write_bytes(b"a" * 99 + b"b")
    assert file_digest(one) != file_digest(two)
    before = path_digest(tmp_path)
    two.write_bytes(b"a" * 100)
    assert path_digest(tmp_path) != before
    assert file_digest(one) == file_digest(two)


def test_a_large_file_that_was_fetched_again_is_another(tmp_path, monkeypatch):
    monkeypatch.setattr(artifacts, "_WHOLE_FILE_BYTES", 1000)
    path = tmp_path / "dump"
    path.write_bytes(b"a" * 10_000)
    os.utime(path, ns=(1, 1))
    damaged = file_digest(path, timed=True)
    assert file_digest(path, timed=True) == damaged
    path.write_bytes(b"a" * 7000 + b"b" + b"a" * 2999)
    os.utime(path, ns=(2, 2))
    assert file_digest(path, timed=True) != damaged
    copy = shutil.copy2(path, tmp_path / "copy")
    assert file_digest(copy, timed=True) == file_digest(path, timed=True)


def test_a_large_file_is_looked_at_all_over(tmp_path):
    """Without the time: a byte in 256 MiB of holes, in each of the places that are looked at."""
    path = tmp_path / "dump"
    found = set()
    for at in (None, 0, 2**22 * 30 + 5, 2**28 + 2**22 + 1):
        with path.open("wb") as file:
            file.truncate(2**28 + 2**22 + 2)
            if at is not None:
                file.seek(at)
                file.write(b"x")
        os.utime(path, ns=(1, 1))
        found.add(file_digest(path))
    assert len(found) == 4


def test_write_text_replaces(tmp_path):
    write_text(tmp_path / "a" / "b.txt", "旧")
    write_text(tmp_path / "a" / "b.txt", "新")
    assert [path.read_text(encoding="utf-8") for path in (tmp_path / "a").iterdir()] == ["新"]
