"""Entity embeddings e_i (Eq. 6) of a data set: each rank's share, in a memory-mapped file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cofee_dist.batches.collate import collate
from cofee_dist.batches.dataset import SpanDataset
from cofee_dist.batches.order import length_batches
from cofee_dist.model.losses import entity_embeddings
from cofee_dist.model.span_extractor import SpanExtractor


@torch.inference_mode()
def embed_entities(
    model: SpanExtractor,
    dataset: SpanDataset,
    device: torch.device,
    batch_tokens: int,
    path: Path,
    precision: str = "fp32",
    rank: int = 0,
    world: int = 1,
) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Embed this rank's share of the entities, without dropout.

    Each entity is read under its own type's question, as in training. Examples without entities are not run.

    Args:
        model: on ``device``; its training mode is put back afterwards.
        dataset: whose entities to embed.
        device: where the model is.
        batch_tokens: padded tokens in a forward pass.
        path: a ``.npy`` file for this rank's embeddings, written anew.
        precision: ``fp32``, or ``fp16`` for half the size.
        rank: this process's.
        world: how many processes share the work.

    Returns:
        Indices of the entities (int64 [share], ascending) and their embeddings, mapped from the file ([share, d]).
    """
    was_training = model.training
    model.eval()
    examples = np.flatnonzero(dataset.entity_counts)
    batches = length_batches(examples, dataset.input_lengths, batch_tokens)[rank::world]
    entities = [_entities_of(dataset, batch) for batch in batches]
    index_n = np.sort(np.concatenate([*entities, np.empty(0, np.int64)]))
    width = int(model.config.encoder.hidden_size)
    path.parent.mkdir(parents=True, exist_ok=True)
    dtype = np.float16 if precision == "fp16" else np.float32
    # A file cannot be mapped that holds nothing.
    create: Callable[..., Any] = np.lib.format.open_memmap if len(index_n) else _in_memory
    embeddings_nd = create(path, mode="w+", dtype=dtype, shape=(len(index_n), width))
    for batch_examples, of_batch in zip(batches, entities, strict=True):
        batch = collate(dataset, batch_examples).to(device)
        output = model(batch.input_ids_bt, batch.attention_mask_bt, batch.token_type_ids_bt)
        found_ed = entity_embeddings(output.hidden_btd, batch.span_example_e, batch.span_start_e, batch.span_end_e)
        embeddings_nd[np.searchsorted(index_n, of_batch)] = found_ed.float().cpu().numpy()
    model.train(was_training)
    return index_n, embeddings_nd


def _entities_of(dataset: SpanDataset, examples: NDArray[np.int64]) -> NDArray[np.int64]:
    ranges = [np.arange(dataset.splits[at], dataset.splits[at + 1]) for at in examples.tolist()]
    return np.concatenate([*ranges, np.empty(0, np.int64)]).astype(np.int64)


def _in_memory(path: Path, mode: str, dtype: Any, shape: tuple[int, int]) -> NDArray[Any]:
    return np.zeros(shape, dtype)
