"""Tiny random encoders of three families, and tokenizers trained on a few sentences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import BertConfig, ModernBertConfig, PreTrainedTokenizerFast, RobertaConfig
from transformers.configuration_utils import PreTrainedConfig

from cofee_dist.model.span_extractor import SpanExtractor

SENTENCES = [
    "Ada Lovelace met Charles Babbage in London .",
    "The engine of Babbage was never finished in England .",
    "Find persons, places and organisations .",
    "Grace Hopper worked at Harvard , and later for the Navy .",
]
TYPES = {"PER": "persons", "LOC": "places in England", "ORG": "find organisations"}
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
FAMILIES = ("bert", "roberta", "modernbert")


@pytest.fixture(scope="session")
def wordpiece() -> Any:
    """A BERT tokenizer: WordPiece, token types 0 and 1."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=150, special_tokens=SPECIALS, show_progress=False)
    tokenizer.train_from_iterator(SENTENCES, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.decoder = decoders.WordPiece()
    return _fast(tokenizer)


@pytest.fixture(scope="session")
def byte_level() -> Any:
    """A RoBERTa-like tokenizer: byte-level BPE, two separators, one token type."""
    tokenizer = Tokenizer(models.BPE(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=350,
        special_tokens=SPECIALS,
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    tokenizer.post_processor = processors.RobertaProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.decoder = decoders.ByteLevel()
    return _fast(tokenizer)


def _fast(tokenizer: Tokenizer) -> Any:
    names = zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), SPECIALS, strict=True)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **dict(names))


def encoder_config(family: str) -> PreTrainedConfig:
    """An encoder of 2 layers and 32 dimensions, whose positions end at 64."""
    size = {"vocab_size": 400, "hidden_size": 32, "intermediate_size": 48, "pad_token_id": 0}
    layers = {"num_hidden_layers": 2, "num_attention_heads": 2, "initializer_range": 0.15}
    if family == "bert":
        return BertConfig(max_position_embeddings=64, **size, **layers)
    if family == "roberta":
        return RobertaConfig(max_position_embeddings=65, type_vocab_size=1, **size, **layers)
    # Its own tokens: the defaults lie outside this vocabulary.
    return ModernBertConfig(
        max_position_embeddings=64, cls_token_id=2, sep_token_id=3, bos_token_id=2, eos_token_id=3, **size, **layers
    )


@pytest.fixture(scope="session")
def tokenizer_of(wordpiece: Any, byte_level: Any) -> Callable[[str], Any]:
    """The tokenizer that goes with a family."""
    return {"bert": wordpiece, "roberta": byte_level, "modernbert": byte_level}.__getitem__


@pytest.fixture
def make_model(tokenizer_of: Callable[[str], Any]) -> Callable[..., SpanExtractor]:
    """A random model of a family, the same for the same seed, with heads lively enough to find spans."""

    def make(family: str = "bert", max_length_tokens: int = 64, seed: int = 0, **settings: Any) -> SpanExtractor:
        torch.manual_seed(seed)
        model = SpanExtractor.from_encoder(
            encoder_config(family), TYPES, "find entities", max_length_tokens, tokenizer_of(family), **settings
        )
        model.eval()
        with torch.no_grad():
            pairs = [(question, sentence) for question in TYPES.values() for sentence in SENTENCES]
            given = model.tokenizer(pairs, padding=True, return_tensors="pt", return_token_type_ids=True)
            hidden_btd = model(given["input_ids"], given["attention_mask"], given["token_type_ids"]).hidden_btd
            of_sentence = [[which == 1 for which in given.sequence_ids(at)] for at in range(len(pairs))]
            mean_d = hidden_btd[torch.tensor(of_sentence)].mean(0)
            for head in (model.start_head, model.end_head):
                head.weight.normal_(std=1.0)
                head.bias.copy_(-head.weight @ mean_d)
        return model

    return make
