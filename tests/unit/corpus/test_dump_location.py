"""Dumps on disk, in memory and behind a web server: sizes, digests, and what is said of those that cannot be read."""

from __future__ import annotations

import bz2
import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import fsspec
import pytest

from cofee_dist.corpus.dump import Page, read_pages, read_site, splits
from cofee_dist.corpus.dump_location import dump_digest, dump_exists, dump_size, is_url, one_name, open_dump, read_range
from cofee_dist.errors import UserError
from tests.unit.corpus.test_dump import HEAD, TAIL, page_xml

PAGES = [page_xml(number, f"{number} " * 300) for number in range(9)]
DUMP = b"".join(bz2.compress(part.encode()) for part in (HEAD, *PAGES, TAIL))


class Handler(BaseHTTPRequestHandler):
    """Gives parts of one file, or the whole whatever was asked for."""

    def do_HEAD(self) -> None:
        self._answer(send=False)

    def do_GET(self) -> None:
        self._answer(send=True)

    def _answer(self, send: bool) -> None:
        if "none" in self.path:
            self.send_error(404)
            return
        asked = re.match(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        parts = asked is not None and "whole" not in self.path
        body = DUMP[int(asked[1]) : int(asked[2]) + 1] if parts and asked else DUMP
        self.send_response(206 if parts else 200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"abc"')
        if parts and asked:
            self.send_header("Content-Range", f"bytes {asked[1]}-{int(asked[1]) + len(body) - 1}/{len(DUMP)}")
        elif "refused" in self.path:
            self.send_header("Accept-Ranges", "none")
        self.end_headers()
        if send:
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=running.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{running.server_port}"
    running.shutdown()
    running.server_close()


def test_a_dump_behind_a_web_server_is_read_in_parts(server: str) -> None:
    url = f"{server}/wiki.xml.bz2"
    site = read_site(url)
    cut = splits(url, 300)
    assert len(cut) > 3
    found = [page for split in cut for page in read_pages(split, site)]
    assert [page.page_id for page in found if isinstance(page, Page)] == list(range(9))
    assert (dump_size(url), dump_digest(url)) == (len(DUMP), dump_digest(f"{server}/other.xml.bz2"))
    assert dump_exists(url)
    assert not dump_exists(f"{server}/none.bz2")


@pytest.mark.parametrize(
    ("path", "says"),
    [("none.bz2", "does not exist"), ("whole.bz2", "cannot be opened"), ("refused.bz2", "does not give parts")],
)
def test_a_web_server_that_does_not_give_it_is_told(server: str, path: str, says: str) -> None:
    with pytest.raises(UserError, match=says) as raised:
        splits(f"{server}/{path}", 300)
    assert path in str(raised.value)
    assert raised.value.fix


def test_a_file_url_is_the_local_file(tmp_path: Path) -> None:
    path = tmp_path / "d.bz2"
    path.write_bytes(DUMP)
    url = path.as_uri()
    assert not is_url(url)
    assert one_name(url) == one_name(path) == str(path)
    assert dump_size(url) == len(DUMP)
    assert dump_digest(url) == dump_digest(path)
    with open_dump(url) as file:
        assert file.read() == DUMP
    assert read_range(url, 5, 9) == DUMP[5:9]
    assert dump_exists(url)


def test_the_digest_of_a_url_changes_with_the_file() -> None:
    memory, url = fsspec.filesystem("memory"), "memory://digests/d.bz2"
    memory.pipe("/digests/d.bz2", DUMP)
    before = dump_digest(url)
    assert dump_digest(url) == before
    memory.pipe("/digests/d.bz2", DUMP)
    assert dump_digest(url) != before


def test_what_is_no_dump_is_told() -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe({"/kinds/folder/file": b"x", "/kinds/empty": b""})
    for name, says in (("folder", "is a folder"), ("empty", "is an empty file"), ("none", "does not exist")):
        with pytest.raises(UserError, match=says):
            dump_size(f"memory://kinds/{name}")


def test_a_protocol_that_nothing_reads_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from fsspec.registry import known_implementations

    monkeypatch.setitem(known_implementations, "s3a", {"class": "not_installed.S3", "err": "Install it"})
    with pytest.raises(UserError, match="nothing is installed that reads s3a://") as raised:
        read_site("s3a://bucket/d.bz2")
    assert raised.value.fix == "pip install s3fs"
    with pytest.raises(UserError, match="nonsense:// is no protocol"):
        dump_digest("nonsense://bucket/d.bz2")


@pytest.mark.parametrize(
    ("scheme", "fix"),
    [
        ("abfss", "pip install adlfs"),
        ("wasbs", "write it as abfss://…; pip install adlfs"),
        ("s3n", "write it as s3://…; pip install s3fs"),
    ],
)
def test_a_protocol_that_only_its_driver_makes_known_is_told(
    monkeypatch: pytest.MonkeyPatch, scheme: str, fix: str
) -> None:
    from fsspec.registry import known_implementations

    monkeypatch.delitem(known_implementations, scheme, raising=False)
    with pytest.raises(UserError, match=f"nothing is installed that reads {scheme}://") as raised:
        read_site(f"{scheme}://box@account/d.bz2")
    assert raised.value.fix == fix


def test_hdfs_without_hadoop_says_what_it_wants() -> None:
    with pytest.raises(UserError) as raised:
        dump_size("hdfs://127.0.0.1:1/d.bz2")
    assert "CLASSPATH" in str(raised.value.fix)
    assert len(raised.value.what) < 400


def test_what_a_driver_raises_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class NoCredentials(Exception):
        pass

    def refused(error: Exception) -> object:
        def info(*_: object, **__: object) -> dict[str, object]:
            raise error

        return info

    for error, says in (
        (NoCredentials("unable to\nlocate"), "unable to locate"),
        (PermissionError(), "may not be read"),
    ):
        monkeypatch.setattr(type(fsspec.filesystem("memory")), "info", refused(error))
        with pytest.raises(UserError, match=says) as raised:
            dump_size("memory://x/d.bz2")
        assert "credentials" in str(raised.value.fix)
