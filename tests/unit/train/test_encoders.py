"""Every family of encoders from its hub folder through ESI, NEE with a picking, and FET, to entities of a text."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from cofee_dist.batches.collate import collate
from cofee_dist.batches.dataset import build_dataset
from cofee_dist.config import Esi, Fet, Nee
from cofee_dist.labels.ledger import iterations
from cofee_dist.model.span_extractor import SpanExtractor
from cofee_dist.train.metrics import read_metrics
from cofee_dist.train.worker import run_stage
from tests.families import FAMILIES, MAX_LENGTH, save_encoder
from tests.training import PERSONS, PLACES, made_up, make_job

QUESTIONS = {"PER": "Find persons", "LOC": "Find places"}
_PICKING: dict[str, Any] = {"picking": "union", "picking_threshold": 0.3, "epochs_before_picking": 6}
STAGES = {
    "esi": Esi(epochs=6, learning_rate=1e-2, min_anchors=1),
    "nee": Nee(epochs=10, learning_rate=1e-2, epochs_between_picking=2, patience=6, **_PICKING),
    "fet": Fet(epochs=2, learning_rate=3e-3, clusters=4, cluster_loss_weight=0.5),
}


def losses_of(folder: Path) -> list[float]:
    return [line["loss"] for line in read_metrics(folder / "metrics.jsonl") if "loss" in line]


@pytest.fixture(scope="module", params=FAMILIES)
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A folder with ``base`` and a folder of each stage, and what the stages told."""
    folder = tmp_path_factory.mktemp(request.param)
    encoder = save_encoder(request.param, folder / "encoder")
    SpanExtractor.from_encoder(encoder, QUESTIONS, "Find Entities", MAX_LENGTH).save_pretrained(folder / "base")
    told: dict[str, dict[str, Any]] = {}
    init_model = folder / "base"
    for stage, settings in STAGES.items():
        job = replace(make_job(folder / stage, stage), init_model=init_model, settings=settings)
        if stage == "fet":
            ledger = folder / "nee" / "nee" / "labels"
            job = replace(job, data=ledger, iteration=told["nee"]["best_iteration"])
        told[stage], init_model = run_stage(job), job.folder / "model"
    return folder, told


def test_every_stage_learns(trained: tuple[Path, dict[str, Any]]) -> None:
    folder, told = trained
    for stage in ("esi", "nee"):
        losses = losses_of(folder / stage / stage)
        assert losses[-1] < 0.7 * losses[0], stage
    # Before the picking few names are found: a third of the labels is missing, in the validation too.
    assert told["esi"]["validation_f1"] > 0.2
    assert told["nee"]["validation_f1"] > 0.5
    assert told["fet"]["history"][-1]["validation_f1"] > 0.5
    assert told["fet"]["entities"] > 60
    assert iterations(folder / "nee" / "nee" / "labels")[-1] >= 2
    assert {told[stage]["dropped_entities"]["inside a piece"] for stage in STAGES} == {0}


def test_predictions_are_the_names_in_the_text(trained: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = trained
    model = SpanExtractor.from_pretrained(folder / "fet" / "fet" / "model")
    texts = [sentence.text for sentence in made_up(30, seed=5)]
    found = model.predict(texts)
    for text, entities in zip(texts, found, strict=True):
        assert all(entity.text == text[entity.start : entity.end] for entity in entities)
    surfaces = {kind: [entity.text for row in found for entity in row if entity.type == kind] for kind in QUESTIONS}
    for kind, names in (("PER", PERSONS), ("LOC", PLACES)):
        right = [surface for surface in surfaces[kind] if surface in names]
        assert len(right) > 0.8 * len(surfaces[kind]), surfaces[kind]
        assert len(right) > 0.5 * len(texts), surfaces[kind]


def test_what_is_saved_scores_as_before(trained: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    folder, _ = trained
    model = SpanExtractor.from_pretrained(folder / "fet" / "fet" / "model")
    model.save_pretrained(tmp_path)
    read = SpanExtractor.from_pretrained(tmp_path)
    batch = collate(build_dataset(model.tokenizer, made_up(8), QUESTIONS, MAX_LENGTH), torch.arange(16).numpy())
    given = batch.input_ids_bt, batch.attention_mask_bt, batch.token_type_ids_bt
    with torch.no_grad():
        before, after = model(*given), read(*given)
    assert torch.equal(before.start_logits_bt2, after.start_logits_bt2)
    assert torch.equal(before.end_logits_bt2, after.end_logits_bt2)
    assert model.cluster_head is not None
    assert read.cluster_head is not None
    assert torch.equal(model.cluster_head.weight, read.cluster_head.weight)


def test_padding_changes_nothing(trained: tuple[Path, dict[str, Any]]) -> None:
    model = SpanExtractor.from_pretrained(trained[0] / "base")
    sentences = [*made_up(1), replace(made_up(1)[0], text="In Cambridge Charles Babbage built engines . " * 3)]
    data = build_dataset(model.tokenizer, sentences, QUESTIONS, MAX_LENGTH)
    alone, padded = (collate(data, torch.tensor(examples).numpy()) for examples in ([0], [0, 2]))
    width = alone.input_ids_bt.shape[1]
    assert padded.input_ids_bt.shape[1] > width
    assert (padded.input_ids_bt[0, width:] == model.tokenizer.pad_token_id).all()
    with torch.no_grad():
        one, two = (model(b.input_ids_bt, b.attention_mask_bt, b.token_type_ids_bt) for b in (alone, padded))
    torch.testing.assert_close(two.start_logits_bt2[:1, :width], one.start_logits_bt2, rtol=1e-4, atol=1e-5)
