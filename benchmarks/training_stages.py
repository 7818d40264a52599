"""What is measured of training as it is under DeepSpeed, and of re-labelling as the stage NEE does it."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.training_systems import STAGE, BareForward, BareLoop, Extraction, OurLoop, Run, Work, engine_of, timed
from cofee_dist.batches.collate import Batch
from cofee_dist.config import Nee
from cofee_dist.labels.blocks import block_rows, write_blocks
from cofee_dist.labels.ledger import from_sentences, read_blocks
from cofee_dist.model.span_extractor import SpanOutput
from cofee_dist.schemas import LabelledSentence
from cofee_dist.train.deepspeed_engine import DeepSpeedEngine
from cofee_dist.train.engine import parameter_groups
from cofee_dist.train.examples import Examples
from cofee_dist.train.stage_nee import LEDGER, NeePolicy
from cofee_dist.train.validate import Extraction as StageExtraction

#: Blocks are those of a corpus with so many sentences; fewer have smaller ones, and more padding.
_SENTENCES = 1_000_000


class Picking:
    """Self-picking's pass over D_s: reads the ledger, labels block by block, picks, writes Parquet."""

    def __init__(self, extraction: Extraction, sentences: Sequence[LabelledSentence], folder: Path) -> None:
        work = self.work = extraction.work
        questions = {kind: work.model.config.types[kind] for kind in work.dataset.types}
        engine, tokenizer, longest = engine_of(work), work.model.tokenizer, work.dataset.max_length_tokens
        write_blocks(folder / LEDGER, 0, [from_sentences(sentences)], block_rows(_SENTENCES))
        weak = partial(read_blocks, folder / LEDGER, 0)
        examples = Examples(folder / "examples", 0, tokenizer, questions, longest, weak)
        extract = StageExtraction(engine, tokenizer, questions, work.config.micro_batch_tokens)
        stage = Nee(picking="union", picking_threshold=extraction.threshold)
        validation: Any = None  # Asked at the end of an epoch, and there is none.
        self.policy = NeePolicy("benchmark", engine, engine.module, stage, examples, extract, validation, folder)
        # What trained on the labels before has been tokenised then.
        self.policy.dataset(0)
        self.bare: BareForward = extraction.bare

    def run(self) -> Run:
        """All sentences once: another iteration of the ledger."""
        return timed(self.work.device, self._run)

    def _run(self) -> int:
        self.policy._pick()
        return int(self.work.dataset.input_lengths.sum())


class OurLoopOnDeepSpeed(OurLoop):
    """``train_step`` on the DeepSpeed engine, one process, ZeRO-1."""

    def __init__(self, work: Work) -> None:
        super().__init__(work, DeepSpeedEngine(copy.deepcopy(work.model), work.config, STAGE))


class BareDeepSpeed(BareLoop):
    """DeepSpeed's own calls over batches that lie ready on the device; settings as our engine's."""

    def __init__(self, work: Work, steps: Sequence[Sequence[Batch]]) -> None:
        import deepspeed

        super().__init__(work, steps)
        settings = {
            "zero_optimization": {"stage": 1},
            "train_micro_batch_size_per_gpu": 1,
            "managed_gradient_accumulation": False,
            "gradient_clipping": STAGE.max_gradient_norm,
            "zero_allow_untested_optimizer": True,
            "zero_force_ds_cpu_optimizer": False,
            "fp16": {"enabled": work.config.precision == "fp16"},
        }
        optimizer = torch.optim.AdamW(parameter_groups(self.model, STAGE.weight_decay), STAGE.learning_rate, fused=True)
        self.engine, *_ = deepspeed.initialize(model=self.model, optimizer=optimizer, config=settings)

    def forward(self, *given: Tensor) -> SpanOutput:
        """See BareLoop."""
        return self.engine(*given)

    def backward(self, loss: Tensor) -> None:
        """See BareLoop."""
        self.engine.backward(loss)

    def update(self) -> None:
        """See BareLoop."""
        self.engine.step()
