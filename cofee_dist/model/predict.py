"""Entities of texts: windows, length-sorted batches, forward passes, the decoder, character offsets.

``extract_spans`` works on tokenised sentences and serves evaluation, self-picking and ``predict`` alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cofee_dist.batches.collate import Inputs, collate_inputs, to_device
from cofee_dist.batches.order import length_batches
from cofee_dist.batches.tokens import Prompt, TokenTable, make_prompt, tokenize
from cofee_dist.errors import UserError
from cofee_dist.model.decode import Candidates, Spans, decode, find_candidates
from cofee_dist.model.losses import span_probabilities
from cofee_dist.model.windows import Windows, cut_windows
from cofee_dist.schemas import ENTITY

if TYPE_CHECKING:
    from cofee_dist.model.span_extractor import SpanExtractor

#: (start, end, type, score): half-open character offsets.
Span = tuple[int, int, str, float]

#: A question must leave room for at least so many pieces of the sentence.
MIN_ROOM_TOKENS = 8


@dataclass(frozen=True, slots=True)
class Prediction:
    """An entity of a text: ``text == texts[i][start:end]``; ``score`` is sqrt(p(start) p(end))."""

    type: str
    text: str
    start: int
    end: int
    score: float


def predict(
    model: SpanExtractor,
    texts: Sequence[str],
    types: Sequence[str] | Mapping[str, str] | None = None,
    batch_tokens: int = 4096,
    threshold: float | None = None,
    nested: bool | None = None,
) -> list[list[Prediction]]:
    """Entities of each text, ordered by start. Texts of any length: long ones are read in overlapping windows.

    Args:
        model: On any device; its training mode is as before afterwards.
        texts: May be empty or white space.
        types: Names of some of the model's types (or ``Entity``, of any type), or name to question for others;
            all of the model's types if left out.
        batch_tokens: Padded tokens of a forward pass.
        threshold: The model's if left out.
        nested: The model's if left out.

    Raises:
        UserError: An unknown type, no tokenizer, a question that leaves no room, or one string for ``texts``.
    """
    if isinstance(texts, str):
        raise UserError("texts is one string", fix="give a list of texts: predict([text])")
    if model.tokenizer is None:
        raise UserError("the model has no tokenizer", fix="save it with one, or set model.tokenizer")
    prompts = {name: make_prompt(model.tokenizer, question) for name, question in _questions(model, types).items()}
    found = extract_spans(
        model,
        tokenize(model.tokenizer, texts),
        prompts,
        model.device,
        batch_tokens,
        model.config.threshold if threshold is None else threshold,
        model.config.nested if nested is None else nested,
    )
    return [
        [Prediction(name, text[start:end], start, end, score) for start, end, name, score in spans]
        for text, spans in zip(texts, found, strict=True)
    ]


def _questions(model: SpanExtractor, types: Sequence[str] | Mapping[str, str] | None) -> Mapping[str, str]:
    if types is None:
        return model.config.types
    if isinstance(types, Mapping):
        return types
    known = {**model.config.types, ENTITY: model.config.entity_question}
    for name in [types] if isinstance(types, str) else types:
        if name not in known:
            raise UserError(
                f"the model does not know the type {name!r}; it knows {', '.join(known)}",
                fix="give a question for it: types={name: question}",
            )
    return {name: known[name] for name in ([types] if isinstance(types, str) else types)}


def extract_spans(
    model: SpanExtractor,
    tokens: TokenTable,
    prompts: Mapping[str, Prompt],
    device: torch.device | str,
    batch_tokens: int = 4096,
    threshold: float = 0.5,
    nested: bool = False,
) -> list[list[Span]]:
    """Spans of every row of a token table, of every type, by the rule of ``cofee_dist.model.decode``.

    Args:
        model: A ``SpanExtractor`` (unwrapped), already on ``device``; its training mode is restored.
        tokens: Sentences, tokenised without special tokens.
        prompts: Type to prompt; their order breaks the decoder's last ties.
        device: Where the batches go.
        batch_tokens: Padded tokens of a forward pass (more only where a single window has more).
        threshold: 0.5 to predict, delta to pick.
        nested: Keep overlapping spans.

    Returns:
        For each row (start, end, type, score), ordered by start, end and type; character offsets, half-open.
        A position is judged in the window in which it has most context.

    Raises:
        UserError: A question leaves fewer than ``MIN_ROOM_TOKENS`` for the sentence.
    """
    names, of_type = list(prompts), list(prompts.values())
    room = np.array([_room(model, name, prompt) for name, prompt in prompts.items()], dtype=np.int64)
    # A decoder's row is a (sentence, type): sentence r // types, type r % types.
    sentence_r = np.repeat(np.arange(len(tokens)), len(names))
    type_r = np.tile(np.arange(len(names)), len(tokens))
    windows = cut_windows(tokens.lengths[sentence_r], room[type_r])

    starts: list[Candidates] = []
    ends: list[Candidates] = []
    with _evaluating(model), torch.inference_mode():
        for chosen, probabilities_2bt, owned_bt, shift_b in _scored(
            model, tokens, windows, sentence_r, of_type, type_r, torch.device(device), batch_tokens
        ):
            for found, probability_bt in zip((starts, ends), probabilities_2bt, strict=True):
                local = find_candidates(probability_bt, owned_bt, threshold)
                row, position = windows.sentence[chosen[local.row]], local.position + shift_b[local.row]
                piece = tokens.splits[sentence_r[row]] + position
                # Pieces of white space have no characters: no entity begins or ends there.
                written = tokens.starts[piece] < tokens.ends[piece]
                found.append(Candidates(row[written], position[written], local.probability[written]))
    spans = decode(Candidates.concatenate(starts), Candidates.concatenate(ends), sentence_r, type_r, nested)

    return _in_characters(spans, tokens, names, sentence_r, type_r)


def _in_characters(
    spans: Spans,
    tokens: TokenTable,
    names: list[str],
    sentence_r: NDArray[np.int64],
    type_r: NDArray[np.int64],
) -> list[list[Span]]:
    sentence, which = sentence_r[spans.row], type_r[spans.row]
    start = tokens.starts[tokens.splits[sentence] + spans.start]
    end = tokens.ends[tokens.splits[sentence] + spans.end]
    result: list[list[Span]] = [[] for _ in range(len(tokens))]
    last: tuple[int, ...] = ()
    for at in np.lexsort((-spans.score, which, end, start, sentence)).tolist():
        key = (int(sentence[at]), int(start[at]), int(end[at]), int(which[at]))
        # Several pieces may share one character (byte-level tokenizers): the same span twice is one.
        if key != last:
            result[key[0]].append((key[1], key[2], names[key[3]], float(spans.score[at])))
        last = key
    return result


def _room(model: SpanExtractor, name: str, prompt: Prompt) -> int:
    limit = model.config.max_length_tokens
    room = limit - len(prompt)
    if room < MIN_ROOM_TOKENS:
        raise UserError(
            f"the question of type {name!r} takes {len(prompt)} of {limit} tokens; a sentence needs at least "
            f"{MIN_ROOM_TOKENS}",
            fix="shorten the question, or raise max_length_tokens",
        )
    return room


Scored = tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.bool_], NDArray[np.int64]]


def _scored(
    model: SpanExtractor,
    tokens: TokenTable,
    windows: Windows,
    sentence_r: NDArray[np.int64],
    prompts: list[Prompt],
    type_r: NDArray[np.int64],
    device: torch.device,
    batch_tokens: int,
) -> Iterator[Scored]:
    """Batch by batch: the windows in it, p(start) and p(end), which positions they own, and t to sentence position.

    One batch is always under way: while the device computes it, the host decodes the one before.
    """
    begins = tokens.splits[sentence_r[windows.sentence]] + windows.start
    prompt_w = type_r[windows.sentence]
    widths = windows.length + np.array([len(prompt) for prompt in prompts], dtype=np.int64)[prompt_w]
    pad_id = getattr(model.config.encoder, "pad_token_id", None) or 0
    waiting: tuple[NDArray[np.int64], Inputs, Tensor, torch.cuda.Event | None] | None = None
    for chosen in length_batches(np.arange(len(widths)), widths, batch_tokens):
        inputs = collate_inputs(tokens, begins[chosen], windows.length[chosen], prompts, prompt_w[chosen], pad_id)
        under_way = (chosen, inputs, *_forward(model, inputs, device))
        if waiting is not None:
            yield _arrived(windows, *waiting)
        waiting = under_way
    if waiting is not None:
        yield _arrived(windows, *waiting)


def _forward(model: SpanExtractor, inputs: Inputs, device: torch.device) -> tuple[Tensor, torch.cuda.Event | None]:
    """p(start) and p(end) on their way to the host (2, b, t); the event tells when they are there."""
    given = (inputs.input_ids_bt, inputs.attention_mask_bt, inputs.token_type_ids_bt)
    output = model(*(to_device(tensor, device) for tensor in given))
    probabilities_2bt = torch.stack(
        [span_probabilities(output.start_logits_bt2), span_probabilities(output.end_logits_bt2)]
    )
    if device.type != "cuda":
        return probabilities_2bt.cpu(), None
    host = torch.empty(probabilities_2bt.shape, dtype=torch.float32, pin_memory=True)
    host.copy_(probabilities_2bt, non_blocking=True)
    event = torch.cuda.Event()
    event.record()
    return host, event


def _arrived(
    windows: Windows,
    chosen: NDArray[np.int64],
    inputs: Inputs,
    probabilities_2bt: Tensor,
    event: torch.cuda.Event | None,
) -> Scored:
    if event is not None:
        event.synchronize()
    offset_b = inputs.sentence_offset_b.numpy()
    shift_b = windows.start[chosen] - offset_b
    position_bt = np.arange(inputs.positions_bt.shape[1])[None, :] + shift_b[:, None]
    owned_bt = (position_bt >= windows.owned_start[chosen, None]) & (position_bt < windows.owned_end[chosen, None])
    return chosen, probabilities_2bt.numpy(), owned_bt & inputs.positions_bt.numpy(), shift_b


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Dropout off, and afterwards each module as it was."""
    were_training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in were_training:
            module.training = True
