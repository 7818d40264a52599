"""Which files a config's dumps stand for, and that they are of one wiki."""

from __future__ import annotations

import bz2
from pathlib import Path

import fsspec
import pytest

from cofee_dist.corpus.dump_list import list_dumps, read_sites
from cofee_dist.errors import UserError
from tests.unit.corpus.test_dump import HEAD, TAIL

DUMP = bz2.compress((HEAD + TAIL).encode())
NAMES = [
    "xwiki-1-pages-articles-multistream2.xml-p7p9.bz2",
    "xwiki-1-pages-articles-multistream1.xml.bz2",
    "xwiki-1-pages-articles-multistream3.xml.bz2",
    "plain.xml",
    "packed.XML.GZ",
]
OTHERS = [
    "xwiki-1-pages-articles-multistream-index1.txt.bz2",
    "xwiki-1-pages-articles-multistream4.xml.bz2.partial",
    "xwiki-1-pages-articles-multistream4.xml.bz2.partial.json",
    "xwiki-1-pages-articles-multistream5.xml.bz2.damaged",
    ".hidden.xml.bz2",
    "xwiki-1-sha1sums.txt",
    "dumpstatus.json",
    "notes.txt",
]


def fill(folder: Path) -> None:
    for name in (*NAMES, *OTHERS):
        (folder / name).write_bytes(DUMP)
    (folder / "below.xml").mkdir()
    (folder / "below.xml" / "not-this.xml").write_bytes(DUMP)


def names(paths: list[str]) -> list[str]:
    return [path.rpartition("/")[2] for path in paths]


def test_a_folder_is_the_dumps_in_it(tmp_path: Path) -> None:
    fill(tmp_path)
    found = list_dumps([str(tmp_path)])
    assert names(found) == sorted(NAMES)
    assert all(Path(path).is_file() for path in found)
    assert list_dumps([tmp_path.as_uri() + "/"]) == found


def test_a_pattern_is_the_files_that_it_names_but_for_indexes_and_halves(tmp_path: Path) -> None:
    fill(tmp_path)
    found = list_dumps([f"{tmp_path}/xwiki-*-pages-articles-multistream*"])
    assert names(found) == sorted(name for name in NAMES if name.startswith("xwiki"))
    assert names(list_dumps([f"{tmp_path}/plain.x?l", f"{tmp_path}/xwiki*[13].xml.bz2"])) == [
        "plain.xml",
        "xwiki-1-pages-articles-multistream1.xml.bz2",
        "xwiki-1-pages-articles-multistream3.xml.bz2",
    ]


def test_folders_and_patterns_of_a_store_are_urls(tmp_path: Path) -> None:
    memory = fsspec.filesystem("memory")
    for name in (*NAMES, *OTHERS, "below/not-this.xml"):
        memory.pipe(f"/listed/{name}", DUMP)
    for given in ("memory://listed", "memory://listed/"):
        assert list_dumps([given]) == [f"memory://listed/{name}" for name in sorted(NAMES)]
    one = "memory://listed/plain.xml"
    assert list_dumps(["memory://listed/pl*"]) == list_dumps([one]) == [one]


def test_a_name_with_signs_of_patterns_is_that_file(tmp_path: Path) -> None:
    path = tmp_path / "odd [1]*.xml"
    path.write_bytes(DUMP)
    assert list_dumps([str(path)]) == [str(path)]


def test_what_holds_no_dump_is_told(tmp_path: Path) -> None:
    (tmp_path / OTHERS[0]).write_bytes(DUMP)
    fsspec.filesystem("memory").pipe("/empty-list/notes.txt", b"x")
    for given in (str(tmp_path), f"{tmp_path}/*.xml", "memory://empty-list", "memory://empty-list/*.bz2"):
        with pytest.raises(UserError, match="there is no dump in it") as told:
            list_dumps([given])
        assert given in str(told.value)
    with pytest.raises(UserError, match="no dump is given"):
        list_dumps([])


def test_a_dump_in_a_folder_and_by_its_name_is_given_twice(tmp_path: Path) -> None:
    fill(tmp_path)
    with pytest.raises(UserError, match=r"given twice[\s\S]*plain\.xml"):
        list_dumps([str(tmp_path), str(tmp_path / "plain.xml")])


def wiki(path: Path, dbname: str, language: str) -> str:
    head = HEAD.replace('xml:lang="de"', f'xml:lang="{language}"')
    name = f"<dbname>{dbname}</dbname>" if dbname else ""
    path.write_text(head.replace("<dbname>dewiki</dbname>", name) + TAIL, "utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("one", "other", "told"),
    [
        (("enwiki", "en"), ("simplewiki", "en"), "enwiki and simplewiki"),
        (("dewiki", "de"), ("", "en"), "de and en"),
        (("", "lt"), ("", "lv"), "lt and lv"),
    ],
)
def test_two_wikis_are_two_runs(tmp_path: Path, one: tuple[str, str], other: tuple[str, str], told: str) -> None:
    paths = [wiki(tmp_path / "a.xml", *one), wiki(tmp_path / "b.xml", *one), wiki(tmp_path / "c.xml", *other)]
    assert len(read_sites(paths[:2])) == 2
    with pytest.raises(UserError, match=told) as raised:
        read_sites(paths)
    assert all(path in str(raised.value) for path in (paths[0], paths[2]))
    assert "two runs" in str(raised.value.fix)


def test_an_old_dump_without_a_name_may_stand_beside_a_new_one(tmp_path: Path) -> None:
    read_sites([wiki(tmp_path / "old.xml", "", "de"), wiki(tmp_path / "new.xml", "dewiki", "de")])
