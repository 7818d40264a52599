"""Inputs in one row, without padding: what the encoder gives and learns is what it does with padding."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from cofee_dist.batches.collate import Batch, collate
from cofee_dist.batches.dataset import SpanDataset, build_dataset
from cofee_dist.batches.tokens import make_prompt
from cofee_dist.config import Engine
from cofee_dist.errors import UserError
from cofee_dist.mining.embeddings import embed_entities
from cofee_dist.model.packed import attend_within
from cofee_dist.model.predict import extract_spans
from cofee_dist.model.span_extractor import SpanExtractor, SpanOutput
from cofee_dist.train.engine import TorchEngine
from cofee_dist.train.loop import StepTotals, train_step
from cofee_dist.train.meter import Meter
from tests.distributed.test_gradients import QUESTIONS, STAGE, Policy
from tests.families import MAX_LENGTH, config_of, tokenizer_of
from tests.training import made_up

FAMILIES = ("bert", "roberta", "xlm-roberta", "modernbert")
#: Two of one length after another, too.
TIMES = (1, 3, 1, 2, 5, 1, 4, 2)


def model_of(family: str, packed: bool = False, **engine: Any) -> SpanExtractor:
    torch.manual_seed(0)
    encoder, tokenizer = config_of(family), tokenizer_of(family)
    model = SpanExtractor.from_encoder(encoder, QUESTIONS, "Find Entities", MAX_LENGTH, tokenizer, dropout=0.0)
    return TorchEngine(model, Engine(device="cpu", packed=packed, **engine), STAGE).module


def data_of(model: SpanExtractor) -> SpanDataset:
    sentences = [
        replace(sentence, text=" ".join([sentence.text] * times))
        for sentence, times in zip(made_up(len(TIMES)), TIMES, strict=True)
    ]
    return build_dataset(model.tokenizer, sentences, QUESTIONS, MAX_LENGTH)


def batch_of(model: SpanExtractor) -> Batch:
    """In no order."""
    data = data_of(model)
    batch = collate(data, np.random.default_rng(0).permutation(len(data)))
    assert len(set(batch.attention_mask_bt.sum(1).tolist())) > 4
    assert batch.attention_mask_bt.float().mean() < 0.8
    return batch


def output_of(model: SpanExtractor, batch: Batch) -> SpanOutput:
    output: SpanOutput = model(batch.input_ids_bt, batch.attention_mask_bt, batch.token_type_ids_bt)
    return output


def learnt(model: SpanExtractor, batch: Batch) -> tuple[SpanOutput, float, dict[str, Tensor]]:
    """Output, loss (of ESI and NEE, and over clusters) and gradients."""
    output = output_of(model.train(), batch)
    totals = StepTotals(int(batch.positions_bt.sum()), len(batch.span_start_e))
    loss = Policy().loss(output, batch, totals)["loss"]
    model.zero_grad()
    loss.backward()
    return output, float(loss.detach()), {name: value.grad for name, value in model.named_parameters()}


@contextmanager
def positions_computed(model: SpanExtractor) -> Iterator[list[int]]:
    """Of each batch, the positions that the encoder embeds."""
    seen: list[int] = []
    hook = model.encoder.embeddings.register_forward_hook(lambda _, given, out: seen.append(out.shape[:-1].numel()))
    yield seen
    hook.remove()


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_losses_and_gradients_are_those_of_padded_inputs(family: str, checkpointing: bool) -> None:
    padded, packed = model_of(family), model_of(family, packed=True, activation_checkpointing=checkpointing)
    batch = batch_of(padded)
    expected, loss, gradients = learnt(padded, batch)
    with positions_computed(packed) as seen:
        found, packed_loss, packed_gradients = learnt(packed, batch)
    assert seen == [int(batch.attention_mask_bt.sum())]
    assert packed_loss == pytest.approx(loss, rel=1e-5)
    real_bt = batch.attention_mask_bt.bool()
    for name in ("hidden_btd", "start_logits_bt2", "end_logits_bt2"):
        torch.testing.assert_close(
            getattr(found, name)[real_bt], getattr(expected, name)[real_bt], rtol=1e-5, atol=1e-5
        )
    assert packed_gradients.keys() == gradients.keys()
    assert max(float(gradient.abs().max()) for gradient in gradients.values()) > 0.01
    for name, gradient in gradients.items():
        torch.testing.assert_close(packed_gradients[name], gradient, rtol=1e-4, atol=1e-5, msg=name)


@pytest.mark.parametrize("family", FAMILIES)
def test_an_input_does_not_see_the_others(family: str) -> None:
    model = model_of(family, packed=True).eval()
    data = data_of(model)
    with torch.no_grad():
        together = output_of(model, collate(data, np.arange(len(data)))).start_logits_bt2
        for at in range(len(data)):
            alone = output_of(model, collate(data, np.array([at]))).start_logits_bt2[0]
            torch.testing.assert_close(together[at, : len(alone)], alone, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_entities_and_embeddings_are_those_of_padded_inputs(family: str, tmp_path: Path) -> None:
    found: list[Any] = []
    for packed in (False, True):
        model = model_of(family, packed=packed)
        data = data_of(model)
        prompts = {name: make_prompt(model.tokenizer, question) for name, question in QUESTIONS.items()}
        rows = extract_spans(model, data.tokens, prompts, "cpu", 200, threshold=0.4)
        _, embeddings = embed_entities(model, data, torch.device("cpu"), 200, tmp_path / f"{packed}.npy")
        found.append((rows, np.array(embeddings)))
    (padded, expected), (packed_rows, embeddings) = found
    assert sum(map(len, padded)) > 0
    for one, other in zip(padded, packed_rows, strict=True):
        assert [span[:3] for span in one] == [span[:3] for span in other]
    np.testing.assert_allclose(embeddings, expected, rtol=1e-4, atol=1e-4)


def test_flash_attention_is_told_where_inputs_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its kernel wants a GPU: here another one is called by its name, with what transformers hands down to it."""
    calls = 0

    def kernel(module: Any, query: Tensor, key: Tensor, value: Tensor, mask: Any, **given: Any) -> Any:
        nonlocal calls
        calls += 1
        assert mask is None
        bounds = given["cu_seq_lens_q"]
        assert bounds.dtype == torch.int32
        assert torch.equal(bounds, given["cu_seq_lens_k"])
        assert given["max_length_q"] == given["max_length_k"] == int(bounds.diff().max())
        assert int(bounds[-1]) == query.shape[2]
        return attend_within(module, query, key, value, mask, **given)

    monkeypatch.setitem(ALL_ATTENTION_FUNCTIONS._global_mapping, "flash_attention_2", kernel)
    for family in FAMILIES:
        padded, packed = model_of(family), model_of(family)
        packed.encoder.config._attn_implementation = "flash_attention_2"
        packed.packed = True
        batch = batch_of(padded)
        assert learnt(packed, batch)[1] == pytest.approx(learnt(padded, batch)[1], rel=1e-5)
    assert calls == 2 * len(FAMILIES)


def test_the_log_tells_of_no_padding() -> None:
    shares = []
    for packed in (False, True):
        model = model_of("bert")
        engine = TorchEngine(model, Engine(device="cpu", packed=packed), STAGE)
        data, meter = data_of(model), Meter()
        train_step(Policy(), data, data.input_lengths, np.arange(len(data)), engine, 1, 1e-3, meter)
        shares.append(meter.metrics()["padding_share"])
    assert shares[0] > 0.2
    assert shares[1] == 0


def test_it_is_the_machines_choice_and_not_the_saved_models(tmp_path: Path) -> None:
    model = model_of("bert", packed=True)
    model.save_pretrained(tmp_path)
    assert "cofee_within_inputs" not in json.dumps(json.loads((tmp_path / "config.json").read_text()))
    again = SpanExtractor.from_pretrained(tmp_path)
    assert not again.packed
    assert again.encoder.config._attn_implementation == "sdpa"
    texts = ["Ada Lovelace lived in London ."]
    assert [e.text for e in again.predict(texts)[0]] == [e.text for e in model.predict(texts)[0]]


def test_set_up_twice_is_set_up_once() -> None:
    model = model_of("bert", packed=True, attention="sdpa")
    before = model.encoder.config._attn_implementation
    TorchEngine(model, Engine(device="cpu", packed=True, attention="sdpa"), STAGE)
    assert model.encoder.config._attn_implementation == before


@pytest.mark.parametrize(
    ("family", "engine", "told"),
    [
        ("deberta-v2", {}, r"the encoder \(deberta-v2\) cannot be packed; bert, "),
        ("bert", {"attention": "eager"}, "eager attention cannot be packed"),
        ("bert", {"compile": True}, "torch.compile does not go with packed inputs"),
    ],
)
def test_what_cannot_be_packed_is_told_before_training(family: str, engine: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError, match=told):
        model_of(family, packed=True, **engine)
