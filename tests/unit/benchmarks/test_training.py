"""The peers do what ours does, on the very inputs that the claims are about, and both benchmarks run to their end."""

from __future__ import annotations

import argparse
import copy
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
from benchmarks.training_input import SHAPES, fitting, make_model, sentences_of, shape_of
from benchmarks.training_stages import BareDeepSpeed, OurLoopOnDeepSpeed, Picking
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
from cofee_dist.labels.ledger import read_blocks, to_sentences
from cofee_dist.labels.picking import pick
from cofee_dist.model.predict import extract_spans
from cofee_dist.schemas import Entity, LabelledSentence
from cofee_dist.train.stage_nee import LEDGER


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


def test_all_systems_run_the_encoder_as_asked(work: Work, tmp_path: Path) -> None:
    pytest.importorskip("accelerate", reason="the Trainer wants accelerate (pip install '.[bench]')")
    sentences = sentences_of(None, "nee", min_anchors=1, made_up=60)
    config = work.config.model_copy(update={"attention": "eager"})
    own = training.work_of(copy.deepcopy(work.model), work.dataset, config, 2)
    assert len(own.steps) == 2
    _, kept = fitting(work.model, sentences, "nee", 150)
    found = training.systems(own, kept, tmp_path)
    assert len(found) == 10
    for name, system in found.items():
        models = [value for value in vars(system).values() if isinstance(value, torch.nn.Module)]
        owners = [getattr(system, "engine", None), getattr(getattr(system, "policy", None), "_engine", None)]
        models += [engine.module for engine in owners if engine is not None]
        assert models, name
        for model in models:
            assert getattr(model, "model", model).encoder.config._attn_implementation == "eager", name


def spans_of(sentence: LabelledSentence) -> list[tuple[int, int, str]]:
    return [(entity.start, entity.end, entity.type) for entity in sentence.entities]


def test_the_stages_relabelling_writes_what_it_picks(work: Work, tmp_path: Path) -> None:
    _, kept = fitting(work.model, sentences_of(None, "nee", min_anchors=1, made_up=60), "nee", 150)
    extraction = Extraction(replace(work, steps=()))
    picking = Picking(extraction, kept, tmp_path)
    assert picking.run().tokens == extraction.bare.tokens
    found = extract_spans(
        work.model, work.dataset.tokens, extraction.prompts, "cpu", 600, threshold=extraction.threshold
    )
    predicted = [[Entity(start, end, kind, "model", score) for start, end, kind, score in row] for row in found]
    written = [sentence for table in read_blocks(tmp_path / LEDGER, 1) for sentence in to_sentences(table)]
    assert [one.text for one in written] == [one.text for one in kept]
    for one, expected in zip(written, pick(kept, predicted, "union"), strict=True):
        assert spans_of(one) == spans_of(expected)
    assert sum(len(one.entities) for one in written) > sum(len(one.entities) for one in kept)


def on_its_own(rank: int, text: Path, work: Work, folder: Path) -> None:
    """In a process that DeepSpeed leaves with a process group."""
    training.OUT = folder
    options = ["--tiny", "--steps", "2", "--runs", "1", "--device", "cpu", "--batch-tokens", "200", "--packed"]
    sys.argv = ["training", str(text), *options]
    training.main()
    ours, bare = OurLoopOnDeepSpeed(work), BareDeepSpeed(work, same_batches(work))
    assert ours.run().tokens == bare.run().tokens == work.tokens
    torch.save([ours.engine.full_state(), bare.model.state_dict()], folder / "states.pt")
    torch.distributed.destroy_process_group()


@pytest.mark.deepspeed
@pytest.mark.timeout(900)
def test_the_benchmark_of_training_tells_all(work: Work, tmp_path: Path) -> None:
    pytest.importorskip("accelerate", reason="the Trainer wants accelerate (pip install '.[bench]')")
    text = tmp_path / "text.txt"
    text.write_text("Ada Lovelace lived in London .\nIn Paris Charles Babbage built engines .\n" * 30)
    torch.multiprocessing.spawn(on_its_own, (text, work, tmp_path))
    found = json.loads((tmp_path / "training.json").read_text())
    assert found["input"]["sentences"] == 60
    assert all(math.isfinite(claim["value"]) for claim in found["goals"])
    assert {claim["met"] for claim in found["goals"]} <= {True, False, None}
    assert 0 <= found["padding"]["training, 1 rank"] < 0.2
    # A bare loop on DeepSpeed makes our loop's updates, too.
    ours, bare = torch.load(tmp_path / "states.pt", weights_only=True)
    assert ours.keys() == bare.keys()
    for name, value in ours.items():
        torch.testing.assert_close(bare[name], value, rtol=1e-4, atol=1e-6)
    assert not torch.equal(ours["start_head.weight"], work.model.state_dict()["start_head.weight"])


@pytest.mark.parametrize(("shape", "kind"), [("tiny", "bert"), ("modernbert-base", "modernbert")])
def test_shapes(shape: str, kind: str) -> None:
    layers, width, *_ = SHAPES[shape]
    model = make_model(None, shape, ["Ada lived in London ."] * 9, "esi", 150)
    found = shape_of(model)
    assert (found["model_type"], found["layers"], found["hidden_size"]) == (kind, layers, width)
    if shape == "modernbert-base":
        # The encoder's size as it is published.
        assert found["parameters"] == pytest.approx(149e6, rel=0.01)


def test_the_benchmark_of_a_gpu_runs_on_a_cpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(gpu, "OUT", tmp_path)
    options = ["--device", "cpu", "--tiny", "--sizes", "300", "600", "--compile", "off", "--packed"]
    monkeypatch.setattr(sys, "argv", ["gpu", *options, "--steps", "2", "--runs", "1", "--made-up", "100"])
    gpu.main()
    found = json.loads((tmp_path / "gpu.json").read_text())
    packed = {(row["attention"], row["batch_tokens"]): row for row in found["training"] if row["packed"]}
    rows = {(row["attention"], row["batch_tokens"]): row for row in found["training"] if not row["packed"]}
    assert set(packed) == {("sdpa", 300), ("sdpa", 600), ("flash_attention_2", 300)}
    assert all(row["tokens_per_second"] > 0 for (attention, _), row in packed.items() if attention == "sdpa")
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
