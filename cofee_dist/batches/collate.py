"""Example indices to padded tensors. Axes: b examples, t tokens, e entities."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cofee_dist.batches.dataset import SpanDataset
from cofee_dist.batches.tokens import Prompt, TokenTable


@dataclass
class Inputs:
    """What the encoder takes, and which positions are the sentence's.

    ``input_ids_bt``, ``attention_mask_bt``, ``token_type_ids_bt``: int64. ``positions_bt``: bool, True at the
    sentence's tokens only. ``sentence_offset_b``: int64, where the sentence begins in t.
    """

    input_ids_bt: Tensor
    attention_mask_bt: Tensor
    token_type_ids_bt: Tensor
    positions_bt: Tensor
    sentence_offset_b: Tensor


@dataclass
class Batch(Inputs):
    """Inputs with targets.

    ``start_targets_bt``, ``end_targets_bt``: int64 of 0 and 1. ``span_example_e``, ``span_start_e``,
    ``span_end_e``: int64, each entity's example in the batch, first and last token in t.
    ``cluster_e``: int64, -1 where an entity has none. ``examples_b``: int64, indices in the dataset.
    """

    start_targets_bt: Tensor
    end_targets_bt: Tensor
    span_example_e: Tensor
    span_start_e: Tensor
    span_end_e: Tensor
    cluster_e: Tensor
    examples_b: Tensor

    def to(self, device: torch.device) -> Batch:
        """The batch on another device."""
        moved = (getattr(self, field.name).to(device, non_blocking=True) for field in fields(self))
        return Batch(*moved)


def collate_inputs(
    tokens: TokenTable,
    begins: NDArray[np.int64],
    lengths: NDArray[np.int64],
    prompts: list[Prompt],
    pad_id: int = 0,
) -> Inputs:
    """Lay pieces ``begins[i]:begins[i] + lengths[i]`` of the flat table behind ``prompts[i]``, padded on the right."""
    widths = lengths + np.array([len(prompt) for prompt in prompts])
    size, width = len(prompts), int(widths.max(initial=0))
    ids = np.full((size, width), pad_id, dtype=np.int64)
    types = np.zeros((size, width), dtype=np.int64)
    positions = np.zeros((size, width), dtype=bool)
    offsets = np.empty(size, dtype=np.int64)
    for at, (prompt, begin, length) in enumerate(zip(prompts, begins.tolist(), lengths.tolist(), strict=True)):
        left = len(prompt.prefix_ids)
        right = left + length
        ids[at, :left], types[at, :left] = prompt.prefix_ids, prompt.prefix_types
        ids[at, left:right] = tokens.ids[begin : begin + length]
        types[at, left:right] = prompt.sentence_type
        ids[at, right : widths[at]], types[at, right : widths[at]] = prompt.suffix_ids, prompt.suffix_types
        positions[at, left:right] = True
        offsets[at] = left
    mask = np.arange(width)[None, :] < widths[:, None]
    return Inputs(
        input_ids_bt=torch.from_numpy(ids),
        attention_mask_bt=torch.from_numpy(mask.astype(np.int64)),
        token_type_ids_bt=torch.from_numpy(types),
        positions_bt=torch.from_numpy(positions),
        sentence_offset_b=torch.from_numpy(offsets),
    )


def collate(dataset: SpanDataset, examples: NDArray[np.int64]) -> Batch:
    """The batch of these examples; padded to the longest of them."""
    questions = len(dataset.prompts)
    rows, columns = examples // questions, examples % questions
    prompts = [dataset.prompts[column] for column in columns.tolist()]
    lengths = dataset.sentence_lengths_of(examples)
    inputs = collate_inputs(dataset.tokens, dataset.tokens.splits[rows], lengths, prompts, dataset.pad_id)
    counts = dataset.splits[examples + 1] - dataset.splits[examples]
    of_example = np.repeat(np.arange(len(examples)), counts)
    entity = np.concatenate(
        [np.arange(dataset.splits[at], dataset.splits[at + 1]) for at in examples.tolist()] or [np.empty(0, np.int64)]
    ).astype(np.int64)
    shift = inputs.sentence_offset_b.numpy()[of_example]
    first, last = dataset.first[entity] + shift, dataset.last[entity] + shift
    starts = np.zeros(inputs.input_ids_bt.shape, dtype=np.int64)
    ends = np.zeros_like(starts)
    starts[of_example, first] = 1
    ends[of_example, last] = 1
    return Batch(
        **inputs.__dict__,
        start_targets_bt=torch.from_numpy(starts),
        end_targets_bt=torch.from_numpy(ends),
        span_example_e=torch.from_numpy(of_example),
        span_start_e=torch.from_numpy(first.astype(np.int64)),
        span_end_e=torch.from_numpy(last.astype(np.int64)),
        cluster_e=torch.from_numpy(dataset.cluster[entity].astype(np.int64)),
        examples_b=torch.from_numpy(examples.astype(np.int64)),
    )
