"""The training stages and their ablations: which model each begins with, which labels it trains on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cofee_dist.artifacts import path_digest
from cofee_dist.config import Config, Esi, Fet, Nee
from cofee_dist.pipeline.data import validation_file
from cofee_dist.pipeline.inputs import digest_of_input
from cofee_dist.pipeline.progress import StageProgress, count
from cofee_dist.pipeline.runner import Runner


def base_stage(runner: Runner) -> Path:
    """The untrained model that every training begins with; a random encoder's vocabulary wants the sentences first."""
    config = runner.config
    inputs: dict[str, str] = {}
    read = [stage for stage in ("corpus", "texts") if config.encoder.scratch is not None and stage in runner.manifests]
    if config.encoder.scratch is not None:
        inputs |= {stage: runner.fingerprint(stage) for stage in read}
    elif config.encoder.name is not None and Path(config.encoder.name).is_dir():
        inputs[config.encoder.name] = path_digest(config.encoder.name)

    def build(folder: Path, shown: StageProgress) -> Mapping[str, Any]:
        from cofee_dist.train.base_model import make_base_model
        from cofee_dist.train.stage_data import read_sentences

        texts: list[str] = []
        for stage in read:
            for table in read_sentences(config.run_folder / stage / "sentences"):
                texts += table.column("text").to_pylist()
        texts += config.questions.values()
        return make_base_model(config, texts, folder / "model")

    settings = {
        "encoder": config.encoder.model_dump(mode="json"),
        "questions": config.questions,
        "entity_question": config.task.entity_question,
        "threshold": config.evaluation.threshold,
        "nested": config.evaluation.nested,
        "seed": config.seed,
    }
    return runner.stage("base", settings, inputs, build, lambda counts: f"{count(counts['parameters'])} parameters")


def training_stage(
    runner: Runner,
    name: str,
    settings: Esi | Nee | Fet,
    begins_with: str,
    data: Path,
    data_stage: str,
    iteration: int = 0,
    apart: bool = False,
) -> Path:
    """Train one stage under Ray Train.

    Args:
        runner: of the run.
        name: of the stage and its folder.
        settings: which stage it is, and how it trains.
        begins_with: the stage whose model it starts from.
        data: folder of D_g (ESI) or of a label ledger (NEE, FET).
        data_stage: the stage that wrote ``data``.
        iteration: the label set in the ledger.
        apart: train in a process of its own, beside another stage in this one.
    """
    config = runner.config
    validation = validation_file(config)
    inputs = {begins_with: runner.fingerprint(begins_with), data_stage: runner.fingerprint(data_stage)}
    if not isinstance(settings, Esi):
        inputs[validation.path] = digest_of_input(validation.path, "the validation file")
    # Checkpoints are of one engine and one way to shard.
    way: dict[str, Any] = {"engine": config.engine.name, "deepspeed": None}
    if config.engine.deepspeed_config is not None:
        way["deepspeed"] = digest_of_input(config.engine.deepspeed_config, "the DeepSpeed config")

    def build(folder: Path, shown: StageProgress) -> Mapping[str, Any]:
        from cofee_dist.train.memory import killed_workers_told
        from cofee_dist.train.ray_worker import fit, fit_apart
        from cofee_dist.train.worker import METRICS, StageJob

        job = StageJob(
            name=name,
            config=config,
            settings=settings,
            folder=folder,
            init_model=config.run_folder / begins_with / "model",
            data=data,
            validation=validation,
            iteration=iteration,
            mlflow_run=runner.tracker.run_id(name),
        )
        with shown.follow(folder / METRICS), killed_workers_told(config, name, settings):
            # DeepSpeed keeps process groups for good, Ray Train ends them with a stage.
            alone = apart or (config.engine.name == "deepspeed" and config.engine.workers == 0)
            result = fit_apart(job) if alone else fit(job)
        runner.tracker.artifacts(name, folder / "model", "model")
        return result

    stage_config = {
        "settings": settings.model_dump(mode="json"),
        "engine": config.engine.deciding(),
        "validation": validation.model_dump(mode="json") if not isinstance(settings, Esi) else None,
        "evaluation": _evaluation_settings(config),
        "types": list(config.task.types),
        "iteration": iteration,
        "seed": config.seed,
    }
    return runner.stage(name, stage_config, inputs, build, _tell_training, way)


def _evaluation_settings(config: Config) -> dict[str, Any]:
    names = {"threshold", "nested", "held_out_share", "max_held_out_sentences", "max_validation_sentences"}
    return config.evaluation.model_dump(mode="json", include=names)


def _tell_training(counts: Mapping[str, Any]) -> str:
    told = (
        f"{counts['epochs']} epochs, {count(counts['steps'])} steps, validation F1 {100 * counts['validation_f1']:.1f}"
    )
    if counts.get("iteration"):
        told += f", labels re-picked {counts['iteration']} ×, best: iteration {counts['best_iteration']}"
    return told
