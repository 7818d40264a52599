"""The score that selection goes by: span F1 of the current model on validation sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cofee_dist.batches.tokens import TokenTable, make_prompt, tokenize
from cofee_dist.evaluate.scorer import Score, score, together
from cofee_dist.labels.blocks import block_rows
from cofee_dist.model.predict import extract_spans
from cofee_dist.model.span_extractor import SpanExtractor
from cofee_dist.ranks import gather_shares
from cofee_dist.schemas import Entity, LabelledSentence
from cofee_dist.train.engine import Engine


class Extraction:
    """Finds entities with the model as it is; whoever calls it reads alone, and asks for ``engine.evaluation``."""

    def __init__(self, engine: Engine, tokenizer: Any, questions: Mapping[str, str], batch_tokens: int) -> None:
        self._engine, self._batch_tokens = engine, batch_tokens
        self._prompts = {name: make_prompt(tokenizer, question) for name, question in questions.items()}

    def __call__(
        self, model: SpanExtractor, tokens: TokenTable, threshold: float, nested: bool = False
    ) -> list[tuple[Entity, ...]]:
        """The entities of each row."""
        device = self._engine.device
        with self._engine.autocast():
            found = extract_spans(model, tokens, self._prompts, device, self._batch_tokens, threshold, nested)
        return [tuple(Entity(start, end, kind, "model", score) for start, end, kind, score in row) for row in found]


class Validation:
    """Validation sentences with their labels, by people or held out of the weak ones; shared by all ranks.

    Blocks are the same at any number of ranks, so that batches are, and with them the score. A rank keeps its own.
    """

    def __init__(
        self,
        engine: Engine,
        extraction: Extraction,
        tokenizer: Any,
        sentences: Sequence[LabelledSentence],
        threshold: float,
        nested: bool,
    ) -> None:
        self._engine, self._extraction, self._threshold, self._nested = engine, extraction, threshold, nested
        rows = block_rows(len(sentences))
        begins = range(0, len(sentences), rows)[engine.rank :: engine.world_size]
        blocks = [sentences[at : at + rows] for at in begins]
        self._gold = [sentence.entities for block in blocks for sentence in block]
        self._blocks = [tokenize(tokenizer, [sentence.text for sentence in block]) for block in blocks]

    def __call__(self) -> Score:
        """Precision, recall and F1 of the model as it is now; every rank calls it."""
        rank, world = self._engine.rank, self._engine.world_size
        with self._engine.evaluation() as model:
            found = [self._extraction(model, block, self._threshold, self._nested) for block in self._blocks]
        own = score(self._gold, [entities for block in found for entities in block])
        return together(gather_shares([own], world, rank, world))
