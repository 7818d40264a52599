"""What is measured: our loop and its peers over the same sentences, re-labelling and embedding over the same inputs.

Each is made before the clock and run many times; a run gives its seconds and the real tokens that it went through,
those of questions and sentences and not padding. ``run()`` waits for the device.
"""

from __future__ import annotations

import copy
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from cofee_dist.batches.collate import Batch, Inputs, collate, collate_inputs
from cofee_dist.batches.dataset import SpanDataset
from cofee_dist.batches.order import deal, length_batches, micro_batches
from cofee_dist.config import Engine as EngineConfig
from cofee_dist.config import Esi
from cofee_dist.mining.embeddings import embed_entities
from cofee_dist.model.losses import span_loss, span_probabilities
from cofee_dist.model.predict import extract_spans
from cofee_dist.model.span_extractor import SpanExtractor, SpanOutput
from cofee_dist.train.engine import Engine, TorchEngine, autocast, device_of, parameter_groups
from cofee_dist.train.flops import ModelFlops, peak_flops
from cofee_dist.train.loop import StepTotals, train_step
from cofee_dist.train.meter import Meter
from cofee_dist.train.stage_esi import mrc_loss

STAGE = Esi(epochs=1, learning_rate=1e-5)
_TARGETS = ("token_type_ids_bt", "positions_bt", "start_targets_bt", "end_targets_bt")


class Run(NamedTuple):
    """Of one run."""

    seconds: float
    tokens: int


@dataclass(frozen=True)
class Work:
    """A model, the examples of each optimizer step, and how the engine is to run them.

    Every system copies the model, so its encoder is to be set up as the config says (``set_up_encoder``).
    """

    model: SpanExtractor
    dataset: SpanDataset
    steps: tuple[NDArray[np.int64], ...]
    config: EngineConfig

    @property
    def device(self) -> torch.device:
        """Where it runs."""
        return device_of(self.config)

    @property
    def cut_into(self) -> int:
        """Micro-batches of a step."""
        return micro_batches(self.config.batch_tokens, self.config.micro_batch_tokens, 1)

    @property
    def tokens(self) -> int:
        """Real tokens of all steps."""
        return int(self.dataset.input_lengths[np.concatenate(self.steps)].sum())


class StageLoss:
    """The loss of ESI and NEE."""

    name = "benchmark"

    def loss(self, output: SpanOutput, batch: Batch, totals: StepTotals) -> dict[str, Tensor]:
        """See cofee_dist.train.loop.StageLoss."""
        return {"loss": mrc_loss(output, batch, totals)}


def timed(device: torch.device, run: Callable[[], int]) -> Run:
    """Seconds until the device has done what ``run`` asks for; it returns the tokens."""
    wait(device)
    began = time.perf_counter()
    tokens = run()
    wait(device)
    return Run(time.perf_counter() - began, tokens)


def wait(device: torch.device) -> None:
    """Until the device has done all that was asked of it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def engine_of(work: Work) -> TorchEngine:
    """An engine with a model of its own."""
    return TorchEngine(copy.deepcopy(work.model), work.config, STAGE)


class OurLoop:
    """``train_step`` on an engine, torch's if none is given, with the meter and the checks that training has."""

    def __init__(self, work: Work, engine: Engine | None = None) -> None:
        self.work = work
        self.engine: Engine = engine or engine_of(work)

    def run(self) -> Run:
        """All steps once."""
        return timed(self.work.device, self._run)

    def _run(self) -> int:
        work, engine = self.work, self.engine
        engine.module.train()
        lengths = work.dataset.input_lengths
        meter = Meter(work.device, ModelFlops.of(engine.module), peak_flops(work.device, work.config.precision))
        for number, step in enumerate(work.steps):
            rate, parts = STAGE.learning_rate, work.cut_into
            train_step(StageLoss(), work.dataset, lengths, step, engine, parts, rate, meter, number)
        meter.metrics()
        return meter.tokens


class BareLoop:
    """Forward, loss, backward, clipping and fused AdamW over batches that lie ready on the device."""

    def __init__(self, work: Work, steps: Sequence[Sequence[Batch]]) -> None:
        self.work = work
        self.steps = [[batch.to(work.device) for batch in batches] for batches in steps]
        self.model = copy.deepcopy(work.model).to(work.device)
        groups = parameter_groups(self.model, STAGE.weight_decay)
        self.optimizer = torch.optim.AdamW(groups, lr=STAGE.learning_rate, fused=True)

    def run(self) -> Run:
        """All steps once."""
        return timed(self.work.device, self._run)

    def _run(self) -> int:
        config = self.work.config
        self.model.train()
        for batches, examples in zip(self.steps, self.work.steps, strict=True):
            totals = StepTotals(int(self.work.dataset.sentence_lengths_of(examples).sum()), 0)
            for batch in batches:
                with autocast(self.work.device, config):
                    output = self.forward(batch.input_ids_bt, batch.attention_mask_bt, batch.token_type_ids_bt)
                self.backward(mrc_loss(output, batch, totals))
            self.update()
        return self.work.tokens

    def forward(self, *given: Tensor) -> SpanOutput:
        """Of a micro-batch."""
        output: SpanOutput = self.model(*given)
        return output

    def backward(self, loss: Tensor) -> None:
        """Add its gradients."""
        loss.backward()

    def update(self) -> None:
        """Clip, update, clear."""
        nn.utils.clip_grad_norm_(self.model.parameters(), STAGE.max_gradient_norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)


def same_batches(work: Work) -> list[list[Batch]]:
    """The micro-batches that our loop makes."""
    lengths = work.dataset.input_lengths
    shares = [deal(step, lengths, work.cut_into, 0, 1) for step in work.steps]
    return [[collate(work.dataset, part) for part in parts if len(part)] for parts in shares]


def padded_batches(work: Work, width: int) -> list[list[Batch]]:
    """The same steps with every input padded to ``width``, in micro-batches of as many padded tokens."""
    most = max(1, work.config.micro_batch_tokens // width)
    return [
        [
            _padded(collate(work.dataset, step[at : at + most]), width, work.dataset.pad_id)
            for at in range(0, len(step), most)
        ]
        for step in work.steps
    ]


def _padded(batch: Batch, width: int, pad_id: int) -> Batch:
    further = width - batch.input_ids_bt.shape[1]
    fill = {name: 0 for name in ("attention_mask_bt", *_TARGETS)} | {"input_ids_bt": pad_id}
    return replace(batch, **{name: F.pad(getattr(batch, name), (0, further), value=fill[name]) for name in fill})


class HuggingFaceTrainer:
    """The Trainer as one uses it: a fixed number of examples a batch, padded to the longest of them."""

    def __init__(self, work: Work, grouped: bool) -> None:
        self.work = work
        self.model = _WithLoss(copy.deepcopy(work.model))
        self.micro_batches = max(1, round(work.config.batch_tokens / work.config.micro_batch_tokens))
        examples = sum(len(step) for step in work.steps) / len(work.steps)
        self.batch_size = max(1, round(examples / self.micro_batches))
        self.data = [_features(work.dataset, example) for example in self._examples(grouped)]

    def _examples(self, grouped: bool) -> NDArray[np.int64]:
        """What the Trainer's own sampler would give in some steps of an epoch; its first ones are not typical."""
        from transformers.trainer_pt_utils import get_length_grouped_indices

        lengths, size = self.work.dataset.input_lengths.tolist(), self.batch_size * self.micro_batches
        generator = torch.Generator().manual_seed(0)
        order = get_length_grouped_indices(lengths, size, generator=generator) if grouped else None
        indices = np.array(order) if order is not None else np.random.default_rng(0).permutation(len(lengths))
        batches = [indices[at : at + size] for at in range(0, len(indices) - size + 1, size)]
        chosen = np.random.default_rng(1).permutation(len(batches))[: len(self.work.steps)]
        return np.concatenate([batches[at] for at in chosen])

    def run(self) -> Run:
        """As many steps as ours, from the first batch's request to the last update."""
        from transformers import Trainer, TrainerCallback, TrainingArguments
        from transformers.trainer_callback import PrinterCallback

        began = ended = 0.0
        device = self.work.device

        class Clock(TrainerCallback):
            def on_train_begin(self, *_: Any, **__: Any) -> None:
                nonlocal began
                wait(device)
                began = time.perf_counter()

            def on_train_end(self, *_: Any, **__: Any) -> None:
                nonlocal ended
                wait(device)
                ended = time.perf_counter()

        with tempfile.TemporaryDirectory() as folder:
            arguments = TrainingArguments(
                output_dir=folder,
                max_steps=len(self.work.steps),
                per_device_train_batch_size=self.batch_size,
                gradient_accumulation_steps=self.micro_batches,
                train_sampling_strategy="sequential",
                learning_rate=STAGE.learning_rate,
                weight_decay=STAGE.weight_decay,
                max_grad_norm=STAGE.max_gradient_norm,
                optim="adamw_torch_fused",
                bf16=self.work.config.precision == "bf16",
                fp16=self.work.config.precision == "fp16",
                use_cpu=device.type == "cpu",
                save_strategy="no",
                logging_strategy="no",
                report_to=[],
                disable_tqdm=True,
                remove_unused_columns=False,
            )
            collator = partial(_padded_to_longest, pad_id=self.work.dataset.pad_id)
            trainer = Trainer(self.model, arguments, collator, train_dataset=self.data, callbacks=[Clock()])
            trainer.remove_callback(PrinterCallback)
            trainer.train()
        return Run(ended - began, sum(len(features["input_ids_bt"]) for features in self.data))


class _WithLoss(nn.Module):
    """The Trainer wants the loss from the model."""

    def __init__(self, model: SpanExtractor) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids_bt: Tensor, attention_mask_bt: Tensor, **targets: Tensor) -> dict[str, Tensor]:
        output = self.model(input_ids_bt, attention_mask_bt, targets["token_type_ids_bt"])
        positions_bt = targets["positions_bt"].bool()
        start_bt, end_bt = targets["start_targets_bt"], targets["end_targets_bt"]
        heads = output.start_logits_bt2, output.end_logits_bt2
        return {"loss": span_loss(*heads, start_bt, end_bt, positions_bt, positions_bt.sum())}  # type: ignore[arg-type]


def _features(dataset: SpanDataset, example: int) -> dict[str, list[int]]:
    batch = collate(dataset, np.array([example]))
    return {name: getattr(batch, name)[0].tolist() for name in ("input_ids_bt", "attention_mask_bt", *_TARGETS)}


def _padded_to_longest(features: list[dict[str, list[int]]], pad_id: int) -> dict[str, Tensor]:
    width = max(len(one["input_ids_bt"]) for one in features)
    fill = {"input_ids_bt": pad_id}
    return {
        name: torch.tensor([one[name] + [fill.get(name, 0)] * (width - len(one[name])) for one in features])
        for name in features[0]
    }


class Extraction:
    """Re-labelling: ``extract_spans``, at a threshold that finds about as many starts as there are labels."""

    def __init__(self, work: Work) -> None:
        self.work, self.model = work, copy.deepcopy(work.model).to(work.device)
        self.prompts = dict(zip(work.dataset.types, work.dataset.prompts, strict=True))
        self.bare = BareForward(work, self.model, _inputs_of(work))
        self.threshold = self._threshold()

    def _threshold(self) -> float:
        probabilities = []
        with torch.inference_mode():
            for inputs in self.bare.batches:
                output = self.model.eval()(inputs.input_ids_bt, inputs.attention_mask_bt, inputs.token_type_ids_bt)
                found = span_probabilities(output.start_logits_bt2)[inputs.positions_bt]
                probabilities.append(found.cpu())
        share = len(self.work.dataset.first) / float(self.work.dataset.sentence_lengths.sum()) or 0.05
        # Sorted on the host: torch.quantile takes no more than 16 M numbers.
        return float(np.quantile(torch.cat(probabilities).numpy(), 1 - share))

    def run(self) -> Run:
        """All sentences once."""
        return timed(self.work.device, self._run)

    def _run(self) -> int:
        work = self.work
        with autocast(work.device, work.config):
            size, device = work.config.micro_batch_tokens, work.device
            extract_spans(self.model, work.dataset.tokens, self.prompts, device, size, self.threshold)
        return int(work.dataset.input_lengths.sum())


class Embedding:
    """``embed_entities`` into a file."""

    def __init__(self, work: Work) -> None:
        self.work, self.model = work, copy.deepcopy(work.model).to(work.device)
        dataset = work.dataset
        self.examples = np.flatnonzero(dataset.entity_counts)
        batches = length_batches(self.examples, dataset.input_lengths, work.config.micro_batch_tokens)
        self.bare = BareForward(work, self.model, [collate(dataset, batch) for batch in batches])

    def run(self) -> Run:
        """All entities once."""
        return timed(self.work.device, self._run)

    def _run(self) -> int:
        work = self.work
        with tempfile.TemporaryDirectory() as folder, autocast(work.device, work.config):
            path = Path(folder) / "embeddings.npy"
            embed_entities(self.model, work.dataset, work.device, work.config.micro_batch_tokens, path)
        return int(work.dataset.input_lengths[self.examples].sum())


class BareForward:
    """Forward passes without gradients over inputs that lie ready on the device."""

    def __init__(self, work: Work, model: SpanExtractor, batches: Sequence[Inputs]) -> None:
        self.work, self.model = work, model
        names = ("input_ids_bt", "attention_mask_bt", "token_type_ids_bt", "positions_bt", "sentence_offset_b")
        self.batches = [Inputs(*(getattr(batch, name).to(work.device) for name in names)) for batch in batches]
        self.tokens = sum(int(batch.attention_mask_bt.sum()) for batch in batches)

    def run(self) -> Run:
        """All inputs once."""
        return timed(self.work.device, self._run)

    def _run(self) -> int:
        self.model.eval()
        with torch.inference_mode(), autocast(self.work.device, self.work.config):
            for inputs in self.batches:
                self.model(inputs.input_ids_bt, inputs.attention_mask_bt, inputs.token_type_ids_bt)
        return self.tokens


def _inputs_of(work: Work) -> list[Inputs]:
    """The batches of ``extract_spans``, where every sentence fits into one window."""
    dataset, tokens = work.dataset, work.dataset.tokens
    rows, columns = np.divmod(np.arange(len(dataset)), len(dataset.prompts))
    batches = length_batches(np.arange(len(dataset)), dataset.input_lengths, work.config.micro_batch_tokens)
    return [
        collate_inputs(
            tokens, tokens.splits[rows[at]], tokens.lengths[rows[at]], dataset.prompts, columns[at], dataset.pad_id
        )
        for at in batches
    ]
