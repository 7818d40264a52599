"""The peers do what ours does, on the very inputs that the claims are about, and both benchmarks run to their end."""

from __future__ import annotations

import argparse
import json
import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks import gpu, training
from benchmarks.training_input import fitting, make_model, sentences_of
from benchmarks.training_systems import (
    BareLoop,
    Embedding,
    Extraction,
    HuggingFaceTrainer,
    OurLoop,
    Work,
    padded_batches,
    same_batches,
)
from cofee_dist.batches.order import plan_epoch
from cofee_dist.config import Engine


@pytest.fixture(scope="module")
def work() -> Work:
    sentences = sentences_of(None, "nee", min_anchors=1, made_up=60)
    model = make_model(None, "tiny", [one.text for one in sentences], "nee", 150)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    model.encoder.config.attention_probs_dropout_prob = 0.0
    dataset, kept = fitting(model, sentences, "nee", 150)
    assert len(kept) < len(sentences), "one of the made-up ones is as long as an input may be, without the question"
    config = Engine(device="cpu", batch_tokens=1500, micro_batch_tokens=600)
    plan = plan_epoch(dataset.input_lengths, config.batch_tokens, 0, 0)
    return Work(model, dataset, tuple(plan.step(at) for at in range(3)), config)


@pytest.mark.parametrize("batches", [same_batches, lambda work: padded_batches(work, 150)], ids=["same", "padded"])
def test_a_bare_loop_makes_our_loops_updates(work: Work, batches: Any) -> None:
    ours, bare = OurLoop(work), BareLoop(work, batches(work))
    runs = [ours.run(), bare.run()]
    assert runs[0].tokens == runs[1].tokens == work.tokens
    for name, value in ours.engine.full_state().items():
        torch.testing.assert_close(bare.model.state_dict()[name], value, rtol=1e-4, atol=1e-6)
    before = work.model.state_dict()["start_head.weight"]
    assert not torch.equal(ours.engine.full_state()["start_head.weight"], before)


def test_padded_inputs_are_all_as_long_and_hold_the_same(work: Work) -> None:
    padded, same = (
        np.concatenate([batch.examples_b for step in of for batch in step])
        for of in (padded_batches(work, 150), same_batches(work))
    )
    assert sorted(padded) == sorted(same)
    for step in padded_batches(work, 150):
        assert {batch.input_ids_bt.shape[1] for batch in step} == {150}
        assert all(batch.input_ids_bt.numel() <= 600 for batch in step)


@pytest.mark.parametrize("grouped", [False, True])
def test_the_trainer_goes_through_as_many_examples(work: Work, grouped: bool) -> None:
    pytest.importorskip("accelerate", reason="the Trainer wants accelerate (pip install '.[bench]')")
    trainer = HuggingFaceTrainer(work, grouped)
    before = trainer.model.model.state_dict()["start_head.weight"].clone()
    run = trainer.run()
    assert run.seconds > 0
    assert run.tokens == sum(len(one["input_ids_bt"]) for one in trainer.data)
    examples = sum(len(step) for step in work.steps)
    assert len(trainer.data) == pytest.approx(examples, abs=len(work.steps) * trainer.micro_batches)
    assert not torch.equal(trainer.model.model.state_dict()["start_head.weight"], before)


def test_bare_forward_passes_read_the_same_inputs(work: Work) -> None:
    whole = replace(work, steps=())
    for system in (Extraction(whole), Embedding(whole)):
        assert system.run().tokens == system.bare.run().tokens
    lengths = work.dataset.input_lengths
    assert Extraction(whole).bare.tokens == lengths.sum()
    assert Embedding(whole).bare.tokens == lengths[work.dataset.entity_counts > 0].sum()


def test_extraction_finds_about_as_many_starts_as_there_are_labels(work: Work) -> None:
    extraction = Extraction(replace(work, steps=()))
    starts = 0
    with torch.inference_mode():
        for inputs in extraction.bare.batches:
            output = extraction.model.eval()(inputs.input_ids_bt, inputs.attention_mask_bt, inputs.token_type_ids_bt)
            above = output.start_logits_bt2.softmax(-1)[..., 1] > extraction.threshold
            starts += int((above & inputs.positions_bt).sum())
    assert starts == pytest.approx(len(work.dataset.first), rel=0.05)


def test_the_benchmark_of_training_tells_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("accelerate", reason="the Trainer wants accelerate (pip install '.[bench]')")
    text = tmp_path / "text.txt"
    text.write_text("Ada Lovelace lived in London .\nIn Paris Charles Babbage built engines .\n" * 30)
    monkeypatch.setattr(training, "OUT", tmp_path)
    options = ["--tiny", "--steps", "2", "--runs", "1", "--device", "cpu", "--batch-tokens", "200"]
    monkeypatch.setattr(sys, "argv", ["training", str(text), *options])
    training.main()
    found = json.loads((tmp_path / "training.json").read_text())
    assert found["input"]["sentences"] == 60
    assert all(math.isfinite(claim["value"]) for claim in found["goals"])
    assert {claim["met"] for claim in found["goals"]} <= {True, False, None}
    assert 0 <= found["padding"]["training, 1 rank"] < 0.2


def test_the_benchmark_of_a_gpu_runs_on_a_cpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(gpu, "OUT", tmp_path)
    options = ["--device", "cpu", "--tiny", "--sizes", "300", "600", "--compile", "off"]
    monkeypatch.setattr(sys, "argv", ["gpu", *options, "--steps", "2", "--runs", "1", "--made-up", "100"])
    gpu.main()
    found = json.loads((tmp_path / "gpu.json").read_text())
    rows = {(row["attention"], row["batch_tokens"]): row for row in found["training"]}
    assert set(rows) == {("eager", 300), ("eager", 600), ("sdpa", 300), ("sdpa", 600), ("flash_attention_2", 300)}
    assert "wants a GPU" in rows["flash_attention_2", 300]["failed"]
    assert all(row["tokens_per_second"] > 0 for row in rows.values() if "failed" not in row)
    assert [row["precision"] for row in found["precision"]] == ["fp32", "bf16"]
    assert [row["what"] for row in found["against bare passes"]] == ["loop", "extraction", "embedding"]
    assert all(row["of the bare pass"] > 0 for row in found["against bare passes"])
    ours, peer = found["k-means"]
    assert ours["objective"] == pytest.approx(peer["objective"], rel=0.01)


def test_k_means_that_fails_on_a_gpu_is_told_and_the_rest_goes_on() -> None:
    arguments = argparse.Namespace(device="cpu", tiny=True, runs=2)
    bench = gpu.Bench(None, None, arguments)  # type: ignore[arg-type]
    bench.device = torch.device("cuda")
    bench._free = lambda: None  # type: ignore[method-assign]
    rows = {row["what"]: row for row in bench.kmeans()}
    assert list(rows) == ["ours, CPU", "scikit-learn", "ours, GPU", "faiss.Kmeans, GPU"]
    assert all("not faiss-gpu" in rows[name]["failed"] for name in ("ours, GPU", "faiss.Kmeans, GPU"))
    shares = [{"what": name, "of the bare pass": 1.0} for name in ("loop", "extraction", "embedding")]
    found = {"against bare passes": shares, "k-means": list(rows.values()), "training": []}
    assert gpu.goals(found)[-1]["value"] is None
    found["k-means"].append({"what": "ours, GPU", "seconds": rows["ours, CPU"]["seconds"] / 25})
    assert gpu.goals(found)[-1]["met"] is True


def test_without_a_gpu_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["gpu"])
    with pytest.raises(SystemExit, match="torch sees no GPU"):
        gpu.main()
