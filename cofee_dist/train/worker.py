"""One rank's part in a stage: load what it needs from disk, train, leave the model and a result."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch

from cofee_dist.artifacts import write_json
from cofee_dist.config import Config, Esi, Fet, LabelledFile, Nee, Stage
from cofee_dist.errors import UserError
from cofee_dist.model.span_extractor import SpanExtractor
from cofee_dist.tracking import log_metrics, tracking_uri
from cofee_dist.train.best import check_model
from cofee_dist.train.checkpoint import Checkpoints, Origin
from cofee_dist.train.engine import Engine, TorchEngine, device_of
from cofee_dist.train.loop import StagePolicy, TrainingLoop
from cofee_dist.train.memory import out_of_memory_told
from cofee_dist.train.metrics import MetricsLog
from cofee_dist.train.stage_data import StageData
from cofee_dist.train.stage_esi import EsiPolicy
from cofee_dist.train.stage_fet import FetPolicy
from cofee_dist.train.stage_nee import NeePolicy
from cofee_dist.train.startup import STARTUP, StartUp
from cofee_dist.train.validate import Extraction, Validation

METRICS = "metrics.jsonl"
RESULT = "result.json"
CHECKPOINTS = "checkpoints"


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
    with out_of_memory_told(job.config, job.name, job.settings):
        return _run_stage(job, starting or StartUp(job.launched))


def _run_stage(job: StageJob, starting: StartUp) -> dict[str, Any]:
    config = job.config
    if config.engine.cpu_threads is not None:
        torch.set_num_threads(config.engine.cpu_threads)
    check_model(job.init_model)
    model = SpanExtractor.from_pretrained(job.init_model)
    if isinstance(job.settings, Fet):
        model.set_clusters(job.settings.clusters, seed=config.seed)
    starting.until("model")
    engine = make_engine(model, config, job.settings)
    starting.until("engine")
    data = StageData(job, engine.rank, model.tokenizer)
    policy = _policy(job, data, engine, model)
    starting.until("data")
    starting.path = job.folder / STARTUP if engine.rank == 0 else None
    origin = Origin.of(config, job.settings, job.iteration, job.mlflow_run)
    checkpoints = Checkpoints(job.folder / CHECKPOINTS, engine, config.engine.checkpoints_kept, origin)
    forward = partial(log_metrics, tracking_uri(config), job.mlflow_run)
    log = MetricsLog(job.folder / METRICS, active=engine.rank == 0, forward=forward)
    loop = TrainingLoop(policy, engine, job.settings, config.engine, checkpoints, log, config.seed, starting)
    with checkpoints:
        position = loop.run()
    result = {"epochs": position.epoch, "steps": position.global_step, **policy.finish()}
    if engine.rank == 0:
        write_json(job.folder / RESULT, result)
    checkpoints.remove()
    data.examples.remove()
    return result


def _policy(job: StageJob, data: StageData, engine: Engine, model: SpanExtractor) -> StagePolicy:
    config, batch_tokens = job.config, job.config.engine.micro_batch_tokens
    extraction = Extraction(engine, model.tokenizer, data.questions, batch_tokens)
    threshold, nested = config.evaluation.threshold, config.evaluation.nested
    validation = Validation(engine, extraction, model.tokenizer, data.validation, threshold, nested)
    match job.settings:
        case Esi():
            return EsiPolicy(job.name, engine, model, data.examples, validation, job.folder)
        case Nee() as nee:
            return NeePolicy(job.name, engine, model, nee, data.examples, extraction, validation, job.folder)
        case Fet() as fet:
            return FetPolicy(
                job.name, engine, model, fet, data.examples, validation, job.folder, batch_tokens, config.seed
            )


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
