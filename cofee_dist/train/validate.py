"""The score that selection goes by: span F1 of the current model on validation sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cofee_dist.batches.tokens import TokenTable, make_prompt, tokenize
from cofee_dist.evaluate.scorer import Score, score
from cofee_dist.model.predict import extract_spans
from cofee_dist.ranks import gather_shares
from cofee_dist.schemas import Entity, LabelledSentence
from cofee_dist.train.engine import Engine


class Extraction:
    """Finds entities in fixed sentences with a model that changes: tokenised once, shared by all ranks."""

    def __init__(
        self,
        engine: Engine,
        tokenizer: Any,
        texts: Sequence[str],
        questions: Mapping[str, str],
        batch_tokens: int,
        tokens: TokenTable | None = None,
    ) -> None:
        self._engine, self._batch_tokens = engine, batch_tokens
        self._prompts = {name: make_prompt(tokenizer, question) for name, question in questions.items()}
        self._total = len(texts)
        table = tokens if tokens is not None else tokenize(tokenizer, texts)
        self._share = table if engine.world_size == 1 else table.take(range(engine.rank, len(table), engine.world_size))

    def __call__(self, threshold: float, nested: bool = False) -> list[tuple[Entity, ...]]:
        """The entities of every sentence, on every rank."""
        engine = self._engine
        with engine.autocast():
            found = extract_spans(
                engine.module, self._share, self._prompts, engine.device, self._batch_tokens, threshold, nested
            )
        share = [tuple(Entity(start, end, kind, "model", score) for start, end, kind, score in row) for row in found]
        return gather_shares(share, self._total, engine.rank, engine.world_size)


class Validation:
    """Validation sentences with their labels, by people or held out of the weak ones."""

    def __init__(self, extraction: Extraction, sentences: Sequence[LabelledSentence], threshold: float, nested: bool):
        self._extraction, self._threshold, self._nested = extraction, threshold, nested
        self._gold = [sentence.entities for sentence in sentences]

    def __call__(self) -> Score:
        """Precision, recall and F1 of the model as it is now."""
        return score(self._gold, self._extraction(self._threshold, self._nested))
