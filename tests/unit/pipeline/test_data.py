"""What makes a finished stage of texts another one."""

from __future__ import annotations

from typing import Any

import pytest

from cofee_dist.artifacts import fingerprint
from cofee_dist.config import Config
from cofee_dist.config.file import config_from
from cofee_dist.pipeline.data import settings_of_texts


def config(language: str = "en", **corpus: Any) -> Config:
    types = {"PER": {"question": "persons", "gazetteers": ["PER.txt"]}}
    given = {"name": "x", "task": {"language": language, "types": types}, "encoder": {"scratch": {}}}
    return config_from({**given, "corpus": {"texts": ["a.txt", "b.txt"], **corpus}})


@pytest.mark.parametrize(
    "changed",
    [
        {"min_sentence_length": 4},
        {"max_sentence_length": 100},
        {"max_sentences": 10},
        {"overlong_sentences": "split"},
        {"sentence_splitter": "full_stops"},
        {"sentence_length_unit": "characters"},
        {"texts": ["b.txt", "a.txt"]},
        {"language": "de"},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_what_decides_which_sentences_are_kept_makes_another_stage(changed: dict[str, Any]) -> None:
    assert fingerprint(settings_of_texts(config(**changed))) != fingerprint(settings_of_texts(config()))


@pytest.mark.parametrize("changed", [{"min_anchors": 1}, {"split_bytes": 1000}, {"tables": "cells"}])
def test_what_does_not_concern_texts_leaves_it_as_it_is(changed: dict[str, Any]) -> None:
    assert fingerprint(settings_of_texts(config(**changed))) == fingerprint(settings_of_texts(config()))
