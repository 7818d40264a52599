"""A file that is wrong is told before anything runs."""

from __future__ import annotations

import bz2

import fsspec
import pytest

from cofee_dist.config import Tracking
from cofee_dist.config.file import config_from
from cofee_dist.errors import UserError
from cofee_dist.pipeline import run
from cofee_dist.pipeline.inputs import check_inputs, digest_of_input
from cofee_dist.pipeline.progress import RunProgress

DUMP = '<mediawiki xml:lang="en"><siteinfo/></mediawiki>'
RIGHT = {
    "dump.xml.bz2": bz2.compress(DUMP.encode()),
    "PER.txt": b"Ada Lovelace\n",
    "brands.tsv": b"id\tbrand\n1\tIBM\n",
    "validation.conll": b"Ada B-PER\n\n",
    "test.conll": b"Ada B-PER\n\n",
    "truth.jsonl": b"",
    "examples.txt": b"Ada\n",
    "texts.jsonl": b'{"text": "Ada"}\n',
    "zero.json": b"{}",
}


def check(folder, **changed):
    for name, content in RIGHT.items():
        (folder / name).write_bytes(content)
    for name, content in changed.pop("files", {}).items():
        (folder / name).write_bytes(content) if content is not None else (folder / name).unlink()
    brands = folder / "brands.tsv"
    return changed.get("checked", check_inputs)(
        config_from(
            {
                "name": "x",
                "runs": str(folder / "runs"),
                "tracking": {"uri": None},
                "task": {
                    "language": changed.get("language", "en"),
                    "types": {
                        "PER": {"question": "persons", "gazetteers": [str(folder / "PER.txt")]},
                        "ORG": {"question": "brands", "gazetteers": [{"path": str(brands), "column": "brand"}]},
                    },
                },
                "corpus": {
                    "dumps": changed.get("dumps", [str(folder / "dump.xml.bz2")]),
                    "texts": changed.get("texts", [str(folder / "texts.jsonl")]),
                },
                "labels": {"source": changed.get("source", "text")},
                "encoder": {"scratch": {}},
                "engine": {"deepspeed_config": str(folder / "zero.json")},
                "evaluation": {
                    "validation": {"path": str(folder / "validation.conll")},
                    "test": {"path": str(folder / "test.conll")},
                    "truth": str(folder / "truth.jsonl"),
                    "examples": str(folder / "examples.txt"),
                },
            }
        )
    )


def test_what_is_right_passes(tmp_path):
    assert check(tmp_path) == []


@pytest.mark.parametrize("name", RIGHT)
def test_a_missing_file_is_named(tmp_path, name):
    with pytest.raises(UserError) as told:
        check(tmp_path, files={name: None})
    assert name in str(told.value)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("dump.xml.bz2", b"no dump at all", "neither XML nor"),
        ("dump.xml.bz2", bz2.compress(b"<html></html>"), "not a MediaWiki dump"),
        ("PER.txt", b"\n\n", "no entries"),
        ("texts.jsonl", b'{"text": "Ada"}\n{"txt": "Ada"}\n', r"no 'text'[\s\S]*texts\.jsonl:2"),
        ("texts.jsonl", b"caf\xe9\n", r"not UTF-8[\s\S]*texts\.jsonl:1"),
        ("texts.jsonl", b"", "empty"),
        ("brands.tsv", b"id\tname\n1\tIBM\n", "no column 'brand'"),
        ("validation.conll", b"Ada B-GPE\n\n", "GPE"),
        ("test.conll", b"Ada\n\n", "no label in column"),
        ("truth.jsonl", b'{"text": "Ada"}\n', "no list of 'entities'"),
        ("examples.txt", b"caf\xe9\n", r"the file of examples is not UTF-8"),
        ("zero.json", b"\xff\xfe", r"the DeepSpeed config is not UTF-8"),
    ],
)
def test_a_file_that_is_something_else_is_named(tmp_path, name, content, told):
    with pytest.raises(UserError, match=told) as error:
        check(tmp_path, files={name: content})
    assert name in str(error.value)


def never(*given):
    raise AssertionError("the corpus stage began")


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [("PER.txt", None, "cannot read the gazetteer"), ("PER.txt", b"\n", "no entries"),
     ("validation.conll", None, "the validation file does not exist")],
)  # fmt: skip
def test_a_corpus_alone_wants_its_gazetteers_first(tmp_path, monkeypatch, name, content, told):
    monkeypatch.setattr(run, "_data", never)
    with pytest.raises(UserError, match=told):
        check(tmp_path, files={name: content}, checked=lambda config: run.build_corpus(config, RunProgress()))


@pytest.mark.parametrize("below", ["/proc/nothing", "a_file", "a_file/runs"])
def test_a_folder_that_cannot_be_written_is_told(tmp_path, below):
    (tmp_path / "a_file").write_text("")
    config = check(tmp_path, checked=lambda config: config)
    config = config.model_copy(update={"runs": str(tmp_path / below)})
    for uri in ("sqlite", None):
        tracked = config.model_copy(update={"tracking": Tracking(uri=uri)})
        with pytest.raises(UserError, match=r"the run's folder cannot be written[\s\S]*--set runs=FOLDER"):
            run.build_corpus(tracked, RunProgress())


def test_a_dump_in_another_language_is_odd(tmp_path):
    assert check(tmp_path, language="en-gb") == []
    (odd,) = check(tmp_path, language="zh")
    assert "dump.xml.bz2 is in en, but task.language is zh" in odd


def test_no_dump_is_told_with_the_setting(tmp_path):
    with pytest.raises(UserError, match=r"corpus\.dumps"):
        check(tmp_path, dumps=[], texts=[], source="anchors")


def test_labels_come_from_what_is_given(tmp_path):
    check(tmp_path, dumps=[])
    check(tmp_path, texts=[], source="anchors")
    with pytest.raises(UserError, match=r"no text to read, though labels\.source is text[\s\S]*corpus\.texts"):
        check(tmp_path, texts=[])
    with pytest.raises(UserError, match=r"corpus\.texts[\s\S]*labels\.source=text"):
        check(tmp_path, source="anchors")


def test_a_dump_may_be_a_url(tmp_path):
    memory = fsspec.filesystem("memory")
    memory.pipe("/inputs/dump.xml.bz2", RIGHT["dump.xml.bz2"])
    check(tmp_path, dumps=["memory://inputs/dump.xml.bz2"])
    check(tmp_path, dumps=[(tmp_path / "dump.xml.bz2").as_uri()])
    with pytest.raises(UserError, match=r"does not exist[\s\S]*memory://inputs/none"):
        check(tmp_path, dumps=["memory://inputs/none"])


def test_the_digest_of_a_dump(tmp_path):
    memory = fsspec.filesystem("memory")
    memory.pipe("/inputs/dump", b"one")
    path = tmp_path / "dump"
    path.write_bytes(b"one")
    assert digest_of_input(path.as_uri(), "the dump") == digest_of_input(str(path), "the dump")
    before = digest_of_input("memory://inputs/dump", "the dump")
    memory.pipe("/inputs/dump", b"two")
    assert digest_of_input("memory://inputs/dump", "the dump") != before
    for missing in ("memory://inputs/none", str(tmp_path / "none")):
        with pytest.raises(UserError, match="the dump does not exist"):
            digest_of_input(missing, "the dump")
