"""One rank's part in a stage: load what it needs from disk, train, leave the model and a result."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from cofee_dist.artifacts import write_json
from cofee_dist.batches.dataset import build_dataset
from cofee_dist.batches.tokens import tokenize
from cofee_dist.config import Config, Esi, Fet, LabelledFile, Nee, Stage
from cofee_dist.errors import UserError
from cofee_dist.evaluate.readers import read_labelled
from cofee_dist.labels.esi import esi_labels
from cofee_dist.labels.ledger import read_iteration, to_sentences
from cofee_dist.labels.sampling import hold_out, key_hashes, sample_rows
from cofee_dist.model.span_extractor import SpanExtractor
from cofee_dist.schemas import ENTITY, KEY, SENTENCES, LabelledSentence
from cofee_dist.tracking import log_metrics, tracking_uri
from cofee_dist.train.checkpoint import Checkpoints
from cofee_dist.train.engine import Engine, TorchEngine, device_of
from cofee_dist.train.loop import StagePolicy, TrainingLoop
from cofee_dist.train.memory import out_of_memory_told
from cofee_dist.train.metrics import MetricsLog
from cofee_dist.train.stage_esi import EsiPolicy
from cofee_dist.train.stage_fet import FetPolicy
from cofee_dist.train.stage_nee import NeePolicy
from cofee_dist.train.startup import STARTUP, StartUp
from cofee_dist.train.validate import Extraction, Validation

METRICS = "metrics.jsonl"
RESULT = "result.json"
CHECKPOINTS = "checkpoints"
_MAX_HELD_OUT = 500


@dataclass(frozen=True)
class StageJob:
    """What a worker is told: small, picklable, paths instead of data.

    ``settings`` is the stage's part of the config and says which stage it is; an ablation changes it. ``data`` is
    the folder of D_g for ESI and of a label ledger for NEE and FET, ``iteration`` the label set in it.
    ``mlflow_run`` is the run that rank 0 logs metrics to; ``launched``, when someone began to wait.
    """

    name: str
    config: Config
    settings: Esi | Nee | Fet
    folder: Path
    init_model: Path
    data: Path
    validation: LabelledFile
    iteration: int = 0
    mlflow_run: str | None = None
    launched: float = field(default_factory=time.time)


def run_stage(job: StageJob, starting: StartUp | None = None) -> dict[str, Any]:
    """Train a stage as one rank; returns what the manifest tells, the same on every rank."""
    with out_of_memory_told(job.config, job.name):
        return _run_stage(job, starting or StartUp(job.launched))


def _run_stage(job: StageJob, starting: StartUp) -> dict[str, Any]:
    config = job.config
    if config.engine.cpu_threads is not None:
        torch.set_num_threads(config.engine.cpu_threads)
    model = SpanExtractor.from_pretrained(job.init_model)
    if isinstance(job.settings, Fet):
        model.set_clusters(job.settings.clusters, seed=config.seed)
    starting.until("model")
    engine = make_engine(model, config, job.settings)
    starting.until("engine")
    policy = _policy(job, engine, model)
    starting.until("data")
    starting.path = job.folder / STARTUP if engine.rank == 0 else None
    checkpoints = Checkpoints(job.folder / CHECKPOINTS, engine)
    forward = partial(log_metrics, tracking_uri(config), job.mlflow_run)
    log = MetricsLog(job.folder / METRICS, active=engine.rank == 0, forward=forward)
    position = TrainingLoop(policy, engine, job.settings, config.engine, checkpoints, log, config.seed, starting).run()
    result = {"epochs": position.epoch, "steps": position.global_step, **policy.finish()}
    if engine.rank == 0:
        write_json(job.folder / RESULT, result)
    checkpoints.remove()
    return result


def _policy(job: StageJob, engine: Engine, model: SpanExtractor) -> StagePolicy:
    match job.settings:
        case Esi():
            return _esi(job, job.settings, engine, model)
        case Nee():
            return _nee(job, job.settings, engine, model)
        case Fet():
            return _fet(job, job.settings, engine, model)


def make_engine(model: SpanExtractor, config: Config, stage: Stage) -> Engine:
    """The engine that the config names.

    Raises:
        UserError: fp16 without a GPU, or activation checkpointing of an encoder that has none.
    """
    if config.engine.precision == "fp16" and device_of(config.engine).type != "cuda":
        raise UserError(
            "fp16 needs a GPU", where="engine.precision", fix="set engine.precision to bf16 or fp32, or use a GPU"
        )
    if config.engine.name == "deepspeed":
        from cofee_dist.train.deepspeed_engine import DeepSpeedEngine

        return DeepSpeedEngine(model, config.engine, stage)
    return TorchEngine(model, config.engine, stage)


def _esi(job: StageJob, stage: Esi, engine: Engine, model: SpanExtractor) -> StagePolicy:
    config = job.config
    table = esi_labels(read_sentences(job.data), stage.min_anchors, stage.max_sentences, config.seed)
    training, held_out = hold_out(to_sentences(table), config.evaluation.held_out_share, config.seed)
    questions = {ENTITY: config.task.entity_question}
    validation = _validation(job, engine, model, held_out[:_MAX_HELD_OUT], questions)
    data = build_dataset(model.tokenizer, training, questions, config.encoder.max_length_tokens)
    return EsiPolicy(job.name, engine, model, data, validation, job.folder)


def _nee(job: StageJob, stage: Nee, engine: Engine, model: SpanExtractor) -> StagePolicy:
    config = job.config
    weak = _labels(job)
    texts = [sentence.text for sentence in weak]
    tokens = tokenize(model.tokenizer, texts)
    extraction = Extraction(engine, model.tokenizer, texts, config.questions, config.engine.micro_batch_tokens, tokens)
    build = partial(
        build_dataset,
        model.tokenizer,
        questions=config.questions,
        max_length_tokens=config.encoder.max_length_tokens,
        tokens=tokens,
    )
    validation = _validation(job, engine, model, _gold(job), config.questions)
    return NeePolicy(job.name, engine, model, stage, weak, build, extraction, validation, job.folder)


def _fet(job: StageJob, stage: Fet, engine: Engine, model: SpanExtractor) -> StagePolicy:
    config = job.config
    sentences = _labels(job)
    data = build_dataset(model.tokenizer, sentences, config.questions, config.encoder.max_length_tokens)
    validation = _validation(job, engine, model, _gold(job), config.questions)
    batch_tokens, seed = config.engine.micro_batch_tokens, config.seed
    return FetPolicy(job.name, engine, model, stage, sentences, data, validation, job.folder, batch_tokens, seed)


def _labels(job: StageJob) -> list[LabelledSentence]:
    return read_labels(job.data, job.iteration, job.settings.max_sentences, job.config.seed)


def read_labels(ledger: Path, iteration: int, max_sentences: int | None, seed: int) -> list[LabelledSentence]:
    """The sentences of a label set that a stage trains on: all, or a sample of ``max_sentences``."""
    table = read_iteration(ledger, iteration)
    if max_sentences is not None:
        page_ids, indices = (table.column(name).to_numpy() for name in KEY)
        table = table.take(sample_rows(key_hashes(page_ids, indices, seed), max_sentences))
    return to_sentences(table)


def _gold(job: StageJob) -> list[LabelledSentence]:
    sentences = read_labelled(job.validation, job.config.task.types)
    return sentences[: job.config.evaluation.max_validation_sentences]


def read_sentences(folder: Path) -> pa.Table:
    """D_g (schemas.SENTENCES), file by file in their order."""
    files = sorted(folder.glob("*.parquet"))
    return pa.concat_tables([pq.ParquetFile(file).read(columns=SENTENCES.names) for file in files]).cast(SENTENCES)


def _validation(
    job: StageJob, engine: Engine, model: SpanExtractor, gold: list[LabelledSentence], questions: dict[str, str]
) -> Validation:
    config = job.config
    texts = [sentence.text for sentence in gold]
    extraction = Extraction(engine, model.tokenizer, texts, questions, config.engine.micro_batch_tokens)
    return Validation(extraction, gold, config.evaluation.threshold, config.evaluation.nested)
