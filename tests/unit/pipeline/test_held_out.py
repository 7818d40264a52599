"""The held-out share is bounded: every epoch, every rank reads it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cofee_dist.labels.ledger import read_iteration, to_sentences, write_iteration
from cofee_dist.pipeline.data import HELD_OUT, _hold_out
from cofee_dist.schemas import LabelledSentence
from tests.training import tiny_config

SENTENCES = [LabelledSentence(f"sentence {at}", (), at, 0) for at in range(4000)]


def held_out(folder: Path, most: int) -> set[str]:
    config = tiny_config(folder)
    evaluation = config.evaluation.model_copy(update={"max_held_out_sentences": most})
    write_iteration(folder, 0, SENTENCES)
    number = _hold_out(folder, config.model_copy(update={"evaluation": evaluation}))
    lines = (folder / HELD_OUT).read_text(encoding="utf-8").splitlines()
    found = {json.loads(line)["text"] for line in lines}
    assert len(found) == len(lines) == number
    kept = {sentence.text for sentence in to_sentences(read_iteration(folder, 0))}
    assert kept | found == {sentence.text for sentence in SENTENCES}
    assert not kept & found
    return found


def test_of_many_sentences_about_so_many_are_held_out_and_the_rest_is_trained_on(tmp_path: Path) -> None:
    few, many = held_out(tmp_path / "few", 100), held_out(tmp_path / "many", 20_000)
    # A binomial's mean and four standard deviations.
    assert len(few) == pytest.approx(100, abs=40)
    assert len(many) == pytest.approx(400, abs=76)
    assert few < many
