"""One frozen tree: an unknown key is an error, every shipped file loads, every field is read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from cofee_dist.config import Config, Corpus
from cofee_dist.config import file as config_file
from cofee_dist.config.file import config_from, dump_yaml, load_config
from cofee_dist.config.gazetteer import GazetteerFile
from cofee_dist.config.tree import Tree
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
    lines = [line for path in (ROOT / "cofee_dist").rglob("*.py") for line in path.read_text("utf-8").splitlines()]
    # The names of modules (cofee_dist.config.language) are not fields that are read.
    code = "\n".join(line for line in lines if not line.lstrip().startswith(("from ", "import ")))
    unread = [
        f"{node.__name__}.{name}"
        for node in nodes()
        for name in node.model_fields
        if not re.search(rf"\.{name}\b", code)
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
        ("task.types.PER.gazetteers=[{path: a.json, delimiter: x}]", "JSON has no 'delimiter'"),
        ("task.types.PER.gazetteers=[{path: a.txt, delimiter: x}]", "a list of format lines has no 'delimiter'"),
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
        ("corpus={dumps: a, dumps: b}", "'dumps' is given twice"),
        ("encoder={scratch: {hidden_size: 32, heads: 3}}", "hidden_size (32) must be a multiple of heads (3)"),
        ("name=7", "valid string; write it in quotes (got 7)"),
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
        ("x.json", "json"),
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


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"- a\n- b\n", "must be a mapping"),
        (b"", "is empty"),
        (b"a: 1\nb: [", r"not valid YAML: .*\n.*bad.yaml:2"),
        (b"a:\n\tb: 1\n", r"bad.yaml:2\n.*with spaces: YAML forbids tabs"),
        (b"a: 1\nb: {c: 1,\n  d: 2, c: 3}\n", r"'c' is given twice, first in line 2\n.*bad.yaml:3\n.*keep one"),
        ("a: 1\nname: 北京\n".encode("gbk"), r"not UTF-8\n.*bad.yaml:2\n.*save it as UTF-8"),
        ("name: x".encode("utf-16-le"), r"zero bytes.*\n.*bad.yaml\n.*save it as UTF-8"),
        ("name: x".encode("utf-16")[:-1], r"not UTF-16\n.*bad.yaml\n.*save it as UTF-8"),
        (b"a: \x01", r"not valid YAML: .*\n.*bad.yaml:1"),
    ],
)
def test_a_file_that_is_no_config(tmp_path, content, told):
    path = tmp_path / "bad.yaml"
    path.write_bytes(content)
    with pytest.raises(UserError, match=told) as error:
        load_config(path)
    assert error.value.fix


def test_a_config_that_cannot_be_read_says_what_to_do(tmp_path):
    with pytest.raises(UserError, match=r"cannot read the config: No such file[\s\S]*to do: correct the path"):
        load_config(tmp_path / "missing.yaml")
    with pytest.raises(UserError, match=r"cannot read the config: Is a directory[\s\S]*to do: give the YAML file"):
        load_config(tmp_path)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_configs_in_the_encodings_of_windows(file, encoding):
    text = file.read_text(encoding="utf-8").replace("persons", "找出人名").replace("\n", "\r\n")
    file.write_bytes(text.encode(encoding))
    assert load_config(file).task.types["PER"].question == "找出人名"


def test_what_is_merged_may_be_given_again(file):
    file.write_text(file.read_text() + "stages: {nee: {epochs: 2, patience: 3}, esi: {<<: {epochs: 4}, epochs: 6}}\n")
    stages = load_config(file).stages
    assert (stages.nee.epochs, stages.esi.epochs) == (2, 6)


def test_one_of_a_list_needs_no_brackets(file):
    loaded = load_config(file, ["corpus.dumps=a.bz2", "corpus.texts=b.txt", "task.types.PER.gazetteers=c.txt"])
    assert (loaded.corpus.dumps, loaded.corpus.texts) == (("a.bz2",), ("b.txt",))
    assert loaded.task.types["PER"].gazetteers == (GazetteerFile(path="c.txt"),)
    named = load_config(file, ["task.types.PER.gazetteers={path: c.tsv, column: 2}"]).task.types["PER"].gazetteers
    assert named == (GazetteerFile(path="c.tsv", column=2),)
    with pytest.raises(UserError, match=r"corpus\.dumps: Input should be a valid tuple"):
        load_config(file, ["corpus.dumps=3"])


@pytest.mark.parametrize(
    ("written", "code"),
    [("ZH", "zh"), ("zh_CN", "zh-cn"), (" en ", "en"), ("zh-Hant", "zh-hant"), ("yue", "yue"), ("no", "no"),
     ("zh-min-nan", "zh-min-nan")],
)  # fmt: skip
def test_a_language_is_a_code_in_one_spelling(file, written, code):
    assert load_config(file, [f"task.language={written}"]).task.language == code


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("english", "'en'"),
        ("Chinese", "'zh'"),
        ("simple", "'en'"),
        ("Germna", "'de'"),
        ("zho", "'zh'"),
        ("中文", "'zh'"),
        ("''", "such as en"),
        ("klingonese", "such as en"),
        ("e", "such as en"),
        ("en us", "such as en"),
    ],
)
def test_a_language_that_is_no_code(file, written, told):
    with pytest.raises(UserError, match=rf"task\.language: a language is given by its code.*{told}"):
        load_config(file, [f"task.language={written}"])


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
