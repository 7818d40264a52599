"""Tiny random encoders of the families users bring, saved as the hub has them: config, weights, own tokenizer."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    AutoModel,
    BertConfig,
    BertTokenizer,
    DebertaV2Config,
    DebertaV2Tokenizer,
    ModernBertConfig,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaTokenizer,
    XLMRobertaConfig,
    XLMRobertaTokenizer,
)
from transformers.configuration_utils import PreTrainedConfig

from cofee_dist.config import ScratchEncoder
from cofee_dist.train.base_model import train_wordpiece
from tests.training import made_up

#: Longest input; RoBERTa's tables have two places more, because they count from the padding index on.
MAX_LENGTH = 64
#: As trained on 60 sentences; the vocabulary of an encoder may be larger than its tokenizer's.
_VOCABULARY = 360
_SIZES: dict[str, Any] = {
    "vocab_size": 400,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "initializer_range": 0.1,
}


def _texts() -> list[str]:
    questions = ["Find persons", "Find places", "Find Entities", "organisations"]
    return [sentence.text for sentence in made_up(60)] + questions * 2


def _modernbert_tokenizer() -> Any:
    """As in ModernBERT's tokenizer.json: byte-level pieces whose offsets take in the space before them."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=True)
    tokenizer.decoder = decoders.ByteLevel()
    special = {"unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]"}
    trainer = trainers.BpeTrainer(
        vocab_size=_VOCABULARY,
        special_tokens=[*special.values(), "[MASK]"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_texts(), trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        mask_token="[MASK]",
        **special,
        model_input_names=["input_ids", "attention_mask"],
    )


def _unigram(tokenizer_class: Callable[..., Any], special: tuple[str, ...]) -> Any:
    """A SentencePiece-like vocabulary: words, words in two pieces, and words behind a piece of white space alone."""
    vocabulary = {piece: 0.0 for piece in special}
    # The fewer and likelier pieces win: words, then halves, then letters.
    for word in sorted({word for text in _texts() for word in text.split()}):
        if word in ("Paris", "Ada"):
            vocabulary[word] = -3.0
        elif word in ("Oxford", "Babbage"):
            vocabulary |= {f"▁{word[:2]}": -3.0, word[2:]: -3.0}
        else:
            vocabulary[f"▁{word}"] = -3.0
    letters = {letter for text in _texts() for letter in text if not letter.isspace()}
    vocabulary |= {"▁": -2.0} | {letter: -10.0 for letter in sorted(letters) if letter not in vocabulary}
    return tokenizer_class(vocab=list(vocabulary.items()))


@cache
def tokenizer_of(family: str) -> Any:
    """The family's own fast tokenizer, over the words of the made-up sentences."""
    match family:
        case "bert":
            learnt = train_wordpiece(_texts(), ScratchEncoder(vocabulary_size=_VOCABULARY))
            return BertTokenizer(vocab=learnt.get_vocab(), do_lower_case=False)
        case "roberta":
            letters = pre_tokenizers.ByteLevel.alphabet()
            return RobertaTokenizer().train_new_from_iterator([_texts()], _VOCABULARY, initial_alphabet=letters)
        case "xlm-roberta":
            return _unigram(XLMRobertaTokenizer, ("<s>", "<pad>", "</s>", "<unk>", "<mask>"))
        case "deberta-v2":
            return _unigram(DebertaV2Tokenizer, ("[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"))
        case _:
            return _modernbert_tokenizer()


def config_of(family: str, dropout: float = 0.0) -> PreTrainedConfig:
    """Two layers of 32 dimensions, with the family's own shape (DeBERTa's as in v3)."""
    tokenizer = tokenizer_of(family)
    sizes = {**_SIZES, "pad_token_id": tokenizer.pad_token_id}
    drops = {"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout}
    match family:
        case "bert":
            return BertConfig(max_position_embeddings=MAX_LENGTH, **sizes, **drops)
        case "roberta" | "xlm-roberta":
            kind = RobertaConfig if family == "roberta" else XLMRobertaConfig
            positions = MAX_LENGTH + tokenizer.pad_token_id + 1
            return kind(max_position_embeddings=positions, type_vocab_size=1, **sizes, **drops)
        case "deberta-v2":
            return DebertaV2Config(
                max_position_embeddings=MAX_LENGTH,
                type_vocab_size=0,
                relative_attention=True,
                position_buckets=16,
                norm_rel_ebd="layer_norm",
                share_att_key=True,
                pos_att_type=["p2c", "c2p"],
                position_biased_input=False,
                **sizes,
                **drops,
            )
        case _:
            ends = {"cls_token_id": tokenizer.cls_token_id, "sep_token_id": tokenizer.sep_token_id}
            return ModernBertConfig(
                max_position_embeddings=MAX_LENGTH,
                # Shorter than a sentence with its question: local and global layers differ.
                local_attention=8,
                global_attn_every_n_layers=2,
                bos_token_id=None,
                eos_token_id=None,
                embedding_dropout=dropout,
                mlp_dropout=dropout,
                attention_dropout=dropout,
                **ends,
                **sizes,
            )


#: By ``model_type``; DeBERTa-v3's is deberta-v2.
FAMILIES = ("bert", "roberta", "xlm-roberta", "deberta-v2", "modernbert")


def save_encoder(family: str, folder: Path, dropout: float = 0.0) -> Path:
    """A folder as on the hub, with random weights."""
    torch.manual_seed(0)
    AutoModel.from_config(config_of(family, dropout)).save_pretrained(folder)
    tokenizer_of(family).save_pretrained(folder)
    return folder
