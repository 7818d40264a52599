"""What a run left on disk, as a report."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cofee_dist.artifacts import read_json, versions
from cofee_dist.config import Config, ScratchEncoder
from cofee_dist.config.file import dump_yaml
from cofee_dist.errors import UserError
from cofee_dist.evaluate.published import CORPORA, NOTE, WEAK
from cofee_dist.evaluate.readers import read_labelled
from cofee_dist.evaluate.scorer import Score
from cofee_dist.pipeline.collect_labels import clusters_of, picking_of
from cofee_dist.pipeline.evaluation import SCORES, TRAINED_BY, main_system, systems_of, test_file
from cofee_dist.pipeline.models import load_model
from cofee_dist.pipeline.runner import Runner
from cofee_dist.report.collect import matches_from_labels, system_from_score
from cofee_dist.report.matches_page import MATCHES_HTML, MATCHES_JSON
from cofee_dist.report.schema import (
    CorpusCounts,
    Published,
    Report,
    Run,
    Sentence,
    Span,
    StageCurve,
    System,
    TextCounts,
)
from cofee_dist.train.metrics import read_metrics
from cofee_dist.train.worker import METRICS

_MAX_EXAMPLES = 12
_TRAINED = ("esi", "nee", "fet", "nee_without_esi", "mrc_ner")


def collect(runner: Runner, next_lines: tuple[str, ...]) -> Report:
    """Fill the report from the run's folder and its manifests."""
    config, folder = runner.config, runner.config.run_folder
    file, nee = test_file(config), runner.manifests["nee"].counts
    return Report(
        run=_run(runner),
        scored_on=file.path if file else None,
        main=main_system(config),
        systems=_systems(runner) if file else (),
        paper=_published(config),
        picking=picking_of(config, folder / "nee", nee),
        stages=tuple(_curve(folder / name, name) for name in _TRAINED if name in runner.manifests),
        clusters=clusters_of(config, folder, runner.manifests["fet"].counts, nee["best_iteration"]),
        predictions=_examples(config, folder),
        files={
            "report": str(folder / "report.html"),
            "numbers": str(folder / "report.json"),
            "word lists": str(folder / "labels" / MATCHES_HTML),
            "model": str(folder / "model"),
        },
        next=next_lines,
    )


def _run(runner: Runner) -> Run:
    config, manifests = runner.config, runner.manifests
    scratch = config.encoder.scratch or ScratchEncoder()
    return Run(
        name=config.name,
        started=time.strftime("%Y-%m-%d %H:%M"),
        seconds={name: manifest.seconds for name, manifest in manifests.items()},
        config=dump_yaml(config),
        language=config.task.language,
        questions=config.questions,
        versions=versions(),
        encoder=config.encoder.name or f"scratch ({scratch.layers} layers of {scratch.hidden_size})",
        seed=config.seed,
        inputs={
            name: digest
            for stage in ("corpus", "texts", "labels", "evaluation")
            if stage in manifests
            for name, digest in manifests[stage].inputs.items()
            if name not in manifests
        },
        corpus=_corpus(manifests["corpus"].counts) if "corpus" in manifests else None,
        texts=_texts(manifests["texts"].counts) if "texts" in manifests else None,
        labels=manifests["labels"].counts["labels"],
        matches=matches_from_labels(read_json(config.run_folder / "labels" / MATCHES_JSON)),
    )


def _corpus(counts: Mapping[str, Any]) -> CorpusCounts:
    return CorpusCounts(**{name: counts[name] for name in CorpusCounts.model_fields})


def _texts(counts: Mapping[str, Any]) -> TextCounts:
    known = ("files", "lines", "sentences")
    return TextCounts(**{name: counts[name] for name in known}, drops=counts["dropped"])


def _systems(runner: Runner) -> tuple[System, ...]:
    systems, stages = [], systems_of(runner.config)
    for name, found in read_json(runner.config.run_folder / "evaluation" / SCORES).items():
        stage, seconds = stages.get(name), found.pop("seconds")
        per_type = {kind: Score(**part) for kind, part in found.pop("per_type").items()}
        if stage is not None:
            trained_by = [one for one in TRAINED_BY.get(stage, (stage,)) if one in runner.manifests]
            seconds += sum(runner.manifests[one].seconds for one in trained_by)
        systems.append(system_from_score(name, Score(**found, per_type=per_type), seconds))
    return tuple(systems)


def _published(config: Config) -> Published | None:
    name = config.evaluation.published
    if name is None:
        return None
    rows = tuple(System(name=system, precision=p, recall=r, f1=f1) for system, (p, r, f1) in WEAK[name].items())
    return Published(note=NOTE.format(corpus=CORPORA[name]), systems=rows)


def _curve(folder: Path, name: str) -> StageCurve:
    lines = read_metrics(folder / METRICS)
    steps = [line for line in lines if "loss" in line]
    epochs = [line for line in lines if "validation_f1" in line]
    return StageCurve(
        name=name,
        steps=tuple(int(line["step"]) for line in steps),
        loss=tuple(line["loss"] for line in steps),
        learning_rate=tuple(line["learning_rate"] for line in steps),
        epochs=tuple(line["epoch"] for line in epochs),
        validation_f1=tuple(100 * line["validation_f1"] for line in epochs),
    )


def _examples(config: Config, folder: Path) -> tuple[Sentence, ...]:
    """Sentences that no stage has seen, with the final model's entities."""
    if config.evaluation.examples is not None:
        try:
            lines = Path(config.evaluation.examples).read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise UserError(f"cannot read the examples: {error.strerror}", where=config.evaluation.examples) from error
        texts = [line for line in lines if line.strip()]
    else:
        file = test_file(config)
        texts = [sentence.text for sentence in read_labelled(file, config.task.types)] if file else []
    model = load_model(folder / "fet" / "model")
    texts = texts[:_MAX_EXAMPLES]
    return tuple(
        Sentence(text=text, entities=tuple(Span(start=e.start, end=e.end, type=e.type, score=e.score) for e in row))
        for text, row in zip(texts, model.predict(texts), strict=True)
    )
