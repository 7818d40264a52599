"""Tiny tokenizers and models with random weights, made once for a test run."""

from __future__ import annotations

from functools import cache
from typing import Any

TEXT = (
    "Ada Lovelace lived in London . Find persons places Find Entities one two three four five six seven "
    "Paris is a city of France and Charles Babbage built engines at Cambridge University of Oxford the"
)


@cache
def wordpiece_tokenizer() -> Any:
    """A BERT tokenizer over a few words and all their letters."""
    from cofee_dist.config import ScratchEncoder
    from cofee_dist.train.base_model import train_wordpiece

    return train_wordpiece([TEXT] * 3, ScratchEncoder(vocabulary_size=200))


@cache
def byte_level_tokenizer() -> Any:
    """A RoBERTa-like tokenizer: byte-level pieces that carry the space before them, no token types."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([TEXT], trainer)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        cls_token="<s>",
        eos_token="</s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token="<mask>",
    )


def tiny_model(types: dict[str, str] | None = None, seed: int = 0, dropout: float = 0.1, clusters: int = 0) -> Any:
    """A SpanExtractor of one layer with random weights."""
    import torch
    from transformers import BertConfig

    from cofee_dist.model.span_extractor import SpanExtractor

    tokenizer = wordpiece_tokenizer()
    torch.manual_seed(seed)
    encoder = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
    )
    model = SpanExtractor.from_encoder(
        encoder, types or {"PER": "Find persons", "LOC": "Find places"}, "Find Entities", 64, tokenizer=tokenizer
    )
    if clusters:
        model.set_clusters(clusters)
    return model
