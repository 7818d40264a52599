"""Dumps are fetched from a real HTTP server on this machine that cuts, refuses, changes its mind and lies."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from urllib3.util import Retry

from cofee_dist.corpus.download import download_dump, next_command
from cofee_dist.corpus.dump_files import find_files, wiki_name
from cofee_dist.corpus.web import RETRY, Web
from cofee_dist.errors import UserError

ROOT = Path(__file__).resolve().parents[3]
DATE = "20260401"
WHOLE = f"enwiki-{DATE}-pages-articles-multistream.xml.bz2"
INDEX = f"enwiki-{DATE}-pages-articles-multistream-index.txt.bz2"
TEXT = bytes(range(256)) * 20
CHUNK_BYTES = 100


def part(number: int, pages: str, index: bool = False) -> str:
    kind = f"-index{number}.txt" if index else f"{number}.xml"
    return f"enwiki-{DATE}-pages-articles-multistream{kind}-{pages}.bz2"


PARTS = {
    name: name.encode() * 9
    for number, pages in ((1, "p1p41242"), (2, "p41243p151573"), (10, "p9p10"), (10, "p100p200"))
    for name in (part(number, pages), part(number, pages, index=True))
}


@dataclass
class Answer:
    """How one request is answered otherwise than well."""

    cut: int | None = None
    tells_length: bool = True
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Mirror:
    """What a server has, and what it will do to the next requests for a path."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    ranges: bool = True
    validator: str | None = "ETag"
    heeds_if_range: bool = True
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)

    def put(self, name: str, body: bytes, date: str = DATE) -> str:
        path = f"/enwiki/{date}/{name}"
        self.files[path] = body
        return path

    def change(self, path: str, body: bytes) -> None:
        self.files[path], self.tags[path] = body, '"2"'

    def asked(self, name: str) -> list[dict[str, str]]:
        """The headers of each GET for a file."""
        return [headers for method, path, headers in self.requests if method == "GET" and path.endswith(f"/{name}")]

    def say(self, name: str, *answers: Answer) -> None:
        self.answers[f"/enwiki/{DATE}/{name}"] = list(answers)

    def publish(self, files: dict[str, bytes], date: str = DATE, **statuses: str) -> None:
        """Serve files and their dumpstatus.json, the whole's one file in a job of its own if there are parts too."""
        jobs: dict[str, dict] = {}
        parted = any(re.search(r"\d\.(xml|txt)-", name) for name in files)
        for name, body in files.items():
            whole = not re.search(r"\d\.(xml|txt)-", name)
            job = "articlesmultistreamdumprecombine" if parted and whole else "articlesmultistreamdump"
            entry = {"size": len(body), "url": self.put(name, body, date), "sha1": hashlib.sha1(body).hexdigest()}
            jobs.setdefault(job, {"status": "done", "files": {}})["files"][name] = entry
        for job, status in statuses.items():
            jobs.setdefault(job, {})["status"] = status
        self.put("dumpstatus.json", json.dumps({"version": "0.8", "jobs": jobs}).encode(), date)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ThreadingHTTPServer

    def log_message(self, *arguments: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        mirror: Mirror = self.server.mirror  # type: ignore[attr-defined]
        mirror.requests.append((self.command, self.path, dict(self.headers)))
        waiting = mirror.answers.get(self.path)
        answer = waiting.pop(0) if waiting else Answer()
        body = mirror.files.get(self.path)
        if answer.status or body is None:
            return self._send(answer.status or 404, b"no", answer)
        tag = mirror.tags.get(self.path, '"1"')
        headers = {mirror.validator: tag} if mirror.validator else {}
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        condition = self.headers.get("If-Range")
        if not mirror.ranges or not wanted or (mirror.heeds_if_range and condition not in (None, tag)):
            return self._send(200, body, answer, headers)
        start = int(wanted[1])
        if start >= len(body):
            return self._send(416, b"", answer, {"Content-Range": f"bytes */{len(body)}"})
        headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        return self._send(206, body[start:], answer, headers)

    def _send(self, status: int, body: bytes, answer: Answer, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        length = {"Content-Length": str(len(body))} if answer.tells_length else {"Connection": "close"}
        for key, value in {**(headers or {}), **answer.headers, **length}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body if answer.cut is None else body[: answer.cut])
        if answer.cut is not None:
            self.close_connection = True


class Server(ThreadingHTTPServer):
    def handle_error(self, request, client_address) -> None:
        # A download that is killed hangs up; anything else is a mistake in this file.
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def serving() -> Iterator[Mirror]:
    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    mirror = Mirror(f"http://127.0.0.1:{server.server_port}")
    server.mirror = mirror  # type: ignore[attr-defined]
    try:
        yield mirror
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(autouse=True, scope="module")
def no_proxy() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_PROXY", "127.0.0.1")
        yield


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    with serving() as one:
        one.publish({WHOLE: TEXT, INDEX: b"index"})
        yield one


@pytest.fixture
def second() -> Iterator[Mirror]:
    with serving() as other:
        other.publish({WHOLE: TEXT, INDEX: b"index"})
        yield other


@dataclass
class Watcher:
    """What is shown; ``at`` may raise in the middle of a file."""

    at: Callable[[str, int], None] = lambda name, there: None
    lines: list[str] = field(default_factory=list)
    seen: list[int] = field(default_factory=list)

    @contextmanager
    def file(self, name: str, size_bytes: int | None) -> Iterator[Callable[[int], None]]:
        def moved(there: int) -> None:
            self.seen.append(there)
            self.at(name, there)

        yield moved

    def finished(self, name: str, size_bytes: int, text: str) -> None:
        self.lines.append(f"{name} {size_bytes} {text}")


def web(total: int = 3, **options) -> Web:
    return Web(retry=Retry(total=total), **options)


def download(
    folder: Path, *mirrors: Mirror, date: str = DATE, shown: Watcher | None = None, client: Web | None = None, **options
) -> list[Path]:
    urls = [mirror.url for mirror in mirrors]
    shown = shown or Watcher()
    return download_dump(client or web(), urls, "en", date, folder, shown, chunk_bytes=CHUNK_BYTES, **options)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


# What is fetched


def test_the_one_file_and_its_index(mirror, tmp_path):
    mirror.publish({WHOLE: TEXT, INDEX: b"index", **PARTS})
    shown = Watcher()
    assert download(tmp_path / "new" / "dumps", mirror, shown=shown) == [tmp_path / "new" / "dumps" / WHOLE]
    assert (tmp_path / "new" / "dumps" / WHOLE).read_bytes() == TEXT
    assert names(tmp_path / "new" / "dumps") == {WHOLE, INDEX}
    assert shown.lines == [f"{WHOLE} {len(TEXT)} sha1 right", f"{INDEX} 5 sha1 right"]
    assert shown.seen[-2:] == [0, 5]
    (headers,) = mirror.asked(WHOLE)
    assert re.match(r"CoFEE-dist/\d\S* \(.*\) python-requests/", headers["User-Agent"])


def test_parts_where_there_is_no_one_file_in_the_order_of_their_pages(mirror, tmp_path):
    mirror.publish(PARTS)
    paths = download(tmp_path, mirror)
    assert [path.name for path in paths] == [
        part(1, "p1p41242"), part(2, "p41243p151573"), part(10, "p9p10"), part(10, "p100p200"),
    ]  # fmt: skip
    assert names(tmp_path) == set(PARTS)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (["all"], set(PARTS)),
        (["10"], {name for name in PARTS if "10." in name}),
        (["*p1p*", "2"], {name for name in PARTS if "1.xml" in name or "1.txt" in name or "2." in name}),
    ],
)
def test_parts_on_request(mirror, wanted, expected):
    mirror.publish({WHOLE: TEXT, INDEX: b"index", **PARTS})
    assert {file.name for file in find_files(web(), [mirror.url], "en", DATE, wanted)} == expected


def test_a_part_that_is_not_there(mirror):
    with pytest.raises(UserError, match="it is one file: leave --part out"):
        find_files(web(), [mirror.url], "en", DATE, ["1"])
    mirror.publish(PARTS)
    with pytest.raises(UserError, match=r"(?s)no part '11'.*its parts are 1, 2, 10"):
        find_files(web(), [mirror.url], "en", DATE, ["11"])


def test_parts_without_the_one_file_are_not_taken_for_it_while_it_is_made(mirror):
    mirror.publish(PARTS, articlesmultistreamdumprecombine="in-progress")
    with pytest.raises(UserError, match=r"(?s)not made yet.*recombine is in-progress.*--part all"):
        find_files(web(), [mirror.url], "en", DATE)
    assert len(find_files(web(), [mirror.url], "en", DATE, ["all"])) == len(PARTS)
    mirror.publish(PARTS, articlesmultistreamdumprecombine="skipped")
    assert len(find_files(web(), [mirror.url], "en", DATE)) == len(PARTS)


@pytest.mark.parametrize("algorithm", ["sha1", "md5"])
@pytest.mark.parametrize("status", [None, b"<html>no JSON</html>", b'{"jobs": {"articlesmultistreamdump": 3}}'])
def test_a_mirror_without_dumpstatus(mirror, tmp_path, algorithm, status):
    del mirror.files[f"/enwiki/{DATE}/dumpstatus.json"]
    if status:
        mirror.put("dumpstatus.json", status)
    served = {WHOLE: TEXT, INDEX: b"index", f"enwiki-{DATE}-pages-articles.xml.bz2": b"other"}
    sums = "".join(f"{hashlib.new(algorithm, body).hexdigest()}  {name}\n" for name, body in served.items())
    mirror.put(f"enwiki-{DATE}-{algorithm}sums.txt", sums.encode())
    assert {(file.name, file.size_bytes) for file in find_files(web(), [mirror.url], "en", DATE)} == {
        (WHOLE, len(TEXT)), (INDEX, 5),
    }  # fmt: skip
    assert [path.read_bytes() for path in download(tmp_path, mirror)] == [TEXT]


def test_a_list_of_sums_that_still_grows_is_not_believed(mirror):
    del mirror.files[f"/enwiki/{DATE}/dumpstatus.json"]
    mirror.put(f"enwiki-{DATE}-sha1sums.txt", "".join(f"{'0' * 40}  {name}\n" for name in PARTS).encode())
    with pytest.raises(UserError, match="not finished"):
        find_files(web(), [mirror.url], "en", DATE, ["all"])


def test_latest_is_the_newest_that_is_finished(mirror):
    newer, newest = DATE[:-2] + "20", "20260501"
    mirror.publish({name.replace(DATE, newer): b"x" for name in (WHOLE, INDEX)}, newer)
    mirror.publish(
        {name.replace(DATE, newest): b"x" for name in PARTS}, newest, articlesmultistreamdumprecombine="waiting"
    )
    links = "".join(f'<a href="{link}/">{link}</a>' for link in ("..", DATE, newest, newer, "20251201", "latest"))
    mirror.files["/enwiki/"] = links.encode()
    assert {file.name for file in find_files(web(), [mirror.url], "en", "latest")} == {
        WHOLE.replace(DATE, newer), INDEX.replace(DATE, newer),
    }  # fmt: skip


def test_names_that_are_no_plain_names_are_left_out(mirror):
    mirror.publish({WHOLE: TEXT, f"../{WHOLE}": b"x", "/etc/passwd": b"x", WHOLE.replace("en", "de", 1): b"x"})
    assert [file.name for file in find_files(web(), [mirror.url], "en", DATE)] == [WHOLE]


def test_what_is_not_there(mirror, tmp_path):
    with pytest.raises(UserError, match=r"(?s)no mirror has a finished dump of enwiki, 20250101.*no such dump"):
        download(tmp_path, mirror, date="20250101")
    with pytest.raises(UserError, match="has no enwiki"):
        download(tmp_path, mirror, date="latest")
    mirror.publish({WHOLE: TEXT}, articlesmultistreamdump="in-progress")
    with pytest.raises(UserError, match="articlesmultistreamdump is in-progress"):
        download(tmp_path, mirror)
    with pytest.raises(UserError, match="no date"):
        download(tmp_path, mirror, date="April")
    with pytest.raises(UserError, match="https://"):
        download_dump(web(), ["dumps.example.org"], "en", DATE, tmp_path, Watcher())


def test_names_of_wikis():
    assert [wiki_name(code) for code in ("en", "zh-min-nan", "simple", "enwiki")] == [
        "enwiki", "zh_min_nanwiki", "simplewiki", "enwiki",
    ]  # fmt: skip
    for code in ("", "../x", "en/x", "wiki"):
        with pytest.raises(UserError, match="no language"):
            wiki_name(code)


# Fetching one file


def test_a_cut_file_is_resumed_where_it_was_cut(mirror, tmp_path):
    mirror.say(WHOLE, Answer(cut=1050), Answer(cut=0), Answer(cut=820))
    assert download(tmp_path, mirror)[0].read_bytes() == TEXT
    first, *others = mirror.asked(WHOLE)
    assert "Range" not in first
    assert [(each["Range"], each["If-Range"]) for each in others] == [
        ("bytes=1000-", '"1"'), ("bytes=1000-", '"1"'), ("bytes=1800-", '"1"'),
    ]  # fmt: skip


def test_a_killed_download_goes_on(mirror, tmp_path):
    def interrupt(name: str, there: int) -> None:
        if name == WHOLE and there >= 700:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download(tmp_path, mirror, shown=Watcher(interrupt))
    assert (tmp_path / f"{WHOLE}.partial").read_bytes() == TEXT[:700]
    assert WHOLE not in names(tmp_path)
    assert download(tmp_path, mirror)[0].read_bytes() == TEXT
    assert mirror.asked(WHOLE)[-1]["Range"] == "bytes=700-"
    assert names(tmp_path) == {WHOLE, INDEX}


def test_a_file_killed_before_it_was_verified_is_not_fetched_again(mirror, tmp_path):
    def interrupt(name: str, there: int) -> None:
        if there == len(TEXT):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download(tmp_path, mirror, shown=Watcher(interrupt))
    assert download(tmp_path, mirror)[0].read_bytes() == TEXT
    assert len(mirror.asked(WHOLE)) == 1


def test_a_cut_is_noticed_though_the_server_tells_no_length(mirror, tmp_path):
    mirror.say(WHOLE, Answer(cut=1000, tells_length=False))
    assert download(tmp_path, mirror)[0].read_bytes() == TEXT
    assert mirror.asked(WHOLE)[1]["Range"] == "bytes=1000-"


def test_more_cuts_than_tries_are_borne_while_the_file_grows(mirror, tmp_path):
    mirror.say(WHOLE, *[Answer(cut=250)] * 12)
    assert download(tmp_path, mirror, client=web(total=1))[0].read_bytes() == TEXT


def test_a_file_that_changed_is_begun_anew(mirror, tmp_path):
    path = mirror.put(WHOLE, b"old" * 3000)
    mirror.say(WHOLE, Answer(cut=2000))
    shown = Watcher(lambda name, there: mirror.change(path, TEXT) if there else None)
    assert download(tmp_path, mirror, shown=shown)[0].read_bytes() == TEXT
    assert mirror.asked(WHOLE)[1]["If-Range"] == '"1"'


def test_a_part_of_another_version_is_refused_though_the_server_does_not_heed_if_range(mirror, tmp_path):
    mirror.heeds_if_range = False
    path = mirror.put(WHOLE, bytes(len(TEXT)))
    mirror.say(WHOLE, Answer(cut=2000))
    shown = Watcher(lambda name, there: mirror.change(path, TEXT) if there else None)
    assert download(tmp_path, mirror, shown=shown)[0].read_bytes() == TEXT
    assert ["Range" in each for each in mirror.asked(WHOLE)] == [False, True, False]


def test_a_server_without_ranges_begins_anew(mirror, tmp_path):
    mirror.ranges = False
    mirror.say(WHOLE, Answer(cut=1000), Answer(cut=3000))
    assert download(tmp_path, mirror)[0].read_bytes() == TEXT
    assert len(mirror.asked(WHOLE)) == 3


def test_a_server_without_ranges_that_cuts_each_time_is_given_up(mirror, tmp_path):
    mirror.ranges = False
    mirror.say(WHOLE, *[Answer(cut=1000)] * 20)
    with pytest.raises(UserError, match=r"(?s)no mirror gives the file.*cut"):
        download(tmp_path, mirror)
    assert len(mirror.asked(WHOLE)) == 4  # the first, and three more that come no further


def test_a_range_that_cannot_be_satisfied_begins_anew(mirror, tmp_path):
    mirror.say(WHOLE, Answer(cut=1000), Answer(status=416))
    assert download(tmp_path, mirror)[0].read_bytes() == TEXT


@pytest.mark.parametrize("note", [None, "not json", '{"url": "u", "validator": null, "checksum": "of another dump"}'])
def test_a_partial_file_of_unknown_origin_is_not_built_on(mirror, tmp_path, note):
    (tmp_path / f"{WHOLE}.partial").write_bytes(b"?" * 100)
    if note:
        (tmp_path / f"{WHOLE}.partial.json").write_text(note)
    assert download(tmp_path, mirror)[0].read_bytes() == TEXT
    assert "Range" not in mirror.asked(WHOLE)[0]


def test_503_passes(mirror, tmp_path):
    sleeps: list[float] = []
    told: list[str] = []
    mirror.say(WHOLE, *[Answer(status=503)] * 4)
    client = Web(retry=RETRY, sleep=sleeps.append, waiting=lambda reason, seconds: told.append(reason))
    assert download(tmp_path, mirror, client=client)[0].read_bytes() == TEXT
    assert sleeps[0] == 0
    assert [2**k <= sleep <= 2**k + 1 for k, sleep in enumerate(sleeps[1:], 1)] == [True] * 3
    assert told == [f"{mirror.url.removeprefix('http://')}: 503 Service Unavailable"] * 4


def test_retry_after_is_heeded(mirror, tmp_path):
    sleeps: list[float] = []
    mirror.say(
        "dumpstatus.json",
        Answer(status=429, headers={"Retry-After": "17"}),
        Answer(status=429, headers={"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}),
        Answer(status=429, headers={"Retry-After": "soon"}),
    )
    download(tmp_path, mirror, client=web(sleep=sleeps.append))
    assert sleeps == [17, 0, 0]


def test_the_next_mirror_goes_on_with_the_partial_file(mirror, second, tmp_path):
    mirror.say(WHOLE, Answer(cut=1000), *[Answer(status=500)] * 9)
    second.tags[f"/enwiki/{DATE}/{WHOLE}"] = '"its own"'
    assert download(tmp_path, mirror, second)[0].read_bytes() == TEXT
    (headers,) = second.asked(WHOLE)
    assert headers["Range"] == "bytes=1000-"
    assert "If-Range" not in headers


@pytest.mark.parametrize(
    "answer", [Answer(status=404), Answer(status=403), Answer(status=503, headers={"Retry-After": "3600"})]
)
def test_what_will_not_pass_is_not_tried_again(mirror, second, tmp_path, answer):
    mirror.say(WHOLE, answer)
    assert download(tmp_path, mirror, second)[0].read_bytes() == TEXT
    assert len(mirror.asked(WHOLE)) == 1


def test_a_mirror_that_is_down(second, tmp_path):
    with serving() as gone:
        pass
    assert download(tmp_path, gone, second)[0].read_bytes() == TEXT
    with pytest.raises(UserError, match="no connection"):
        download(tmp_path / "other", gone)


def test_a_wrong_checksum_leaves_nothing(mirror, tmp_path):
    mirror.put(WHOLE, TEXT[:-1] + b"!")
    with pytest.raises(UserError, match=r"(?s)damaged, and removed.*sha1 is not the published.*to do"):
        download(tmp_path, mirror)
    assert names(tmp_path) == set()


def test_a_wrong_checksum_on_one_mirror(mirror, second, tmp_path):
    mirror.put(WHOLE, TEXT[:-1] + b"!")
    assert download(tmp_path, mirror, second)[0].read_bytes() == TEXT


def interrupt_at(size: int) -> Callable[[str, int], None]:
    def interrupt(name: str, there: int) -> None:
        if name == WHOLE and there >= size:
            raise KeyboardInterrupt

    return interrupt


def test_a_rotten_beginning_is_fetched_again_from_the_mirror_that_has_it_right(mirror, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        download(tmp_path, mirror, shown=Watcher(interrupt_at(700)))
    partial = tmp_path / f"{WHOLE}.partial"
    partial.write_bytes(b"?" * partial.stat().st_size)
    assert download(tmp_path, mirror)[0].read_bytes() == TEXT
    assert [headers.get("Range") for headers in mirror.asked(WHOLE)] == [None, "bytes=700-", None]


def test_more_than_was_published_is_not_taken(mirror, tmp_path):
    seen = Watcher()
    mirror.put(WHOLE, TEXT * 50)
    with pytest.raises(UserError, match=f"it sends more than the {len(TEXT):,} bytes"):
        download(tmp_path, mirror, shown=seen)
    assert max(seen.seen) <= len(TEXT)
    assert not {WHOLE, f"{WHOLE}.partial"} & names(tmp_path)


def test_two_downloads_into_one_folder_do_not_mix(mirror, tmp_path):
    told = []

    def again(name: str, there: int) -> None:
        if there == 700:
            with pytest.raises(UserError, match="another download fetches this file") as raised:
                download(tmp_path, mirror)
            told.append(str(raised.value))

    assert download(tmp_path, mirror, shown=Watcher(again))[0].read_bytes() == TEXT
    assert f"{WHOLE}.partial" in told[0]
    assert names(tmp_path) == {WHOLE, INDEX}


def test_a_folder_that_cannot_be_made_is_told(mirror):
    with pytest.raises(UserError, match="folder cannot be made") as told:
        download(Path("/proc/none/dumps"), mirror)
    assert "--folder" in str(told.value.fix)


def test_whoever_is_refused_is_told_to_say_who_asks(mirror, tmp_path):
    mirror.say(WHOLE, Answer(status=403))
    with pytest.raises(UserError, match="--contact"):
        download(tmp_path, mirror)
    mirror.say("dumpstatus.json", Answer(status=403))
    with pytest.raises(UserError, match="--contact"):
        download(tmp_path, mirror)
    download(tmp_path, mirror, client=web(contact="me@example.org"))
    assert "(me@example.org)" in mirror.asked(WHOLE)[-1]["User-Agent"]


def test_a_file_that_is_there_and_right_is_not_fetched_again(mirror, tmp_path):
    (tmp_path / WHOLE).write_bytes(TEXT)
    shown = Watcher()
    assert download(tmp_path, mirror, shown=shown) == [tmp_path / WHOLE]
    assert mirror.asked(WHOLE) == []
    assert shown.lines[0] == f"{WHOLE} {len(TEXT)} was there"


@pytest.mark.parametrize("there", [TEXT[:-1], TEXT[:-1] + b"!"])
def test_a_file_that_is_there_and_wrong_is_never_taken_for_finished(mirror, tmp_path, there):
    (tmp_path / WHOLE).write_bytes(there)
    mirror.say(WHOLE, Answer(status=404))
    with pytest.raises(UserError, match="404"):
        download(tmp_path, mirror)
    assert names(tmp_path) == {f"{WHOLE}.damaged"}
    assert download(tmp_path, mirror)[0].read_bytes() == TEXT


def test_no_room(mirror, tmp_path):
    path = f"/enwiki/{DATE}/dumpstatus.json"
    mirror.files[path] = mirror.files[path].replace(f'"size": {len(TEXT)}'.encode(), b'"size": 1000000000000000000')
    with pytest.raises(UserError, match=r"(?s)not enough room: 1,000,000,000.0 GB.*--folder"):
        download(tmp_path, mirror)
    assert mirror.asked(WHOLE) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_told_with_the_file(mirror, tmp_path):
    full = tmp_path / f"{INDEX}.partial"
    full.symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left") as told:
        download(tmp_path, mirror)
    assert told.value.errno == errno.ENOSPC
    assert told.value.filename == str(full)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    cuts=st.lists(st.integers(0, len(TEXT)), max_size=6),
    kills=st.lists(st.integers(1, len(TEXT)), max_size=2),
    ranges=st.booleans(),
    validator=st.sampled_from(["ETag", "Last-Modified", None]),
)
def test_whatever_the_cuts_the_bytes_are_those_served(cuts, kills, ranges, validator):
    def kill_at(limit: int) -> Callable[[str, int], None]:
        def at(name: str, there: int) -> None:
            if name == WHOLE and there >= limit:
                raise KeyboardInterrupt

        return at

    server = SERVER[0]
    server.ranges, server.validator = ranges, validator
    server.say(WHOLE, *[Answer(cut=cut) for cut in cuts])
    with TemporaryDirectory() as folder:
        for limit in kills:
            with pytest.raises(KeyboardInterrupt):
                download(Path(folder), server, client=web(total=9), shown=Watcher(kill_at(limit)))
        assert download(Path(folder), server, client=web(total=9))[0].read_bytes() == TEXT
        assert names(Path(folder)) == {WHOLE, INDEX}


SERVER: list[Mirror] = []


@pytest.fixture(autouse=True, scope="module")
def shared_server() -> Iterator[None]:
    """One server for all examples of the property."""
    with serving() as one:
        one.publish({WHOLE: TEXT, INDEX: b"index"})
        SERVER.append(one)
        yield
        SERVER.clear()


# The command


def cofee(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cofee_dist.cli", "download", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=dict(os.environ), check=False)


def test_the_command_prints_the_line_to_type_next(mirror, tmp_path):
    mirror.files["/enwiki/"] = f'<a href="{DATE}/">{DATE}/</a>'.encode()
    done = cofee("en", "--folder", str(tmp_path), "--mirror", f"{mirror.url}/")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"cofee pretrain --config … --set 'corpus.dumps=[{tmp_path / WHOLE}]'\n"
    assert done.stderr == f"✓ {WHOLE}  5.1 kB  sha1 right\n✓ {INDEX}  5 bytes  sha1 right\n"


def test_the_command_tells_of_a_damaged_file(mirror, tmp_path):
    mirror.put(WHOLE, TEXT[:-1] + b"!")
    done = cofee("en", "--date", DATE, "--folder", str(tmp_path), "--mirror", mirror.url)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "damaged" in done.stderr


def test_odd_paths_are_quoted_for_shell_and_yaml():
    assert next_command([Path("a b/x.bz2"), Path("y.bz2")]).endswith("""--set 'corpus.dumps=["a b/x.bz2",y.bz2]'""")
