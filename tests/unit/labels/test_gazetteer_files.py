"""Word lists as people have them: each format, each mistake."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cofee_dist.config import EntityType, Labels, Task
from cofee_dist.config.gazetteer import GazetteerFile
from cofee_dist.errors import UserError
from cofee_dist.labels.gazetteer import Gazetteer, read_gazetteers
from cofee_dist.labels.gazetteer_files import check_entries, read_blocks, read_entries


def _read(folder: Path, name: str, content: str | bytes, **settings: Any) -> list[str]:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(read_entries(GazetteerFile(path=str(path), **settings)))


def _told(folder: Path, name: str, content: str | bytes, **settings: Any) -> str:
    """The error, which must name the file and, but for what is wrong with a whole file, the line."""
    with pytest.raises(UserError) as caught:
        _read(folder, name, content, **settings)
    for read in (check_entries, lambda file: list(read_blocks(file))):
        with pytest.raises(UserError) as again:
            read(GazetteerFile(path=str(folder / name), **settings))
        assert str(again.value) == str(caught.value)
    assert str(caught.value.where).startswith(str(folder / name))
    assert caught.value.fix
    return str(caught.value).replace(str(folder / name), name)


@pytest.mark.parametrize(
    ("name", "content", "settings", "entries"),
    [
        ("a.txt", "\ufeffAda\r\n\r\n #x, \ty\rNew York\n", {}, ["Ada", "#x, \ty", "New York"]),
        ("a.txt", "a\u2028b\nc\x85d", {}, ["a\u2028b", "c\x85d"]),
        ("a.txt", "Ada\t12\nBob\t7", {"format": "lines"}, ["Ada\t12", "Bob\t7"]),
        ("a.txt", "Area\t51\nBob", {}, ["Area\t51", "Bob"]),
        ("noending", "iPhone 12\nGalaxy 20", {}, ["iPhone 12", "Galaxy 20"]),
        # Tables: no header, the default names, names and numbers.
        ("a.tsv", "Ada\tx\n\n \t\nBob\ty", {}, ["Ada", "Bob"]),
        ("a.csv", 'id,label,title\n1,l,"Ada ""the"" one, B"\n2,m,Bob', {}, ['Ada "the" one, B', "Bob"]),
        ("a.csv", "Name, Aliases\nAda,A. L.|Countess\nBob,\nEve", {}, ["Ada", "A. L.", "Countess", "Bob", "Eve"]),
        ("a.TSV", "id\tbrand\taka\n1\tIBM\tBig Blue;I.B.M.", {"column": "brand", "aliases": "aka",
         "alias_separator": ";"}, ["IBM", "Big Blue", "I.B.M."]),
        ("a.tsv", "id\tbrand\n1\tIBM", {"column": -1, "header": True}, ["IBM"]),
        ("a.tsv", "1\tIBM\tx|y\n2\tHP", {"column": 1, "aliases": 2, "header": False}, ["IBM", "x", "y", "HP"]),
        ("a.tsv", "Name\tx", {"header": False}, ["Name"]),
        ("a.tsv", "brand\tx\nIBM\ty", {"header": True}, ["IBM"]),
        ("a.csv", '"New\r\nYork",x', {}, ["New\nYork"]),
        ("a.tsv", '"Weird Al" Yankovic\t1', {"quotes": False}, ['"Weird Al" Yankovic']),
        ("a.csv", "", {"format": "lines"}, None),
        # JSON lines.
        ("a.jsonl", '{"name": "Ada", "aliases": ["A.", "B"]}\n\n{"title": "T", "label": "L"}\n{"surface": "S", '
         '"aliases": "x|y"}\n{"label": "\\ud83d\\ude00", "aliases": null}', {}, ["Ada", "A.", "B", "T", "S", "x",
         "y", "😀"]),
        ("a.ndjson", '{"n": "Ada", "aka": "A,B", "name": "no"}\n{"n": "Bob"}', {"column": "n", "aliases": "aka",
         "alias_separator": ","}, ["Ada", "A", "B", "Bob"]),
        # A word and its frequency.
        ("a.dic", "中国\t1234\tN,\n北京大学 88 nt\n\n清华　9\n New York\t3\nIBM", {}, ["中国", "北京大学", "清华",
         "New York", "IBM"]),
        ("a.txt", "中国\t1234\n", {"format": "sogou"}, ["中国"]),
        # Pinyin before the word, as input methods export it; letters alone are a word.
        ("a.dic", "'bei'jing 北京\nbei'jing'da'xue\t北京大学\t88\nka3 la1\tＫ拉\nwifi 3\nwifi 密码\t7\n'n 'sync\t2", {},
         ["北京", "北京大学", "Ｋ拉", "wifi", "wifi 密码", "'n 'sync"]),
        ("a.txt", "'bei'jing 北京", {"format": "lines"}, ["'bei'jing 北京"]),
        ("a.txt", "华为 10\niPhone 12\nGalaxy 20\n", {}, ["华为 10", "iPhone 12", "Galaxy 20"]),
        ("a.txt", "北京 120\n上海 展览 7\n", {}, ["北京 120", "上海 展览 7"]),
        ("a.txt", "华为 10\n小米 11\n", {"format": "lines"}, ["华为 10", "小米 11"]),
        ("a.txt", "华为 10\n小米 11\n", {"format": "sogou"}, ["华为", "小米"]),
        # Delimiters that the header shows, or the config says.
        ("a.csv", "Name;Aliases\nParis;Lutetia|City, of light\nRome;", {},
         ["Paris", "Lutetia", "City, of light", "Rome"]),
        ("a.csv", "\nid|name\n7|Paris, France\n", {}, ["Paris, France"]),
        ("a.tsv", "name,aliases\nParis,\n", {}, ["Paris"]),
        ("a.csv", 'brand;x, "y"\n"I;BM";2', {"column": "brand"}, ["I;BM"]),
        ("a.csv", "a;b\nc;d", {"column": 1, "delimiter": ";"}, ["b", "d"]),
        ("a.csv", "name;x\nc;d", {"delimiter": ","}, ["name;x", "c;d"]),
        ("a.csv", "name,aliases\nAda," + "|".join(["x" * 999] * 300), {}, ["Ada", *["x" * 999] * 300]),
        # JSON that is no JSONL.
        ("a.json", '[\n  "Ada",\n  {"name": "Bob", "aliases": ["B."]}\n]\n', {}, ["Ada", "Bob", "B."]),
        ("a.json", '\n{"name": "Ada"}\n{"name": "Bob"}\n', {}, ["Ada", "Bob"]),
        ("a.JSON.gz", gzip.compress(b'[{"n": "Ada", "aka": "x|y"}]'), {"column": "n", "aliases": "aka"},
         ["Ada", "x", "y"]),
    ],
)  # fmt: skip
def test_formats(
    tmp_path: Path, name: str, content: str | bytes, settings: dict[str, Any], entries: list[str] | None
) -> None:
    if entries is None:
        assert "no entries" in _told(tmp_path, name, content, **settings)
    else:
        assert _read(tmp_path, name, content, **settings) == entries


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "big5", "utf-16", "utf-16-le", "UTF8"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    content = "中國\t12\r\n台北\t3\r\n".encode(encoding)
    assert _read(tmp_path, "a.dic", content, encoding=encoding) == ["中國", "台北"]


def test_compressed_lists(tmp_path: Path) -> None:
    assert _read(tmp_path, "a.tsv.gz", gzip.compress(b"Ada\t1\nBob\t2")) == ["Ada", "Bob"]
    assert _read(tmp_path, "a.txt.bz2", bz2.compress(b"Ada\n") + bz2.compress(b"Bob\n")) == ["Ada", "Bob"]
    content = gzip.compress("\n".join(map(str, range(9000))).encode())
    for name, broken in (("a.gz", content[:-9]), ("b.gz", b"Ada\n"), ("a.bz2", bz2.compress(b"Ada")[:-3])):
        assert "damaged or end early" in _told(tmp_path, name, broken)
    assert "byte 0xe9" in _told(tmp_path, "c.gz", gzip.compress(b"Ada\ncaf\xe9\n"))


@pytest.mark.parametrize(
    ("name", "content", "settings", "parts"),
    [
        ("a.txt", "Ada\t12\nBob\t7\tx\n", {}, ["a number after its entry", "a.txt:1", "format: sogou"]),
        ("a.txt", "北京 120\nAT&T 3 nz\n上海 90\n", {}, ["a number after its entry", "a.txt:1", "format: sogou"]),
        ("a.txt", "'bei'jing 北京\n'shang'hai 上海\n", {}, ["pinyin before its entry", "a.txt:1", "format: sogou"]),
        ("a.txt", b"Ada\nBob\ncaf\xe9\n", {}, ["not UTF-8 (byte 0xe9)", "a.txt:3", "gb18030"]),
        ("a.txt", b"\xef\xbb\xbfAda\rcaf\xe9", {}, ["a.txt:2"]),
        ("a.txt", "Ada\nBöb".encode("utf-16"), {}, ["zero bytes", "a.txt:1"]),
        ("a.txt", "Ada\nBob".encode("utf-16-le"), {}, ["zero bytes", "a.txt:1"]),
        ("a.txt", "中\n国\n".encode("gb18030") + b"\xff\n", {"encoding": "gb18030"}, ["not GB18030", "a.txt:3"]),
        ("a.txt", b"Ada\n", {"encoding": "utf-16"}, ["not UTF-16"]),
        ("a.tsv", "id\tbrand\n1\tIBM", {"column": "brands"}, ["no column 'brands'", "a.tsv:1", "'id', 'brand'"]),
        ("a.tsv", "\nid\tname\n1\tIBM", {"aliases": "aka"}, ["no column 'aka'", "a.tsv:2", "'id', 'name'"]),
        ("a.csv", "1,2\n", {"column": 2}, ["no column 2", "columns 0 to 1"]),
        ("a.csv", "id,name\n1,x\n\n2\n", {}, ["1 cells, none in column 1", "a.csv:4"]),
        ("a.csv", 'a,b\n"c\nd,e\nf,g', {}, ["not CSV", "a.csv:2", "quotes: false"]),
        ("a.tsv", 'a\tb\n"Weird Al" Y\tx', {}, ["not TSV", "a.tsv:2", "quotes: false"]),
        ("a.jsonl", '{"name": "Ada"}\n{"name": ', {}, ["not valid JSON", "a.jsonl:2", '{"name": "…"']),
        ("a.jsonl", '"Ada"', {}, ["not an object", "a.jsonl:1"]),
        ("a.jsonl", '{"id": 1, "n": "x"}', {}, ["'name' or 'surface' or 'title'", "a.jsonl:1", "'id', 'n'"]),
        ("a.jsonl", '{"id": 1}', {"column": "n"}, ["no 'n'", "a.jsonl:1", "'id'"]),
        ("a.jsonl", '{"name": 7}', {}, ["'name' holds 7", "a.jsonl:1"]),
        ("a.jsonl", '{"name": "x", "aliases": {}}', {}, ["'aliases' is not a list", "a.jsonl:1"]),
        ("a.jsonl", '{"name": "x", "aliases": ["y", 3]}', {}, ["'aliases' holds 3", "a.jsonl:1"]),
        ("a.jsonl", '{"name": "x"}', {"aliases": "aka"}, ["no line has the field 'aka'", "'name'"]),
        ("a.jsonl", '{"name": "\\ud83d"}', {}, ["half a character", "a.jsonl:1"]),
        ("a.json", '["Ada", 7]', {}, ["neither a string nor an object: 7", "a.json, item 2"]),
        ("a.json", '["Ada",', {}, ["not valid JSON", "a.json", '["…", "…"]']),
        ("a.json", '{"Ada": ["x"]}', {}, ["no 'name'", "a.json:1", "'Ada'"]),
        ("a.json", '{\n"name": "Ada"}', {}, ["not valid JSON", "a.json:1"]),
        ("a.json", "[]", {}, ["no entries"]),
        ("a.dic", "a\t1\n\t2\n", {}, ["no word before the tab", "a.dic:2"]),
        *((f"a.{kind}", " \n\n", {}, ["no entries", f"a.{kind}"]) for kind in ("txt", "tsv", "csv", "jsonl", "dic")),
        ("a.tsv", "name\taliases\n", {}, ["no entries"]),
    ],
)
def test_mistakes(tmp_path: Path, name: str, content: str | bytes, settings: dict[str, Any], parts: list[str]) -> None:
    told = _told(tmp_path, name, content, **settings)
    for part in parts:
        assert part in told


def test_lines_are_the_same_wherever_blocks_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["\ufeffAda", "", " Bob Ray ", "x" * 7, "é\u2028ü", "end"]
    (tmp_path / "a.txt").write_bytes("\r\n".join(lines).encode())
    (tmp_path / "b.txt").write_bytes(b"Ada\nBob\nC\0D\nE")
    for size in range(1, 12):
        monkeypatch.setattr("cofee_dist.labels.gazetteer_lines._BLOCK_CHARACTERS", size)
        monkeypatch.setattr("cofee_dist.labels.gazetteer_files._BLOCK", size)
        file = GazetteerFile(path=str(tmp_path / "a.txt"))
        assert list(read_entries(file)) == ["Ada", "Bob Ray", "x" * 7, "é\u2028ü", "end"]
        blocks = [entry.strip() for block in read_blocks(file) for entry in block.to_pylist()]
        assert list(filter(None, blocks)) == list(read_entries(file))
        check_entries(file)
        for read in (read_entries, read_blocks):
            with pytest.raises(UserError, match=r"zero bytes[\s\S]*b\.txt:3"):
                list(read(GazetteerFile(path=str(tmp_path / "b.txt"))))


def test_only_what_is_asked_for_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"Ada\n" * 9000 + b"\xff")
    entries = read_entries(GazetteerFile(path=str(path)))
    assert [next(entries) for _ in range(3)] == ["Ada"] * 3
    with pytest.raises(UserError, match=r"a\.txt:9001"):
        list(entries)


def _table(rows: list[list[str]], delimiter: str) -> bytes:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows(rows)
    return text.getvalue().encode()


def _written(names: dict[str, list[str]], folder: Path) -> dict[str, GazetteerFile]:
    """The same entries in every format; those without columns for aliases have them as entries."""
    rows = [[name, "|".join(aliases)] for name, aliases in names.items()]
    records = [{"name": name, "aliases": aliases} for name, aliases in names.items()]
    flat = [entry for name, aliases in names.items() for entry in (name, *aliases)]
    contents = {
        "lines.txt": "\n".join(flat).encode(),
        "compressed.bz2": bz2.compress("\r\n".join(flat).encode()),
        "frequency.dic": "".join(f"{entry}\t3\tN\n" for entry in flat).encode("gb18030"),
        "table.tsv": _table([["name", "aliases"], *rows], "\t"),
        "table.csv.gz": gzip.compress(_table([["7", *row] for row in rows], ",")),
        "records.jsonl": "\n".join(map(json.dumps, records)).encode(),
    }
    settings: dict[str, dict[str, Any]] = {
        "frequency.dic": {"encoding": "gb18030"},
        "table.csv.gz": {"column": 1, "aliases": 2, "header": False},
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return {name: GazetteerFile(path=str(folder / name), **settings.get(name, {})) for name in contents}


#: No tabs and line ends, which lists of lines cannot hold, nor the aliases' separator.
entries = st.text(
    st.sampled_from('aB ",;:1é中國京\u3000\u00a0\u2028ﬁ{}[]\\'), min_size=1, max_size=6
).filter(str.strip)  # fmt: skip


@given(names=st.dictionaries(entries, st.lists(entries, max_size=3), min_size=1, max_size=6))
def test_every_format_gives_the_same_gazetteer(
    tmp_path_factory: pytest.TempPathFactory, names: dict[str, list[str]]
) -> None:
    folder = tmp_path_factory.mktemp("lists")
    found: dict[str, Gazetteer] = {}
    for name, file in _written(names, folder).items():
        gazetteer = read_gazetteers(Task(types={"T": EntityType(question="?", gazetteers=(file,))}), Labels())
        assert gazetteer.files == {"T": (file.path,)}
        found[name] = gazetteer
    first = found["lines.txt"]
    assert list(first.entries)
    for name, gazetteer in found.items():
        assert (list(gazetteer.entries.items()), gazetteer.counts) == (list(first.entries.items()), first.counts), name
