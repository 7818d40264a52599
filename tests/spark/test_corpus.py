"""The corpus through Spark: real counts, independence of the cut, redirects, duplicates, failures."""

from __future__ import annotations

import bz2
import re
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from cofee_dist.config import Corpus
from cofee_dist.corpus.spark_build import build_corpus
from cofee_dist.errors import UserError
from cofee_dist.schemas import QUARANTINE, SENTENCES
from tests.unit.corpus.test_dump import HEAD, TAIL, page_xml

pytestmark = pytest.mark.spark

ENWIKI = "enwiki-106-articles.xml.bz2"


def rows(folder: Path) -> list[dict[str, Any]]:
    table = pq.read_table(folder / "sentences")
    assert table.schema.equals(SENTENCES)
    return table.to_pylist()


def check_counts(counts: dict[str, Any], output: Path) -> None:
    assert counts["pages"] == sum(counts[kind] for kind in ("articles", "redirects", "other_namespaces", "quarantined"))
    assert counts["candidates"] == counts["sentences"] + sum(counts["dropped"].values())
    assert counts["links"] == counts["anchors"] + sum(counts["links_dropped"].values())
    assert counts["quarantined"] == sum(counts["quarantined_by_reason"].values())
    assert pq.read_table(output / "quarantine").num_rows == counts["quarantined"] + counts["damaged_streams"]
    found = rows(output)
    assert counts["sentences"] == len(found)
    assert counts["anchors"] == sum(len(row["anchors"]) for row in found)
    keys = [(row["page_id"], row["sentence_index"]) for row in found]
    assert keys == sorted(set(keys))
    assert pq.read_table(output / "quarantine").schema.equals(QUARANTINE)
    assert not (output / "_tmp").exists()


def restream(source: Path, target: Path, pages_in_stream: int) -> None:
    """The same dump as a multistream file, as Wikipedia publishes it."""
    head, *pages = bz2.decompress(source.read_bytes()).split(b"  <page>")
    last, tail = pages[-1].split(b"</mediawiki>")
    texts = [b"  <page>" + page for page in [*pages[:-1], last]]
    groups = [b"".join(texts[at : at + pages_in_stream]) for at in range(0, len(texts), pages_in_stream)]
    target.write_bytes(b"".join(map(bz2.compress, [head, *groups, b"</mediawiki>" + tail])))


def test_a_real_dump_gives_the_same_corpus_however_it_is_cut(spark: Any, shared_data: Path, tmp_path: Path) -> None:
    whole, many = shared_data / "dumps" / ENWIKI, tmp_path / "many.xml.bz2"
    restream(whole, many, 7)
    told: list[tuple[int, int]] = []
    counts = build_corpus(spark, Corpus(dumps=(str(whole),)), "en", tmp_path / "a")
    cut = Corpus(dumps=(str(many),), split_bytes=200_000)
    counts_many = build_corpus(spark, cut, "en", tmp_path / "b", lambda done, total: told.append((done, total)))
    assert (counts["pages"], counts["articles"], counts["redirects"]) == (206, 106, 99)
    assert counts["sentences"] > 1000
    assert counts == counts_many
    assert told[-1][0] == told[-1][1] >= 5
    check_counts(counts, tmp_path / "a")
    found = rows(tmp_path / "a")
    assert found == rows(tmp_path / "b")
    for row in found:
        assert row["text"] == row["text"].strip()
        assert "\n" not in row["text"]
        assert len(row["anchors"]) >= 4
        assert all(0 <= a["start"] < a["end"] <= len(row["text"]) and a["target"] for a in row["anchors"])


WIKI = [
    page_xml(1, "[[B]] met [[c]], [[d]] and [[E]] there. [[B]] met [[L1]] and [[Gone]] here.", "A"),
    page_xml(2, "", "B", redirect="C"),
    page_xml(3, "", "C", redirect="D#x"),
    page_xml(4, "[[A]] was [[a]] in [[Plain]].", "D"),
    page_xml(5, "", "L1", redirect="L2"),
    page_xml(6, "", "L2", redirect="L3"),
    page_xml(7, "", "L3", redirect="L1"),
    page_xml(8, "", "Gone", redirect="User:X"),
    page_xml(9, "[[A]] was [[a]] in [[Plain]].", "Copy of D"),
    page_xml(10, "[[x]] [[y]]", "Template:T", 10),
    page_xml(11, "x", "Broken").replace("<id>11</id>", "<id></id>"),
]


def dump(path: Path, pages: list[str]) -> str:
    path.write_text(HEAD.replace('"de"', '"en"') + "".join(pages) + TAIL, "utf-8")
    return str(path)


def config(*dumps: str, **more: Any) -> Corpus:
    return Corpus(**({"dumps": dumps, "min_anchors": 2, "max_quarantined_share": 0.2} | more))


def test_redirects_duplicates_and_failures(spark: Any, tmp_path: Path) -> None:
    counts = build_corpus(spark, config(dump(tmp_path / "d.xml", WIKI)), "en", tmp_path / "out")
    check_counts(counts, tmp_path / "out")
    assert counts["quarantined_by_reason"] == {"malformed_page": 1}
    assert counts["dropped"] == {"duplicate": 1}
    targets = {
        (row["page_id"], row["sentence_index"]): [a["target"] for a in row["anchors"]] for row in rows(tmp_path / "out")
    }
    assert targets == {
        (1, 0): ["D", "D", "D", "E"],
        # A loop leads nowhere, and what leads to no article stays a link to its title.
        (1, 1): ["D", "L1", "Gone"],
        (4, 0): ["A", "A", "Plain"],
    }
    quarantine = pq.read_table(tmp_path / "out" / "quarantine").to_pylist()
    assert [(row["title"], row["reason"]) for row in quarantine] == [("Broken", "malformed_page")]


def test_max_sentences_takes_the_same_ones_from_any_dump(spark: Any, tmp_path: Path) -> None:
    pages = [page_xml(n, f"[[A{n}]] met [[b{n}]] here. [[C{n}]] met [[d{n}]] there.", f"T{n}") for n in range(1, 21)]
    one = dump(tmp_path / "one.xml", pages)
    two = (dump(tmp_path / "two.xml", pages[11:]), dump(tmp_path / "three.xml", pages[:13]))
    counts = build_corpus(spark, config(one, max_sentences=9), "en", tmp_path / "a")
    check_counts(counts, tmp_path / "a")
    assert counts["dropped"] == {"above_max_sentences": 31}
    # Two pages stand in both dumps: each of their sentences is kept once.
    twice = build_corpus(spark, config(*two, max_sentences=9), "en", tmp_path / "b")
    check_counts(twice, tmp_path / "b")
    assert twice["dropped"] == {"above_max_sentences": 31, "duplicate": 4}
    assert rows(tmp_path / "a") == rows(tmp_path / "b")
    assert len({row["page_id"] for row in rows(tmp_path / "a")}) > 3


def of_revision(page: str, revision_id: int) -> str:
    return re.sub(r"(<revision>\s*<id>)\d+", rf"\g<1>{revision_id}", page)


def test_of_a_page_in_two_dumps_the_newest_revision_counts(spark: Any, tmp_path: Path) -> None:
    first, second, third, fourth, new = (f"The {n} [[A{n}]] met [[b{n}]]." for n in range(5))
    lead = "[[Went]] to [[Came]] there."
    old = [
        page_xml(1, " ".join((first, second, third, fourth)), "One"),
        page_xml(2, f"{first} Two [[x]] [[y]] here.", "Two"),
        page_xml(3, lead, "Three"),
        page_xml(4, "", "Went", redirect="Old"),
        page_xml(5, "", "Came", redirect="Old"),
        page_xml(6, "Same [[x]] and [[y]].", "Six"),
    ]
    new_pages = [
        page_xml(1, " ".join((new, first, second)), "One"),
        page_xml(2, "", "Two", redirect="One"),
        page_xml(4, "", "Went", redirect="New"),
        page_xml(5, "Came [[x]] and [[z]].", "Came"),
        page_xml(6, "Same [[x]] and [[y]].", "Six"),
    ]
    before = dump(tmp_path / "old.xml", [of_revision(page, 100) for page in old[:5]] + [of_revision(old[5], 300)])
    after = dump(tmp_path / "new.xml", [of_revision(page, 300) for page in new_pages])
    found = []
    for number, dumps in enumerate([(before, after), (after, before)]):
        output = tmp_path / f"out{number}"
        counts = build_corpus(spark, config(*dumps), "en", output)
        check_counts(counts, output)
        assert (counts["pages"], counts["older_revisions"]) == (11, 4)
        assert counts["dropped"] == {"duplicate": 1, "older_revision": 6}
        assert counts["links_dropped"] == {"duplicate": 2, "older_revision": 12}
        found.append([(row["page_id"], row["text"], [a["target"] for a in row["anchors"]]) for row in rows(output)])
    plain = [text.replace("[", "").replace("]", "") for text in (new, first, second)]
    assert [text for page_id, text, _ in found[0] if page_id == 1] == plain
    assert (3, "Went to Came there.", ["New", "Came"]) in found[0]
    assert {page_id for page_id, _, _ in found[0]} == {1, 3, 5, 6}
    assert found[0] == found[1]


def test_errors_are_told_once_and_clearly(spark: Any, tmp_path: Path) -> None:
    good = dump(tmp_path / "good.xml", WIKI)
    cut = tmp_path / "cut.xml.bz2"
    data = bz2.compress(Path(good).read_bytes())
    cut.write_bytes(data[: len(data) // 2])
    bare = dump(tmp_path / "bare.xml", [page_xml(1, "No links.")])
    cases = [
        (config(), "no dump is given"),
        (config(str(tmp_path / "none.bz2")), "does not exist"),
        (config(str(cut)), "truncated"),
        (config(good, good), "given twice"),
        (config(good, max_quarantined_share=0.01), "1 of 11 pages could not be read"),
        (config(bare), "paragraph_too_few_anchors 1"),
    ]
    for bad, message in cases:
        with pytest.raises(UserError, match=message) as raised:
            build_corpus(spark, bad, "en", tmp_path / "out")
        assert raised.value.fix
        assert "Traceback" not in str(raised.value)


def test_a_damaged_stream_costs_its_own_pages(spark: Any, tmp_path: Path) -> None:
    pages = [page_xml(n, f"[[A{n}]] met [[b{n}]] here.", f"T{n}") for n in range(1, 10)]
    streams = [bytearray(bz2.compress(part.encode())) for part in (HEAD.replace('"de"', '"en"'), *pages, TAIL)]
    streams[4][60] ^= 1
    path = tmp_path / "d.xml.bz2"
    path.write_bytes(b"".join(streams))
    for number, (dump, split_bytes) in enumerate([(str(path), 10**9), (path.as_uri(), 500)]):
        output = tmp_path / f"out{number}"
        counts = build_corpus(spark, config(dump, split_bytes=split_bytes), "en", output)
        check_counts(counts, output)
        assert (counts["pages"], counts["quarantined"], counts["damaged_streams"]) == (8, 0, 1)
        assert counts["damaged_bytes"] == len(streams[4]) + 4
        assert [row["page_id"] for row in rows(output)] == [1, 2, 3, 5, 6, 7, 8, 9]
        [row] = pq.read_table(output / "quarantine").to_pylist()
        start = sum(map(len, streams[:4]))
        assert (row["page_id"], row["reason"]) == (-1, "damaged_stream")
        assert row["detail"].startswith(f"bytes {start} to ")
    with pytest.raises(UserError, match="bytes are damaged"):
        build_corpus(spark, config(str(path), max_quarantined_share=0.01), "en", tmp_path / "out")


def test_a_killed_build_goes_on_with_the_missing_splits(spark: Any, tmp_path: Path) -> None:
    """Files of splits that are there are taken as they are, and only they; a change of what decides them drops all."""
    pages = [page_xml(n, f"[[A{n}]] met [[b{n}]] here. [[C{n}]] met [[d{n}]] there.", f"T{n}") for n in range(1, 41)]
    broken = [*pages, page_xml(41, "x", "Broken").replace("<id>41</id>", "<id></id>")]
    path = dump(tmp_path / "d.xml", broken)
    whole = build_corpus(spark, config(path, split_bytes=1000), "en", tmp_path / "whole")
    strict = config(path, split_bytes=1000, max_quarantined_share=0.001)
    out = tmp_path / "out"
    with pytest.raises(UserError, match="1 of 41 pages could not be read"):
        build_corpus(spark, strict, "en", out)
    files = sorted((out / "_tmp").glob("*/rows/[!.]*.parquet"))
    assert len(files) > 5
    for file in files[::2]:
        file.unlink()
    before = {file: file.stat().st_mtime_ns for file in files[1::2]}
    (files[0].parent / ".half-written.parquet").write_bytes(b"PAR1")
    with pytest.raises(UserError, match="1 of 41 pages could not be read"):
        build_corpus(spark, strict, "en", out)
    assert sorted((out / "_tmp").glob("*/rows/[!.]*.parquet")) == files
    assert {file: file.stat().st_mtime_ns for file in files[1::2]} == before
    told: list[tuple[int, int]] = []
    files[-1].unlink()
    resumed = build_corpus(spark, config(path, split_bytes=1000), "en", out, lambda done, of: told.append((done, of)))
    assert (told[0], told[-1]) == ((len(files) - 1, len(files)), (len(files), len(files)))
    assert resumed == whole
    assert rows(out) == rows(tmp_path / "whole")
    assert not (out / "_tmp").exists()
    with pytest.raises(UserError):
        build_corpus(spark, strict, "en", out)
    with pytest.raises(UserError):
        build_corpus(spark, strict.model_copy(update={"min_anchors": 1}), "en", out)
    assert len(list((out / "_tmp").iterdir())) == 1
