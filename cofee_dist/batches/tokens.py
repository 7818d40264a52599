"""Texts to token ids with character offsets, in flat arrays; questions to prompts, tokenised once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cofee_dist.errors import UserError


@dataclass(frozen=True)
class TokenTable:
    """Pieces of many texts, one after another: row i is ``splits[i]:splits[i + 1]`` of the flat arrays.

    ``ids``, ``starts``, ``ends``: int32 [pieces]; starts and ends are half-open character offsets into the
    row's text. ``splits``: int64 [rows + 1]. The arrays may be mapped from files (``batches.files``), and may hold
    more than these rows.
    """

    ids: NDArray[np.int32]
    starts: NDArray[np.int32]
    ends: NDArray[np.int32]
    splits: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.splits) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Pieces in each row, int64 [rows]."""
        return np.diff(self.splits)

    def row(self, index: int) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
        """Ids, starts and ends of one row's pieces."""
        cut = slice(self.splits[index], self.splits[index + 1])
        return self.ids[cut], self.starts[cut], self.ends[cut]

    def rows(self, begin: int, end: int) -> TokenTable:
        """Some rows, one after another; nothing is copied."""
        return TokenTable(self.ids, self.starts, self.ends, self.splits[begin : end + 1])


def tokenize(tokenizer: Any, texts: Sequence[str], block: int = 4096) -> TokenTable:
    """Tokenise without special tokens. Offsets never begin or end with white space.

    Args:
        tokenizer: a fast Hugging Face tokenizer.
        texts: any texts; an empty one gives an empty row.
        block: texts handed to the tokenizer at a time.
    """
    if not tokenizer.is_fast:
        raise UserError("the encoder has no fast tokenizer, so pieces have no offsets", where=tokenizer.name_or_path)
    ids: list[int] = []
    offsets: list[tuple[int, int]] = []
    splits = [0]
    for at in range(0, len(texts), block):
        encoded = tokenizer(
            list(texts[at : at + block]),
            add_special_tokens=False,
            return_offsets_mapping=True,
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,
        )
        for text, row_ids, row_offsets in zip(
            texts[at : at + block], encoded["input_ids"], encoded["offset_mapping"], strict=True
        ):
            ids.extend(row_ids)
            offsets.extend(_trimmed(text, start, end) for start, end in row_offsets)
            splits.append(len(ids))
    spans = np.asarray(offsets, dtype=np.int32).reshape(-1, 2)
    return TokenTable(
        np.asarray(ids, dtype=np.int32), spans[:, 0].copy(), spans[:, 1].copy(), np.asarray(splits, dtype=np.int64)
    )


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """Byte-level tokenizers give a piece the space before it; a surface has none."""
    if start < end and not (text[start].isspace() or text[end - 1].isspace()):
        return start, end
    while start < end and text[start].isspace():
        start += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    return start, end


@dataclass(frozen=True)
class Prompt:
    """What stands around a sentence: ``prefix`` is [CLS] question [SEP], ``suffix`` the last [SEP].

    ``*_types`` are token type ids (zeros where the encoder has none); ``sentence_type`` is the sentence's.
    """

    prefix_ids: tuple[int, ...]
    prefix_types: tuple[int, ...]
    suffix_ids: tuple[int, ...]
    suffix_types: tuple[int, ...]
    sentence_type: int

    def __len__(self) -> int:
        return len(self.prefix_ids) + len(self.suffix_ids)


def make_prompt(tokenizer: Any, question: str) -> Prompt:
    """Tokenise a question once, in the pair layout of the encoder (BERT, RoBERTa, ...)."""
    # Any short sentence serves: only what the tokenizer puts around it is kept.
    encoded = tokenizer(question, ".", return_token_type_ids=True)
    sequence = encoded.sequence_ids(0)
    sentence = [at for at, which in enumerate(sequence) if which == 1]
    if not sentence or 0 not in sequence:
        raise UserError(f"the tokenizer made no pieces of the question {question!r}", fix="give a question in words")
    first, last = sentence[0], sentence[-1]
    ids = encoded["input_ids"]
    types = encoded.get("token_type_ids") or [0] * len(ids)
    return Prompt(
        tuple(ids[:first]), tuple(types[:first]), tuple(ids[last + 1 :]), tuple(types[last + 1 :]), int(types[first])
    )
