"""Disambiguation pages: known as MediaWiki knows them, counted, and skipped or kept by config."""

from __future__ import annotations

import pytest

from cofee_dist.config import Corpus
from cofee_dist.corpus.articles import ArticleReader
from cofee_dist.corpus.dump import Page
from cofee_dist.corpus.sentences import SentenceRules
from cofee_dist.corpus.titles import site_info
from cofee_dist.corpus.wikitext import Renderer

LIST = "'''Alien''' may be\n* [[Alien (film)|Alien]], a [[film]]\n"


@pytest.mark.parametrize(
    ("language", "mark"),
    [
        ("en", "{{disambig}}"),
        ("en", "{{Disambiguation|geo|surname}}"),
        ("en", "{{ Hndis |Ada}}"),
        ("en", "{{human_name disambiguation}}"),
        ("en", "__DISAMBIG__"),
        ("de", "{{Begriffsklärung}}"),
        ("de", "__BEGRIFFSKLÄRUNG__"),
        ("fr", "{{Homonymie}}"),
        ("fr", "__HOMONYMIE__"),
        ("es", "{{desambiguación}}"),
        ("it", "{{Disambigua}}"),
        ("ru", "{{неоднозначность}}"),
        ("bg", "{{Пояснение}}"),
        ("zh", "{{消歧义}}"),
        ("zh-yue", "{{搞清楚}}"),
        ("ja", "{{Aimai}}"),
        ("ko", "{{동음이의}}"),
        ("he", "{{פירושונים}}"),
    ],
)
def test_marks_of_languages(language: str, mark: str) -> None:
    document = Renderer(site_info(language)).render(LIST + mark)
    assert document.is_disambiguation
    assert document.text == "Alien may be\nAlien, a film"


@pytest.mark.parametrize(
    "text",
    ["", "{{other uses}}", "<nowiki>{{disambig}} __DISAMBIG__</nowiki>", "<!-- {{disambig}} -->", "{{消歧义}}",
     "{{about||x|Alien (disambiguation)}}", "__disambig__", "{{t|{{disambig}}}}"],
)  # fmt: skip
def test_what_marks_no_page(text: str) -> None:
    assert not Renderer(site_info("en")).render(LIST + text).is_disambiguation


def read(text: str, **config: object) -> tuple[list[str], dict[str, int]]:
    reader = ArticleReader(site_info("en"), SentenceRules("en", 1, 1, 100), Corpus.model_validate(config))
    found = reader.read(Page(1, 1, 0, "Alien", None, text))
    return [sentence.text for sentence in found.sentences], dict(reader.counts)


def test_by_default_they_give_no_sentence() -> None:
    kept, counts = read(LIST + "{{disambig}}")
    assert kept == []
    assert counts == {
        "pages": 1,
        "articles": 1,
        "disambiguation_pages": 1,
        "links": 2,
        "links_dropped.disambiguation_page": 2,
    }


def test_a_config_keeps_them_and_counts_them_still() -> None:
    kept, counts = read(LIST + "{{disambig}}", disambiguation_pages="keep")
    assert kept == ["Alien, a film"]
    assert (counts["disambiguation_pages"], counts["links"], counts["links_kept"]) == (1, 2, 2)


def test_a_config_adds_templates_and_takes_some_away() -> None:
    assert read(LIST + "{{My_Namesakes|x}}", disambiguation_templates=["my namesakes"])[0] == []
    assert read(LIST + "{{disambig}}", inline_templates={"disambig": 0})[0] == ["Alien, a film"]
