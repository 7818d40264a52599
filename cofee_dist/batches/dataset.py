"""Labelled sentences to examples: a sentence, a question, and where the question's entities begin and end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cofee_dist.batches.align import align
from cofee_dist.batches.tokens import Prompt, TokenTable, make_prompt, tokenize
from cofee_dist.errors import UserError
from cofee_dist.labels.ledger import from_sentences
from cofee_dist.schemas import LabelledSentence


@dataclass(frozen=True)
class SpanDataset:
    """Every sentence under every question: example ``row * len(prompts) + question``.

    Entities lie flat, sorted by example: those of example i are ``splits[i]:splits[i + 1]`` of ``first`` and
    ``last`` (int32, the entity's first and last piece, counted from the sentence's first piece) and of
    ``cluster`` (int32, -1 where there is none). ``pad_id`` fills batches up. ``keys``: int64 [sentences, 2], page_id
    and sentence_index of each.
    """

    tokens: TokenTable
    keys: NDArray[np.int64]
    types: tuple[str, ...]
    prompts: tuple[Prompt, ...]
    max_length_tokens: int
    splits: NDArray[np.int64]
    first: NDArray[np.int32]
    last: NDArray[np.int32]
    cluster: NDArray[np.int32]
    dropped: Mapping[str, int]
    pad_id: int = 0

    def __len__(self) -> int:
        return len(self.tokens) * len(self.prompts)

    def sentence_lengths_of(self, examples: NDArray[np.int64]) -> NDArray[np.int64]:
        """Sentence tokens (positions of the loss) of these examples, int64."""
        rows, columns = np.divmod(examples, len(self.prompts))
        limits = rooms(self.prompts, self.max_length_tokens)
        return np.minimum(self.tokens.splits[rows + 1] - self.tokens.splits[rows], limits[columns])

    @property
    def sentence_lengths(self) -> NDArray[np.int64]:
        """Sentence tokens of every example, int64 [examples]."""
        return self.sentence_lengths_of(np.arange(len(self)))

    @property
    def input_lengths(self) -> NDArray[np.int64]:
        """Tokens of each example with question and special tokens, int64 [examples]."""
        prompts = np.array([len(prompt) for prompt in self.prompts])
        return self.sentence_lengths + np.tile(prompts, len(self.tokens))

    @property
    def entity_counts(self) -> NDArray[np.int64]:
        """Entities of each example, int64 [examples]."""
        return np.diff(self.splits)

    def rows(self, begin: int, end: int) -> SpanDataset:
        """The examples of some sentences, one after another; nothing is copied but where examples begin."""
        splits = self.splits[begin * len(self.prompts) : end * len(self.prompts) + 1]
        entities = slice(int(splits[0]), int(splits[-1]))
        return replace(
            self,
            tokens=self.tokens.rows(begin, end),
            keys=self.keys[begin:end],
            splits=splits - splits[0],
            first=self.first[entities],
            last=self.last[entities],
            cluster=self.cluster[entities],
        )

    def with_clusters(self, cluster: NDArray[np.int32]) -> SpanDataset:
        """The same examples with a cluster id for each entity (int32 [entities], in this dataset's order)."""
        assert cluster.shape == self.first.shape
        return replace(self, cluster=cluster.astype(np.int32))


def make_prompts(tokenizer: Any, questions: Mapping[str, str], max_length_tokens: int) -> tuple[Prompt, ...]:
    """The questions, tokenised once.

    Raises:
        UserError: One leaves fewer than eight tokens for the sentence.
    """
    prompts = tuple(make_prompt(tokenizer, question) for question in questions.values())
    for name, prompt in zip(questions, prompts, strict=True):
        if max_length_tokens - len(prompt) < 8:
            raise UserError(
                f"the question of {name} takes {len(prompt)} of {max_length_tokens} tokens and leaves no room",
                where=f"task.types.{name}.question",
                fix="shorten the question or raise encoder.max_length_tokens",
            )
    return prompts


def rooms(prompts: Sequence[Prompt], max_length_tokens: int) -> NDArray[np.int64]:
    """How many pieces of a sentence stand in an input, for each prompt."""
    return np.array([max_length_tokens - len(prompt) for prompt in prompts], dtype=np.int64)


def build_dataset(
    tokenizer: Any,
    sentences: Sequence[LabelledSentence],
    questions: Mapping[str, str],
    max_length_tokens: int,
) -> SpanDataset:
    """Tokenise sentences and align their entities with pieces, in memory (in files: ``batches.files``).

    Args:
        tokenizer: a fast Hugging Face tokenizer.
        sentences: with entities whose types are keys of ``questions``; other types are an error.
        questions: type to question; the order is the order of the examples.
        max_length_tokens: input length at most, question and special tokens included; a longer sentence is cut
            there, and entities beyond the cut are dropped and counted.

    Returns:
        The dataset; what ``dropped`` counts: see ``align``.
    """
    prompts = make_prompts(tokenizer, questions, max_length_tokens)
    tokens = tokenize(tokenizer, [sentence.text for sentence in sentences])
    found = align(tokens, from_sentences(sentences), tuple(questions), rooms(prompts, max_length_tokens))
    counts = np.bincount(found.example, minlength=len(sentences) * len(prompts))
    return SpanDataset(
        tokens=tokens,
        keys=np.array([(one.page_id, one.sentence_index) for one in sentences], dtype=np.int64).reshape(-1, 2),
        types=tuple(questions),
        prompts=prompts,
        max_length_tokens=max_length_tokens,
        splits=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        first=found.first,
        last=found.last,
        cluster=np.full(len(found.first), -1, dtype=np.int32),
        dropped=found.dropped,
        pad_id=tokenizer.pad_token_id or 0,
    )
