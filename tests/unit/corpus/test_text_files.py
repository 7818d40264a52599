"""Files of text: the same lines with the same ids however they are cut and packed; every fault has its place."""

from __future__ import annotations

import bz2
import gzip
import json
from itertools import chain
from pathlib import Path

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cofee_dist.corpus.text_files import TextPiece, check_texts, read_texts, text_parcels
from cofee_dist.errors import UserError

LINES = ["One é.", "", "  two \t", "😀 three", "four\u2028and", "x" * 50]
CONTENT = "\n".join(LINES).encode()
#: Where lines begin, and what they hold.
EXPECTED = [(len("\n".join([*LINES[:at], ""]).encode()), line.strip()) for at, line in enumerate(LINES)]


def read(*paths: str, parcel_bytes: int = 2**20) -> list[tuple[int, str]]:
    return [text for piece in chain(*text_parcels(paths, parcel_bytes)) for text in read_texts(piece)]


@pytest.mark.parametrize("parcel_bytes", [1, 2, 3, 7, 20, 10**9])
def test_cuts_change_nothing(tmp_path: Path, parcel_bytes: int) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(CONTENT)
    assert read(str(path), parcel_bytes=parcel_bytes) == EXPECTED


@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=9), min_size=1), st.integers(1, 40))
def test_cuts_of_any_text_change_nothing(tmp_path_factory: pytest.TempPathFactory, lines: list[str], size: int) -> None:
    path = tmp_path_factory.mktemp("texts") / "a.txt"
    path.write_text("\n".join([*lines, "end"]), encoding="utf-8")
    found = read(str(path), parcel_bytes=size)
    assert [text for _, text in found] == [line.strip().removeprefix("\ufeff") for line in lines[:1]] + [
        line.strip() for line in [*lines[1:], "end"]
    ]
    assert found == read(str(path))


def test_packed_files_and_urls_give_the_same(tmp_path: Path) -> None:
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(CONTENT))
    (tmp_path / "a.TXT.BZ2").write_bytes(bz2.compress(CONTENT))
    fsspec.filesystem("memory").pipe("/texts/a.txt", CONTENT)
    fsspec.filesystem("memory").pipe("/texts/a.gz", gzip.compress(CONTENT))
    for path in (tmp_path / "a.txt.gz", tmp_path / "a.TXT.BZ2", "memory://texts/a.txt", "memory://texts/a.gz"):
        assert read(str(path), parcel_bytes=10) == EXPECTED


def test_jsonl_and_the_mark_before_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    lines = ['{"id": 7, "text": " One.\\nTwo. "}', "", '{"text": ""}', '{"text": "half \\ud83d, whole \\ud83d\\ude00"}']
    path.write_bytes(gzip.compress(("\ufeff" + "\r\n".join(lines)).encode()))
    assert [text for _, text in read(str(path))] == ["One.\nTwo.", "", "", "half \ufffd, whole 😀"]


def test_ids_tell_files_apart_and_follow_their_order(tmp_path: Path) -> None:
    paths = [str(tmp_path / f"{name}.txt") for name in "cab"]
    for path in paths:
        Path(path).write_bytes(CONTENT)
    ids = [number for number, _ in read(*paths, parcel_bytes=30)]
    assert ids == sorted(set(ids))
    assert [number % 10**12 for number in ids] == [at for at, _ in EXPECTED] * 3


def test_small_files_share_a_parcel_and_large_ones_are_cut(tmp_path: Path) -> None:
    paths = [str(tmp_path / f"{number}.txt") for number in range(7)]
    for path, size in zip(paths, (10, 10, 10, 95, 10, 10, 300), strict=True):
        Path(path).write_bytes(b"x" * size)
    parcels = text_parcels(paths, 100)
    assert [[piece.number for piece in parcel] for parcel in parcels] == [[0, 1, 2], [3], [4, 5], [6], [6], [6]]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("none.txt", None, "the text file does not exist"),
        ("empty.txt", b"", "empty"),
        ("a.txt", b"good\n\ncaf\xe9\n", "a.txt:3"),
        ("a.txt", "x".encode("utf-16"), "not UTF-8"),
        ("a.jsonl", b'{"text": "x"}\n{"txt": "x"}\n', "no 'text'(?s:.)*'txt'(?s:.)*a.jsonl:2"),
        ("a.jsonl", b'{"text": 3}\n', "no 'text'(?s:.)*a.jsonl:1"),
        ("a.ndjson", b'\n["x"]\n', "not an object(?s:.)*a.ndjson:2"),
        ("a.jsonl.gz", gzip.compress(b"{}\nplain"), "no 'text'(?s:.)*a.jsonl.gz:1"),
        ("a.jsonl", b"plain\n", "not valid JSON(?s:.)*a.jsonl:1"),
        ("a.jsonl", b"[" * 10**5, "not valid JSON(?s:.)*a.jsonl:1"),
        ("a.txt.gz", gzip.compress(CONTENT)[:-9], "damaged or end early"),
        ("a.txt.bz2", b"plain", "damaged or end early"),
    ],
)
def test_a_fault_is_told_with_its_place(tmp_path: Path, name: str, content: bytes | None, told: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=told) as error:
        check_texts([str(path)])
    assert str(path) in str(error.value)
    assert error.value.fix


def test_a_line_behind_a_cut_is_told_by_its_number(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    lines = [json.dumps({"text": f"line {number}"}) for number in range(100)]
    path.write_text("\n".join([*lines, "{}"]))
    with pytest.raises(UserError, match=r"a\.jsonl:101"):
        list(read_texts(TextPiece(str(path), 0, 700)))


def test_a_file_that_is_given_twice(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(CONTENT)
    with pytest.raises(UserError, match="given twice"):
        check_texts([str(path), path.as_uri()])
