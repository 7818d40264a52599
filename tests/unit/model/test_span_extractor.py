"""The model: what it saves is what it reads, heads on pre-trained encoders, every family of encoders."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModel, BertModel

from cofee_dist.errors import UserError
from cofee_dist.model.losses import cluster_loss, entity_embeddings
from cofee_dist.model.span_extractor import SpanExtractor, SpanExtractorConfig

from .conftest import FAMILIES, SENTENCES, TYPES, encoder_config


@pytest.mark.parametrize("family", FAMILIES)
def test_a_saved_model_predicts_the_same(make_model: Callable[..., SpanExtractor], family: str, tmp_path: Path) -> None:
    model = make_model(family, threshold=0.4, nested=True)
    model.set_clusters(5)
    model.save_pretrained(tmp_path)
    read = SpanExtractor.from_pretrained(tmp_path)
    assert not read.training
    assert list(read.config.types.items()) == list(TYPES.items())
    assert (read.config.threshold, read.config.nested, read.config.clusters) == (0.4, True, 5)
    assert read.config.encoder.model_type == family
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, read.state_dict()[name]), name
    expected = model.predict(SENTENCES)
    assert any(expected)
    assert read.predict(SENTENCES) == expected
    assert {file.name for file in tmp_path.iterdir()} >= {"model.safetensors", "tokenizer.json", "config.json"}


def test_the_auto_classes_know_it(make_model: Callable[..., SpanExtractor], tmp_path: Path) -> None:
    make_model().save_pretrained(tmp_path)
    assert isinstance(AutoConfig.from_pretrained(tmp_path), SpanExtractorConfig)
    read = AutoModel.from_pretrained(tmp_path)
    assert isinstance(read, SpanExtractor)
    assert read.predict(["Ada met Babbage"]) is not None


def test_the_order_of_types_survives_sorted_keys() -> None:
    config = SpanExtractorConfig(types={"b": "1", "a": "2"})
    assert list(SpanExtractorConfig.from_dict(json.loads(config.to_json_string())).types) == ["b", "a"]
    assert list(SpanExtractorConfig.from_dict(config.to_dict()).types) == ["b", "a"]


@pytest.mark.parametrize("family", FAMILIES)
def test_from_a_pretrained_encoder(tokenizer_of: Callable[[str], Any], family: str, tmp_path: Path) -> None:
    torch.manual_seed(1)
    encoder = AutoModel.from_config(encoder_config(family), dtype=torch.bfloat16)
    encoder.save_pretrained(tmp_path)
    tokenizer_of(family).save_pretrained(tmp_path)
    model = SpanExtractor.from_encoder(tmp_path, TYPES, "find entities", 64, clusters=3)
    assert model.tokenizer is not None
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert not any("pooler" in name for name, _ in model.named_parameters())
    for name, tensor in model.encoder.state_dict().items():
        assert torch.equal(tensor, encoder.state_dict()[name].float()), name


@pytest.mark.parametrize("family", FAMILIES)
def test_every_parameter_gets_a_gradient(make_model: Callable[..., SpanExtractor], family: str) -> None:
    model = make_model(family, clusters=4)
    ids = torch.randint(5, 150, (2, 9))
    output = model(ids, torch.ones_like(ids), torch.zeros_like(ids))
    assert output.hidden_btd.shape == (2, 9, 32)
    assert output.start_logits_bt2.shape == output.end_logits_bt2.shape == (2, 9, 2)
    embeddings = entity_embeddings(output.hidden_btd, *(torch.tensor([x]) for x in (1, 2, 4)))
    assert model.cluster_head is not None
    loss = cluster_loss(model.cluster_head(embeddings), torch.tensor([3]), torch.ones(4), 1)
    (loss + output.start_logits_bt2.square().sum() + output.end_logits_bt2.square().sum()).backward()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []


def test_padding_and_token_types(make_model: Callable[..., SpanExtractor]) -> None:
    model = make_model("bert")
    ids = torch.randint(5, 150, (1, 7))
    padded = torch.cat([ids, torch.zeros(1, 3, dtype=torch.int64)], 1)
    mask = (torch.arange(10) < 7).long()[None]
    alone = model(ids, torch.ones_like(ids)).start_logits_bt2
    assert torch.allclose(model(padded, mask).start_logits_bt2[:, :7], alone, atol=1e-5)
    assert not torch.allclose(model(ids, torch.ones_like(ids), torch.ones_like(ids)).start_logits_bt2, alone)
    plain = make_model("roberta")
    assert torch.equal(
        plain(ids, torch.ones_like(ids), torch.ones_like(ids)).start_logits_bt2,
        plain(ids, torch.ones_like(ids)).start_logits_bt2,
    )


def test_cluster_head_is_new_and_seeded(make_model: Callable[..., SpanExtractor]) -> None:
    one, two = make_model(), make_model(seed=7)
    assert one.cluster_head is None
    torch.manual_seed(3)
    before = torch.get_rng_state()
    one.set_clusters(6, seed=1)
    two.set_clusters(6, seed=1)
    assert one.cluster_head is not None
    assert two.cluster_head is not None
    assert torch.equal(one.cluster_head.weight, two.cluster_head.weight)
    one.set_clusters(4, seed=2)
    assert one.config.clusters == one.cluster_head.out_features == 4
    assert not torch.equal(one.cluster_head.weight, two.cluster_head.weight[:4])
    assert torch.equal(before, torch.get_rng_state())
    one.set_clusters(0)
    assert one.cluster_head is None


def test_the_users_mistakes(tmp_path: Path, wordpiece: Any) -> None:
    with pytest.raises(UserError, match="cannot read the encoder"):
        SpanExtractor.from_encoder(tmp_path / "nowhere", TYPES, "find", 64)
    with pytest.raises(UserError, match="cannot read the model"):
        SpanExtractor.from_pretrained(tmp_path / "nowhere")
    with pytest.raises(UserError, match="has 64 positions"):
        SpanExtractor.from_encoder(encoder_config("bert"), TYPES, "find", 65, wordpiece)
    with pytest.raises(UserError, match="has 64 positions"):
        SpanExtractor.from_encoder(encoder_config("roberta"), TYPES, "find", 65, wordpiece)
    small = encoder_config("bert")
    small.vocab_size = 20
    with pytest.raises(UserError, match="vocabulary only 20"):
        SpanExtractor.from_encoder(small, TYPES, "find", 64, wordpiece)


def test_an_encoder_without_all_its_weights_is_refused(tmp_path: Path, wordpiece: Any) -> None:
    config = encoder_config("bert")
    BertModel(config).save_pretrained(tmp_path)
    wordpiece.save_pretrained(tmp_path)
    config.num_hidden_layers = 3
    config.save_pretrained(tmp_path)
    with pytest.raises(UserError, match="weights are missing, the first is"):
        SpanExtractor.from_encoder(tmp_path, TYPES, "find", 64)


def test_a_bare_encoder_is_not_taken_for_a_model(tmp_path: Path) -> None:
    BertModel(encoder_config("bert")).save_pretrained(tmp_path)
    with pytest.raises(UserError, match="of the kind 'bert'"):
        SpanExtractor.from_pretrained(tmp_path)
