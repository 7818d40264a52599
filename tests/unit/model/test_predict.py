"""Prediction on tiny random encoders, against one forward pass for each sentence and type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cofee_dist.batches.tokens import make_prompt, tokenize
from cofee_dist.errors import UserError
from cofee_dist.model.decode import decode_batch
from cofee_dist.model.predict import extract_spans, predict
from cofee_dist.model.span_extractor import SpanExtractor

from .conftest import FAMILIES, SENTENCES, TYPES

WORDS = sorted({word for sentence in SENTENCES for word in sentence.split()})


def one_at_a_time(model: SpanExtractor, text: str, threshold: float, nested: bool) -> list[tuple]:
    """What the model says of a text that fits: a forward pass for each type, no batch, no padding, no window."""
    tokenizer: Any = model.tokenizer
    starts, ends, offsets = [], [], []
    for question in model.config.types.values():
        encoded = tokenizer(question, text, return_offsets_mapping=True, return_token_type_ids=True)
        of_sentence = [at for at, which in enumerate(encoded.sequence_ids(0)) if which == 1]
        with torch.no_grad():
            output = model(
                torch.tensor([encoded["input_ids"]]),
                torch.tensor([encoded["attention_mask"]]),
                torch.tensor([encoded["token_type_ids"]]),
            )
        starts.append(output.start_logits_bt2.softmax(-1)[0, of_sentence, 1].numpy())
        ends.append(output.end_logits_bt2.softmax(-1)[0, of_sentence, 1].numpy())
        offsets = [encoded["offset_mapping"][at] for at in of_sentence]
    shape = (len(starts), len(starts[0]))
    sentence = np.zeros(len(starts), dtype=np.int64)
    written = np.broadcast_to([text[start:end].strip() != "" for start, end in offsets], shape)
    spans = decode_batch(np.stack(starts), np.stack(ends), written, threshold, nested, sentence)
    found = set()
    for row, first, last in zip(spans.row, spans.start, spans.end, strict=True):
        surface = text[offsets[first][0] : offsets[last][1]]
        start = offsets[first][0] + len(surface) - len(surface.lstrip())
        found.add((start, start + len(surface.strip()), int(row)))
    names = list(model.config.types)
    return [(start, end, names[row]) for start, end, row in sorted(found)]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("nested", [False, True])
def test_batches_say_what_single_forward_passes_say(
    make_model: Callable[..., SpanExtractor], family: str, nested: bool
) -> None:
    model = make_model(family)
    texts = [*SENTENCES, "Ada", "Babbage met Grace Hopper , Ada Lovelace and the Navy ."]
    found = model.predict(texts, batch_tokens=150, nested=nested)
    assert sum(map(len, found)) > 10
    for text, predictions in zip(texts, found, strict=True):
        expected = one_at_a_time(model, text, 0.5, nested)
        assert [(p.start, p.end, p.type) for p in predictions] == expected
        assert all(text[p.start : p.end] == p.text and 0.5 < p.score <= 1 for p in predictions)


@given(st.lists(st.text(st.sampled_from([*"Ada éß中𝒳\u0301\n\t  .,"]), max_size=30), max_size=4))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_offsets_are_the_texts_own(make_model: Callable[..., SpanExtractor], texts: list[str]) -> None:
    for family in ("bert", "roberta"):
        model = make_model(family)
        found = model.predict(texts, threshold=0.2)
        assert len(found) == len(texts)
        for text, predictions in zip(texts, found, strict=True):
            assert [p.start for p in predictions] == sorted(p.start for p in predictions)
            for p in predictions:
                assert text[p.start : p.end] == p.text == p.text.strip() != ""


def test_nothing_in_nothing_out(make_model: Callable[..., SpanExtractor]) -> None:
    model = make_model()
    assert model.predict([]) == []
    assert model.predict(["", "  \n\t "]) == [[], []]
    assert model.predict(["", "Ada met Babbage", ""])[0::2] == [[], []]


def test_batch_budget_does_not_change_the_answer(make_model: Callable[..., SpanExtractor]) -> None:
    model = make_model()
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS, size)) for size in rng.integers(1, 60, 20)]
    whole, small = model.predict(texts), model.predict(texts, batch_tokens=1)
    assert [[(p.start, p.end, p.type) for p in x] for x in whole] == [
        [(p.start, p.end, p.type) for p in x] for x in small
    ]


class Capitals(torch.nn.Module):
    """Stands for a trained encoder: a position is start and end of an entity if its id is one of these."""

    def __init__(self, model: SpanExtractor, ids: list[int]) -> None:
        super().__init__()
        self.config, self.ids, self.widest = model.config, ids, 0

    def forward(self, input_ids_bt: torch.Tensor, attention_mask_bt: torch.Tensor, types_bt: torch.Tensor) -> Any:
        self.widest = max(self.widest, input_ids_bt.shape[1])
        hit = torch.isin(input_ids_bt, torch.tensor(self.ids)).float() * 8 - 4
        logits = torch.stack([-hit, hit], -1)
        return type("Output", (), {"start_logits_bt2": logits, "end_logits_bt2": logits})


@given(st.lists(st.sampled_from(["Babbage", "met", "in"]), max_size=150))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_mention_in_a_long_text_is_found_once(make_model: Callable[..., SpanExtractor], words: list[str]) -> None:
    model = make_model(max_length_tokens=24)
    tokenizer: Any = model.tokenizer
    reader: Any = Capitals(model, tokenizer("Babbage", add_special_tokens=False)["input_ids"])
    assert len(reader.ids) == 1
    text = " ".join(words)
    prompts = {"PER": make_prompt(tokenizer, "persons")}
    (found,) = extract_spans(reader, tokenize(tokenizer, [text]), prompts, "cpu", 64)
    at, expected = 0, []
    for word in words:
        if word == "Babbage":
            expected.append((at, at + len(word)))
        at += len(word) + 1
    assert [span[:2] for span in found] == expected
    assert reader.widest <= 24


def test_long_texts_are_not_cut(make_model: Callable[..., SpanExtractor]) -> None:
    model = make_model(max_length_tokens=32)
    text = " ".join(SENTENCES * 5)
    predictions = model.predict([text])[0]
    assert max(p.start for p in predictions) > len(text) * 0.9
    # The first window knows nothing of what comes later: it says the same of the beginning of any text.
    assert min(p.start for p in predictions) < len(text) * 0.1


def test_a_choice_of_types(make_model: Callable[..., SpanExtractor]) -> None:
    model = make_model()
    alone = model.predict(SENTENCES, types=["LOC"], nested=True)
    all_types = model.predict(SENTENCES, nested=True)
    assert any(alone)
    assert [[p for p in found if p.type == "LOC"] for found in all_types] == alone
    assert {p.type for found in model.predict(SENTENCES, types="Entity") for p in found} == {"Entity"}
    renamed = model.predict(SENTENCES, types={"PLACE": TYPES["LOC"]}, nested=True)
    assert [[(p.start, p.end, p.score) for p in x] for x in renamed] == [
        [(p.start, p.end, p.score) for p in x] for x in alone
    ]


def test_thresholds_come_from_the_config_and_from_the_call(make_model: Callable[..., SpanExtractor]) -> None:
    model = make_model()
    low = sum(map(len, model.predict(SENTENCES, threshold=0.1, nested=True)))
    high = sum(map(len, model.predict(SENTENCES, threshold=0.9, nested=True)))
    assert low > high
    model.config.threshold, model.config.nested = 0.9, True
    assert sum(map(len, model.predict(SENTENCES))) == high


@pytest.mark.parametrize("training", [True, False])
def test_training_mode_is_restored_and_dropout_is_off(make_model: Callable[..., SpanExtractor], training: bool) -> None:
    model = make_model().train(training)
    model.encoder.embeddings.eval()
    assert predict(model, SENTENCES) == predict(model, SENTENCES)
    assert model.training is training
    assert model.encoder.encoder.training is training
    assert not model.encoder.embeddings.training
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()


def test_the_users_mistakes(make_model: Callable[..., SpanExtractor]) -> None:
    model = make_model()
    with pytest.raises(UserError, match="does not know the type 'PLACE'; it knows PER, LOC, ORG, Entity"):
        model.predict(["x"], types=["PLACE"])
    with pytest.raises(UserError, match="one string"):
        model.predict("Ada Lovelace")
    with pytest.raises(UserError, match=r"question of type 'LONG' takes .* of 64 tokens"):
        model.predict(["x"], types={"LONG": "persons " * 70})
    model.tokenizer = None
    with pytest.raises(UserError, match="no tokenizer"):
        model.predict(["x"])
