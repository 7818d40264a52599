"""Example indices to padded tensors. Axes: b examples, t tokens, e entities."""

from __future__ import annotations

from collections.abc import Sequence
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
        """The batch on another device; see ``to_device``."""
        return Batch(*(to_device(getattr(self, field.name), device) for field in fields(self)))


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """The tensor on a device. The host does not wait for a GPU to copy it, which takes pinned memory."""
    return (tensor.pin_memory() if device.type == "cuda" else tensor).to(device, non_blocking=True)


def collate_inputs(
    tokens: TokenTable,
    begins_b: NDArray[np.int64],
    lengths_b: NDArray[np.int64],
    prompts: Sequence[Prompt],
    prompt_b: NDArray[np.int64],
    pad_id: int = 0,
) -> Inputs:
    """Lay pieces ``begins_b[i]:begins_b[i] + lengths_b[i]`` of the flat table into ``prompts[prompt_b[i]]``.

    Padded on the right to the longest.
    """
    left_b = np.array([len(prompt.prefix_ids) for prompt in prompts], dtype=np.int64)[prompt_b]
    widths_b = lengths_b + np.array([len(prompt) for prompt in prompts], dtype=np.int64)[prompt_b]
    right_b = left_b + lengths_b
    size, width = len(prompt_b), int(widths_b.max(initial=0))
    columns = np.arange(width)
    positions = (columns >= left_b[:, None]) & (columns < right_b[:, None])
    ids = np.full((size, width), pad_id, dtype=np.int64)
    types = np.zeros((size, width), dtype=np.int64)
    ids[positions] = tokens.ids[_ranges(begins_b, lengths_b)]
    types += positions * np.array([prompt.sentence_type for prompt in prompts], dtype=np.int64)[prompt_b, None]
    for number in np.unique(prompt_b).tolist():
        prompt, rows = prompts[number], np.flatnonzero(prompt_b == number)
        before, behind = np.arange(len(prompt.prefix_ids)), np.arange(len(prompt.suffix_ids))
        for array, prefix, suffix in (
            (ids, prompt.prefix_ids, prompt.suffix_ids),
            (types, prompt.prefix_types, prompt.suffix_types),
        ):
            array[rows[:, None], before] = prefix
            array[rows[:, None], right_b[rows, None] + behind] = suffix
    return Inputs(
        input_ids_bt=torch.from_numpy(ids),
        attention_mask_bt=torch.from_numpy((columns < widths_b[:, None]).astype(np.int64)),
        token_type_ids_bt=torch.from_numpy(types),
        positions_bt=torch.from_numpy(positions),
        sentence_offset_b=torch.from_numpy(left_b),
    )


def _ranges(begins: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """``begins[i]`` to ``begins[i] + lengths[i] - 1``, for one i after another."""
    ends = np.cumsum(lengths, dtype=np.int64)
    return np.arange(int(lengths.sum()), dtype=np.int64) + np.repeat(begins - (ends - lengths), lengths)


def collate(dataset: SpanDataset, examples: NDArray[np.int64]) -> Batch:
    """The batch of these examples; padded to the longest of them."""
    questions = len(dataset.prompts)
    rows, columns = examples // questions, examples % questions
    lengths = dataset.sentence_lengths_of(examples)
    begins = dataset.tokens.splits[rows]
    inputs = collate_inputs(dataset.tokens, begins, lengths, dataset.prompts, columns, dataset.pad_id)
    counts = dataset.splits[examples + 1] - dataset.splits[examples]
    of_example = np.repeat(np.arange(len(examples)), counts)
    entity = _ranges(dataset.splits[examples], counts)
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
