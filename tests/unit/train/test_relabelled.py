"""Training takes the labels that the ledger has now, not those that an iteration of that number once had."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from cofee_dist.config import Nee
from cofee_dist.labels.blocks import IterationBlocks
from cofee_dist.labels.ledger import from_sentences, read_blocks, write_iteration
from cofee_dist.schemas import LabelledSentence
from cofee_dist.train.examples import Examples
from cofee_dist.train.stage_nee import LEDGER, NeePolicy
from tests.encoders import wordpiece_tokenizer
from tests.training import made_up

TYPES = {"PER": "Find persons", "LOC": "Find places"}


def policy_of(folder: Path) -> NeePolicy:
    sentences = partial(read_blocks, folder / LEDGER, 0)
    examples = Examples(folder / "examples", 0, wordpiece_tokenizer(), TYPES, 64, sentences)
    unused: Any = None
    return NeePolicy("nee", unused, unused, Nee(), examples, unused, unused, folder)


def relabel(ledger: Path, made_by: str, sentences: list[LabelledSentence]) -> None:
    blocks = IterationBlocks(ledger, 1, made_by)
    blocks.begin()
    blocks.write(0, from_sentences(sentences))
    blocks.finish()


def test_an_iteration_made_anew_is_aligned_anew(tmp_path: Path) -> None:
    weak = made_up(30)
    without = [LabelledSentence(one.text, (), one.page_id, one.sentence_index) for one in weak]
    write_iteration(tmp_path / LEDGER, 0, weak)
    policy = policy_of(tmp_path)
    policy.restore({"iteration": 1})
    relabel(tmp_path / LEDGER, "a" * 16, weak)
    before = policy.dataset(1)
    assert len(before.first) == sum(len(one.entities) for one in weak) > 0
    relabel(tmp_path / LEDGER, "b" * 16, without)
    assert len(policy.dataset(1).first) == 0
    # A process that takes the stage up sees the same.
    again = policy_of(tmp_path)
    again.restore({"iteration": 1})
    assert len(again.dataset(1).first) == 0


def test_the_same_model_s_labels_are_aligned_once(tmp_path: Path) -> None:
    write_iteration(tmp_path / LEDGER, 0, made_up(30))
    policy = policy_of(tmp_path)
    first = policy.dataset(0)
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "examples").rglob("*")}
    second = policy_of(tmp_path).dataset(0)
    assert np.array_equal(first.splits, second.splits)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "examples").rglob("*")} == written
