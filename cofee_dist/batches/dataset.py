"""Labelled sentences to examples: a sentence, a question, and where the question's entities begin and end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cofee_dist.batches.tokens import Prompt, TokenTable, make_prompt, tokenize
from cofee_dist.errors import UserError
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
        limits = np.array([self.max_length_tokens - len(prompt) for prompt in self.prompts])
        rows, columns = np.divmod(examples, len(self.prompts))
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

    def with_clusters(self, cluster: NDArray[np.int32]) -> SpanDataset:
        """The same examples with a cluster id for each entity (int32 [entities], in this dataset's order)."""
        assert cluster.shape == self.first.shape
        return SpanDataset(**{**self.__dict__, "cluster": cluster.astype(np.int32)})


def build_dataset(
    tokenizer: Any,
    sentences: Sequence[LabelledSentence],
    questions: Mapping[str, str],
    max_length_tokens: int,
    tokens: TokenTable | None = None,
) -> SpanDataset:
    """Tokenise sentences and align their entities with pieces.

    Args:
        tokenizer: a fast Hugging Face tokenizer.
        sentences: with entities whose types are keys of ``questions``; other types are an error.
        questions: type to question; the order is the order of the examples.
        max_length_tokens: input length at most, question and special tokens included; a longer sentence is cut
            there, and entities beyond the cut are dropped and counted.
        tokens: the sentences' pieces, where they are known already (self-picking only changes labels).

    Returns:
        The dataset. ``dropped`` counts entities by reason: ``inside a piece`` (a boundary splits a piece) and
        ``beyond max_length_tokens``.
    """
    prompts = tuple(make_prompt(tokenizer, question) for question in questions.values())
    for name, prompt in zip(questions, prompts, strict=True):
        if max_length_tokens - len(prompt) < 8:
            raise UserError(
                f"the question of {name} takes {len(prompt)} of {max_length_tokens} tokens and leaves no room",
                where=f"task.types.{name}.question",
                fix="shorten the question or raise encoder.max_length_tokens",
            )
    tokens = tokens if tokens is not None else tokenize(tokenizer, [sentence.text for sentence in sentences])
    columns = {name: at for at, name in enumerate(questions)}
    limits = [max_length_tokens - len(prompt) for prompt in prompts]
    dropped = {"inside a piece": 0, "beyond max_length_tokens": 0}
    rows: list[tuple[int, int, int]] = []
    for row, sentence in enumerate(sentences):
        _, starts, ends = tokens.row(row)
        # Pieces of nothing but white space (SentencePiece) have no characters: no entity begins or ends there.
        written = np.flatnonzero(starts < ends).tolist()
        first_at = {int(starts[at]): at for at in reversed(written)}
        last_at = {int(ends[at]): at for at in written}
        for entity in sentence.entities:
            column = columns.get(entity.type)
            if column is None:
                raise UserError(
                    f"a label has the type {entity.type!r}, which the task lacks", where=f"{sentence.text[:60]!r}"
                )
            first, last = first_at.get(entity.start), last_at.get(entity.end)
            if first is None or last is None or last < first:
                dropped["inside a piece"] += 1
            elif last >= limits[column]:
                dropped["beyond max_length_tokens"] += 1
            else:
                rows.append((row * len(prompts) + column, first, last))
    entities = np.unique(np.array(rows, dtype=np.int64).reshape(-1, 3), axis=0)
    counts = np.bincount(entities[:, 0], minlength=len(sentences) * len(prompts))
    return SpanDataset(
        tokens=tokens,
        keys=np.array([(one.page_id, one.sentence_index) for one in sentences], dtype=np.int64).reshape(-1, 2),
        types=tuple(questions),
        prompts=prompts,
        max_length_tokens=max_length_tokens,
        splits=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        first=entities[:, 1].astype(np.int32),
        last=entities[:, 2].astype(np.int32),
        cluster=np.full(len(entities), -1, dtype=np.int32),
        dropped=dropped,
        pad_id=tokenizer.pad_token_id or 0,
    )
