from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from cofee_dist.report.model_card import front_matter, model_card, write_model_card
from cofee_dist.report.schema import as_report
from tests.unit.report.samples import ALL, bare_report, chinese_report, sample_dict, sample_report, text_report


@pytest.mark.parametrize("name", ALL)
def test_front_matter_is_yaml_and_tables_have_whole_rows(name: str) -> None:
    card = model_card(ALL[name](), "runs/x/model")
    _, front, body = card.split("---\n", 2)
    assert yaml.safe_load(front) == front_matter(ALL[name]())
    block: list[str] = []
    for line in [*body.splitlines(), ""]:
        if line.startswith("|"):
            block.append(line)
        elif block:
            assert len({row.replace("\\|", "").count("|") for row in block}) == 1
            block = []
    assert "None" not in body
    assert "nan" not in body.split()


def test_the_hub_reads_the_scores() -> None:
    from huggingface_hub import ModelCardData
    from huggingface_hub.repocard_data import model_index_to_eval_results

    name, results = model_index_to_eval_results(front_matter(sample_report())["model-index"])
    assert name == "sample-en"
    assert {result.metric_type: result.metric_value for result in results} == {
        "precision": 58.2,
        "recall": 51.4,
        "f1": 54.6,
    }
    assert ModelCardData(**{"language": "en", "model_name": name, "eval_results": results}).to_yaml()


def test_the_card_tells_how_to_use_it_and_where_it_fails() -> None:
    card = model_card(sample_report(), "runs/x/model")
    assert 'SpanExtractor.from_pretrained("runs/x/model")' in card
    assert "9f86d081884c7d65" in card
    assert "weakest type is ORG (48.6 F1)" in card
    assert "Montgomery" in card
    assert "北京" in model_card(chinese_report(), "m")


def test_the_snippet_is_python_that_this_package_has() -> None:
    card = model_card(sample_report(), 'a "quoted" folder\\')
    snippet = card.split("```python\n")[1].split("```")[0]
    compile(snippet, "card", "exec")
    statement = next(line for line in snippet.splitlines() if line.startswith("from "))
    exec(statement)  # the import alone


def test_without_a_test_set_no_score_is_claimed() -> None:
    assert "model-index" not in front_matter(bare_report())
    assert "how well this model does is not known" in model_card(bare_report(), "m")


def test_a_local_encoder_is_no_base_model() -> None:
    made = sample_dict()
    made["run"]["encoder"] = "/models/bert"
    assert "base_model" not in front_matter(as_report(made))


def test_bars_do_not_end_a_cell(tmp_path: Path) -> None:
    made = sample_dict()
    made["run"]["questions"] = {"A|B": "one | two\nthree"}
    path = write_model_card(as_report(made), tmp_path)
    assert path.name == "README.md"
    assert "| A\\|B | one \\| two three |" in path.read_text(encoding="utf-8")


def test_a_card_of_texts_does_not_speak_of_links() -> None:
    card = model_card(text_report(), "m")
    assert "training labels come from word lists matched with texts." in card
    assert "Texts: 9,061 sentences of 5,120 lines." in card
    assert "where the texts name entries of the word lists" in card
    assert "come from Wikipedia's links and from word lists." in model_card(sample_report(), "m")
