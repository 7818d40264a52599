"""What to measure training with: sentences of a dump, of a run, of a text, or made-up ones, and an encoder."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from transformers import BertConfig, ModernBertConfig
from transformers.configuration_utils import PreTrainedConfig

from cofee_dist.batches.dataset import SpanDataset, build_dataset
from cofee_dist.config import Config, ScratchEncoder
from cofee_dist.config.file import config_from
from cofee_dist.corpus.dump import Page, read_pages, read_site, splits
from cofee_dist.corpus.sentences import SentenceRules, sentences
from cofee_dist.corpus.wikitext import Renderer
from cofee_dist.labels.esi import esi_labels
from cofee_dist.labels.ledger import to_sentences
from cofee_dist.model.span_extractor import SpanExtractor
from cofee_dist.pipeline.profile_sentences import made_up_sentences
from cofee_dist.schemas import ENTITY, Entity, LabelledSentence
from cofee_dist.train.base_model import train_wordpiece
from cofee_dist.train.stage_data import read_sentences

#: Layers, width, heads, width of the feed-forward layers.
SHAPES = {
    "minilm": (6, 384, 12, 1536),
    "bert-base": (12, 768, 12, 3072),
    "modernbert-base": (22, 768, 12, 1152),
    "tiny": (1, 32, 2, 128),
}
#: The paper's English questions; under the first one lie the entities of whatever type.
QUESTIONS = {
    "esi": {ENTITY: "Find Entities"},
    "nee": {
        "PER": "person entities are named persons or family.",
        "ORG": "organization entities are limited to named corporate, governmental, or other organizational entities.",
        "LOC": "location entities are the name of politically or geographically defined locations such as cities, "
        "provinces, countries, international regions, bodies of water, mountains, etc.",
    },
}
_VOCABULARY = 30_000


def config_of(stage: str, max_length_tokens: int = 150) -> Config:
    """A run's config with the stage's questions; nothing else in it is read here."""
    types = {name: {"question": question, "gazetteers": ["-"]} for name, question in QUESTIONS[stage].items()}
    return config_from(
        {
            "name": "benchmark",
            "task": {"types": types},
            "encoder": {"name": "-", "max_length_tokens": max_length_tokens},
        }
    )


def sentences_of(source: Path | None, stage: str, min_anchors: int, made_up: int = 20_000) -> list[LabelledSentence]:
    """Sentences of at least ``min_anchors`` entities, which all lie under the stage's first question.

    Args:
        source: a dump (its articles are read by the corpus stage's own code, without Spark), a folder with D_g's
            files, a text with a sentence a line, or none for made-up ones.
        stage: esi or nee.
        min_anchors: anchors are the entities; in text files capitalised words stand for them. Of those and of made-up
            sentences all are taken.
        made_up: how many of these.
    """
    if source is None:
        found = made_up_sentences(config_of(stage), stage, made_up)
    elif source.is_dir():
        tables = (esi_labels(table, min_anchors) for table in read_sentences(source))
        found = [sentence for table in tables for sentence in to_sentences(table)]
    elif source.suffix in (".bz2", ".xml"):
        found = [sentence for sentence in _of_dump(source) if len(sentence.entities) >= min_anchors]
    else:
        lines = source.read_text(encoding="utf-8").splitlines()
        found = [LabelledSentence(line, _capitalised(line), at, 0) for at, line in enumerate(lines) if line.strip()]
    if stage == "esi" or source is None:
        return found
    first = next(iter(QUESTIONS[stage]))
    return [
        LabelledSentence(one.text, tuple(Entity(e.start, e.end, first) for e in one.entities), one.page_id, 0)
        for one in found
    ]


def _capitalised(line: str) -> tuple[Entity, ...]:
    return tuple(Entity(*found.span(), ENTITY) for found in re.finditer(r"\b[A-Z]\w+", line))


def _of_dump(dump: Path) -> list[LabelledSentence]:
    site = read_site(dump)
    renderer, rules = Renderer(site), SentenceRules(site.language, 0, 1, 250)
    pages = (page for split in splits(dump, 2**40) for page in read_pages(split, site))
    articles = (page for page in pages if isinstance(page, Page) and page.namespace == 0 and page.redirect is None)
    return [
        LabelledSentence(
            found.text,
            tuple(Entity(anchor.start, anchor.end, ENTITY) for anchor in found.anchors if anchor.start < anchor.end),
            page.page_id,
            found.number,
        )
        for page in articles
        for found in sentences(renderer.render(page.text), rules, Counter())
    ]


def make_model(encoder: Path | None, shape: str, texts: list[str], stage: str, max_length_tokens: int) -> SpanExtractor:
    """A span model with new heads, on an encoder's weights or on random ones of a shape.

    The random one's WordPiece vocabulary is learnt from the texts; its embeddings have the rows of the original's.
    """
    torch.manual_seed(0)
    questions = QUESTIONS[stage]
    if encoder is not None:
        return SpanExtractor.from_encoder(encoder, questions, "Find Entities", max_length_tokens)
    tokenizer: Any = train_wordpiece(
        [*texts, *questions.values()], ScratchEncoder(vocabulary_size=_VOCABULARY, lowercase=True)
    )
    config = _encoder_config(shape, tokenizer, max_length_tokens)
    return SpanExtractor.from_encoder(config, questions, "Find Entities", max_length_tokens, tokenizer=tokenizer)


def _encoder_config(shape: str, tokenizer: Any, max_length_tokens: int) -> PreTrainedConfig:
    layers, width, heads, inner = SHAPES[shape]
    sizes = {
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": inner,
        "max_position_embeddings": max(512, max_length_tokens),
    }
    if shape == "modernbert-base":
        special = {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("pad", "cls", "sep")}
        return ModernBertConfig(vocab_size=50_368, bos_token_id=None, eos_token_id=None, **special, **sizes)
    return BertConfig(vocab_size=30_522 if shape != "tiny" else len(tokenizer), **sizes)


def fitting(
    model: SpanExtractor, sentences: list[LabelledSentence], stage: str, max_length_tokens: int
) -> tuple[SpanDataset, list[LabelledSentence]]:
    """The examples of those sentences that fit into an input whole, and these sentences."""
    whole = build_dataset(model.tokenizer, sentences, QUESTIONS[stage], 2**20)
    fits = whole.input_lengths.reshape(len(sentences), -1).max(1) <= max_length_tokens
    kept = [sentence for sentence, fit in zip(sentences, fits.tolist(), strict=True) if fit]
    return build_dataset(model.tokenizer, kept, QUESTIONS[stage], max_length_tokens), kept


def shape_of(model: SpanExtractor) -> dict[str, Any]:
    """What the encoder is, for the record."""
    config = model.config.encoder
    return {
        "model_type": config.model_type,
        "layers": config.num_hidden_layers,
        "hidden_size": config.hidden_size,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
    }
