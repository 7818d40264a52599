"""Entity embeddings e_i (Eq. 6) of a data set, in the order of its entities."""

from __future__ import annotations

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
    model: SpanExtractor, dataset: SpanDataset, device: torch.device, batch_tokens: int, rank: int = 0, world: int = 1
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Embed this rank's share of the entities, without dropout.

    Each entity is read under its own type's question, as in training. Examples without entities are not run.

    Args:
        model: on ``device``; its training mode is put back afterwards.
        dataset: whose entities to embed.
        device: where the model is.
        batch_tokens: padded tokens in a forward pass.
        rank: this process's.
        world: how many processes share the work.

    Returns:
        Indices of the entities (int64 [share]) and their embeddings (float32 [share, d]).
    """
    was_training = model.training
    model.eval()
    examples = np.flatnonzero(dataset.entity_counts)
    indices, embeddings = [], []
    for batch_examples in length_batches(examples, dataset.input_lengths, batch_tokens)[rank::world]:
        batch = collate(dataset, batch_examples).to(device)
        output = model(batch.input_ids_bt, batch.attention_mask_bt, batch.token_type_ids_bt)
        found_ed = entity_embeddings(output.hidden_btd, batch.span_example_e, batch.span_start_e, batch.span_end_e)
        embeddings.append(found_ed.float().cpu().numpy())
        indices += [np.arange(dataset.splits[at], dataset.splits[at + 1]) for at in batch_examples.tolist()]
    model.train(was_training)
    width = int(model.config.encoder.hidden_size)
    return (
        np.concatenate([*indices, np.empty(0, np.int64)]).astype(np.int64),
        np.concatenate([*embeddings, np.empty((0, width), np.float32)]),
    )
