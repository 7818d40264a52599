"""The model that every stage and every ablation begins with: the user's encoder, or a random one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from cofee_dist.config import Config, ScratchEncoder
from cofee_dist.model.span_extractor import SpanExtractor
from cofee_dist.train.best import write_digest

_MAX_ALPHABET = 1000
_SPECIAL = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}


def make_base_model(config: Config, texts: Iterable[str], folder: Path) -> dict[str, Any]:
    """Save the untrained model with its tokenizer; counts for the manifest.

    Args:
        config: names the encoder, or ``scratch``; its seed fixes the random heads.
        texts: what the vocabulary of a ``scratch`` encoder is learnt from.
        folder: where the Hugging Face folder goes.
    """
    torch.manual_seed(config.seed)
    scratch = config.encoder.scratch
    if scratch is not None:
        tokenizer = train_wordpiece(texts, scratch)
        encoder: Any = _bert_config(scratch, len(tokenizer), config.encoder.max_length_tokens)
    else:
        tokenizer, encoder = None, config.encoder.name
    model = SpanExtractor.from_encoder(
        encoder,
        config.questions,
        config.task.entity_question,
        config.encoder.max_length_tokens,
        tokenizer=tokenizer,
        threshold=config.evaluation.threshold,
        nested=config.evaluation.nested,
    )
    model.save_pretrained(folder)
    write_digest(folder)
    return {"parameters": sum(parameter.numel() for parameter in model.parameters())}


def train_wordpiece(texts: Iterable[str], settings: ScratchEncoder) -> Any:
    """A BERT tokenizer whose WordPiece vocabulary is learnt from texts; the same texts give the same ids."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    texts = list(texts)
    normalizer = normalizers.BertNormalizer(lowercase=settings.lowercase)
    learner = Tokenizer(models.WordPiece(unk_token=_SPECIAL["unk_token"]))
    learner.normalizer, learner.pre_tokenizer = normalizer, pre_tokenizers.BertPreTokenizer()
    special = [*_SPECIAL.values(), "[MASK]"]
    letters = _alphabet(normalizer.normalize_str(text) for text in texts)
    trainer = trainers.WordPieceTrainer(
        vocab_size=settings.vocabulary_size,
        # The trainer numbers inner letters in the order of a hash table; named here, they have fixed numbers.
        special_tokens=[*special, *(f"##{letter}" for letter in letters)],
        initial_alphabet=letters,
        limit_alphabet=len(letters),
        min_frequency=2,
        show_progress=False,
    )
    learner.train_from_iterator(texts, trainer)

    tokenizer = Tokenizer(models.WordPiece(vocab=learner.get_vocab(), unk_token=_SPECIAL["unk_token"]))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        mask_token="[MASK]",
        **_SPECIAL,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )


def _alphabet(texts: Iterable[str]) -> list[str]:
    """The most frequent characters, white space left out; of equally frequent ones the lower code point."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(text)
    letters = sorted((letter for letter in counts if not letter.isspace()), key=lambda one: (-counts[one], one))
    return sorted(letters[:_MAX_ALPHABET])


def _bert_config(settings: ScratchEncoder, vocabulary: int, max_length_tokens: int) -> Any:
    from transformers import BertConfig

    return BertConfig(
        vocab_size=vocabulary,
        hidden_size=settings.hidden_size,
        num_hidden_layers=settings.layers,
        num_attention_heads=settings.heads,
        intermediate_size=4 * settings.hidden_size,
        max_position_embeddings=max_length_tokens,
        hidden_dropout_prob=settings.dropout,
        attention_probs_dropout_prob=settings.dropout,
    )
