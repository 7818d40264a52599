"""The encoder without padding: a batch's inputs in one row, each of which attends to itself only.

Position ids begin anew with each input; hidden states go back to (b, t), so that heads, losses and decoder see what
they always see. The kernel is told where inputs end by the arguments that transformers hands down to flash attention
(``cu_seq_lens_q``, …). flash_attention_2 takes them as they are. In every other case ``attend_within`` does, by torch's
``scaled_dot_product_attention``: inputs of one length are a batch without padding and without a mask, so it is called
once for each length, and a batch of near-equal lengths has few.
"""

from __future__ import annotations

from itertools import groupby
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AttentionInterface, PreTrainedModel

from cofee_dist.batches.collate import to_device
from cofee_dist.errors import UserError

#: The name of ``attend_within`` among transformers' attention functions.
WITHIN = "cofee_within_inputs"
#: Whose attention goes through these functions and knows no other place of a token than its position id.
_FAMILIES = ("bert", "roberta", "xlm-roberta", "modernbert")


def set_up_packing(encoder: PreTrainedModel) -> None:
    """Let the encoder attend within inputs; flash_attention_2, where it is set, stays.

    Raises:
        UserError: The encoder computes its attention in another way.
    """
    if encoder.config.model_type not in _FAMILIES:
        raise UserError(
            f"the encoder ({encoder.config.model_type}) cannot be packed; {', '.join(_FAMILIES)} can",
            where="engine.packed",
            fix="set it to false",
        )
    if encoder.config._attn_implementation != "flash_attention_2":
        encoder.set_attn_implementation(WITHIN)


def encode_packed(encoder: PreTrainedModel, given: dict[str, Tensor]) -> Tensor:
    """Hidden states (b, t, d) of ``given`` (input_ids, attention_mask, maybe token_type_ids; all (b, t), int64).

    Those of padding are zeros. Inputs are padded on the right. On a GPU the host waits for the mask.
    """
    mask_bt = given["attention_mask"]
    width, device = mask_bt.shape[1], mask_bt.device
    lengths_b = mask_bt.sum(1).cpu().numpy()
    # In the order of their lengths: a run of equal ones is one call of the kernel.
    order_b = np.argsort(lengths_b, kind="stable")
    ends_b = np.cumsum(lengths_b[order_b])
    within_n = np.arange(ends_b[-1]) - np.repeat(ends_b - lengths_b[order_b], lengths_b[order_b])
    place_n = to_device(torch.from_numpy(np.repeat(order_b * width, lengths_b[order_b]) + within_n), device)
    positions_n = to_device(torch.from_numpy(within_n + first_position(encoder)), device)
    bounds = torch.from_numpy(np.concatenate([[0], ends_b]).astype(np.int32))
    if encoder.config._attn_implementation == "flash_attention_2":
        bounds = to_device(bounds, device)
    longest = int(lengths_b.max())
    hidden_1nd = encoder(
        **{name: value_bt.flatten()[place_n][None] for name, value_bt in given.items() if name != "attention_mask"},
        position_ids=positions_n[None],
        cu_seq_lens_q=bounds,
        cu_seq_lens_k=bounds,
        max_length_q=longest,
        max_length_k=longest,
    ).last_hidden_state
    hidden_nd = hidden_1nd[0]
    padded_nd = hidden_nd.new_zeros(mask_bt.numel(), hidden_nd.shape[1]).index_copy(0, place_n, hidden_nd)
    return padded_nd.view(*mask_bt.shape, -1)


def first_position(encoder: PreTrainedModel) -> int:
    """The position id of an input's first token; RoBERTa and its kin begin to count after the padding index."""
    table = getattr(encoder.embeddings, "position_embeddings", None)
    padding = table.padding_idx if isinstance(table, nn.Embedding) else None
    return 0 if padding is None else padding + 1


def attend_within(
    module: nn.Module,
    query_1hnd: Tensor,
    key_1hnd: Tensor,
    value_1hnd: Tensor,
    attention_mask: None,
    cu_seq_lens_q: Tensor,
    dropout: float = 0.0,
    scaling: float | None = None,
    sliding_window: int | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """An attention function of transformers; ``cu_seq_lens_q``: where inputs end, int32, in host memory.

    With ``sliding_window`` w a token attends to those less than w places away (flash attention's rule).
    """
    lengths = cu_seq_lens_q.diff().tolist()
    attended, begin = [], 0
    for length, equal in groupby(lengths):
        number = len(list(equal))
        query, key, value = (
            of_1hnd[0, :, begin : begin + number * length].unflatten(1, (number, length)).transpose(0, 1)
            for of_1hnd in (query_1hnd, key_1hnd, value_1hnd)
        )
        mask_tt = None
        if sliding_window is not None and sliding_window < length:
            place = torch.arange(length, device=query.device)
            mask_tt = (place[:, None] - place).abs() < sliding_window
        found = F.scaled_dot_product_attention(query, key, value, mask_tt, dropout, scale=scaling)
        attended.append(found.transpose(1, 2).flatten(0, 1))
        begin += number * length
    return torch.cat(attended)[None], None


AttentionInterface.register(WITHIN, attend_within)
