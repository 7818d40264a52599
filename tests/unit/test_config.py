"""One frozen tree: an unknown key is an error, every shipped file loads, every field is read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from cofee_dist import config_file
from cofee_dist.config import Config, Corpus
from cofee_dist.config_file import config_from, dump_yaml, load_config
from cofee_dist.config_gazetteer import GazetteerFile
from cofee_dist.config_tree import Tree
from cofee_dist.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
MINIMAL = {
    "name": "x",
    "task": {"types": {"PER": {"question": "persons", "gazetteers": ["PER.txt"]}}},
    "encoder": {"name": "some-encoder"},
}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(MINIMAL))
    return path


@pytest.mark.parametrize("path", sorted(ROOT.glob("pipelines/configs/*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_config_loads(path, monkeypatch):
    monkeypatch.setenv("COFEE_DATA", "/data")
    loaded = load_config(path)
    assert loaded.evaluation.test.path.startswith("/data/")
    assert config_from(yaml.safe_load(dump_yaml(loaded))) == loaded


def nodes(model: type[BaseModel] = Config) -> set[type[BaseModel]]:
    found = {model}
    for field in model.model_fields.values():
        for child in config_file._models_in(field.annotation):
            found |= nodes(child)
    return found


def test_every_field_is_read_somewhere():
    sources = [path for path in (ROOT / "cofee_dist").rglob("*.py") if path.name != "config.py"]
    code = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    unread = [
        f"{node.__name__}.{name}"
        for node in nodes()
        for name in node.model_fields
        if not re.search(rf"\.{name}\b", code + (ROOT / "cofee_dist/config.py").read_text(encoding="utf-8"))
    ]
    assert not unread


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("corpus.min_anchor=3", "corpus.min_anchor: unknown key; did you mean 'min_anchors'"),
        ("stages.nee.epoch=3", "did you mean 'epochs'"),
        ("task.types.PER.questions=x", "did you mean 'question'"),
        ("zzz=1", "known here:"),
        ("task.types.PER.gazetteers=[{path: a, colum: x}]", "gazetteers.0.colum: unknown key; did you mean 'column'"),
        ("task.types.PER.gazetteers=[3]", "task.types.PER.gazetteers.0"),
        ("task.types.PER.gazetteers=[{path: a, encoding: latin-eins}]", "unknown encoding: latin-eins"),
        ("task.types.PER.gazetteers=[{path: a, encoding: hex}]", "not a text encoding"),
        ("task.types.PER.gazetteers=[{path: a.txt, column: name}]", "a list of format lines has no 'column'"),
        ("task.types.PER.gazetteers=[{path: a.dic.gz, header: true}]", "a list of format sogou has no 'header'"),
        ("task.types.PER.gazetteers=[{path: a.jsonl, header: true}]", "JSONL has no 'header'"),
        ("task.types.PER.gazetteers=[{path: a.jsonl, aliases: 1}]", "'aliases' is the name of a field"),
        ("task.types.PER.gazetteers=[{path: a.csv, header: false, aliases: x}]", "without a header 'aliases' is"),
        ("labels.chinese=mandarin", "'none', 'simplified' or 'traditional'"),
        ("corpus.min_anchors=0", "corpus.min_anchors: Input should be greater than 0"),
        ("stages.nee.picking=both", "'replace', 'union' or 'none'"),
        ("name=a/b", "name: String should match pattern"),
        ("encoder.scratch={}", "either 'name'"),
        ("task.types={}", "task.types"),
        ("seed", "key=value"),
        ("name.x=1", "'name' is a value"),
        ("corpus.dumps=[a", "not a YAML value"),
    ],
)
def test_a_mistake_names_the_place_and_what_to_do(file, override, told):
    with pytest.raises(UserError, match=re.escape(told)):
        load_config(file, [override])


def test_a_gazetteer_is_a_path_or_says_how_to_read_it(file):
    settings = "{path: b.tsv, column: 1, aliases: aka}"
    first, second = load_config(file, [f"task.types.PER.gazetteers=[PER.txt, {settings}]"]).task.types["PER"].gazetteers
    assert first == GazetteerFile(path="PER.txt")
    assert (second.path, second.column, second.aliases, second.encoding) == ("b.tsv", 1, "aka", "utf-8")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("x.txt", "lines"),
        ("x", "lines"),
        ("x.TSV", "tsv"),
        ("x.csv.gz", "csv"),
        ("x.jsonl.bz2", "jsonl"),
        ("x.dic", "sogou"),
    ],
)
def test_a_gazetteers_name_tells_its_format(name, kind):
    assert GazetteerFile(path=name).kind == kind
    assert GazetteerFile(path=name, format="csv").kind == "csv"


def test_numbers_in_scientific_notation_are_numbers(file):
    file.write_text(file.read_text() + "stages: {nee: {learning_rate: 1e-5}}\n")
    assert load_config(file).stages.nee.learning_rate == 1e-5
    assert load_config(file, ["stages.fet.learning_rate=3E-4"]).stages.fet.learning_rate == 3e-4


def test_environment_variables_stand_for_their_values(file, monkeypatch):
    monkeypatch.delenv("COFEE_TEST", raising=False)
    with pytest.raises(UserError, match="COFEE_TEST, which is not set"):
        load_config(file, ["runs=${COFEE_TEST}/runs"])
    monkeypatch.setenv("COFEE_TEST", "/somewhere")
    assert load_config(file, ["runs=${COFEE_TEST}/runs"]).runs == "/somewhere/runs"


@pytest.mark.parametrize("text", ["- a\n- b\n", "a: [", ""])
def test_a_file_that_is_no_config(tmp_path, text):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(UserError):
        load_config(path)
    with pytest.raises(UserError, match="cannot read the config"):
        load_config(tmp_path / "missing.yaml")


def test_the_tree_is_frozen():
    loaded = config_from(MINIMAL)
    assert isinstance(loaded, Tree)
    with pytest.raises(Exception, match="frozen"):
        loaded.seed = 3


def test_inline_templates_are_numbers_or_more():
    corpus = Corpus.model_validate({"inline_templates": {"a": 2, "b": {"link": True, "shown": 3}, "c": ["text", 1]}})
    assert [(one.parameter, one.link, one.shown) for one in corpus.inline_templates.values()] == [
        ((2,), False, ()),
        ((1,), True, (3,)),
        (("text", 1), False, ()),
    ]
    with pytest.raises(ValueError, match="greater than or equal to -1"):
        Corpus.model_validate({"inline_templates": {"a": -2}})


def test_several_workers_want_deepspeed(file):
    with pytest.raises(UserError, match=r"engine: the torch engine trains in one process; .* deepspeed"):
        load_config(file, ["engine.workers=2"])
    assert load_config(file, ["engine.workers=2", "engine.name=deepspeed"]).engine.workers == 2


def test_an_elastic_group_is_between_two_numbers(file):
    elastic = load_config(file, ["engine.name=deepspeed", "engine.workers=4", "engine.min_workers=2"]).engine
    assert (elastic.min_workers, elastic.workers) == (2, 4)
    for workers in (0, 2):
        with pytest.raises(UserError, match=rf"engine: min_workers \(3\) is more than workers \({workers}\)"):
            load_config(file, ["engine.name=deepspeed", f"engine.workers={workers}", "engine.min_workers=3"])
