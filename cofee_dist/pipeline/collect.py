"""What a run left on disk, as a report."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cofee_dist.artifacts import read_json, versions
from cofee_dist.config import Config, dump_yaml
from cofee_dist.errors import UserError
from cofee_dist.evaluate.published import CORPORA, NOTE, WEAK
from cofee_dist.pipeline.collect_labels import clusters_of, picking_of
from cofee_dist.pipeline.evaluation import SCORES, SYSTEMS, test_file
from cofee_dist.pipeline.runner import Runner
from cofee_dist.report.schema import (
    Ambiguous,
    CorpusCounts,
    Frequent,
    GazetteerMatches,
    MatchReport,
    Published,
    Report,
    Run,
    Sentence,
    Span,
    StageCurve,
    System,
    TypeScore,
)
from cofee_dist.train.metrics import read_metrics
from cofee_dist.train.worker import METRICS

_MAX_EXAMPLES = 12
_TRAINED = ("esi", "nee", "fet", "nee_without_esi", "mrc_ner")


def collect(runner: Runner, next_lines: tuple[str, ...]) -> Report:
    """Fill the report from the run's folder and its manifests."""
    config, folder = runner.config, runner.config.run_folder
    file = test_file(config)
    return Report(
        run=_run(runner),
        scored_on=file.path if file else None,
        systems=_systems(runner) if file else (),
        paper=_published(config),
        picking=picking_of(config, folder / "nee", runner.manifests["nee"].counts),
        stages=tuple(_curve(folder / name, name) for name in _TRAINED if name in runner.manifests),
        clusters=clusters_of(config, folder, runner.manifests["fet"].counts),
        predictions=_examples(config, folder),
        files={
            "report": str(folder / "report.html"),
            "numbers": str(folder / "report.json"),
            "model": str(folder / "model"),
        },
        next=next_lines,
    )


def _run(runner: Runner) -> Run:
    config, manifests = runner.config, runner.manifests
    corpus, scratch = manifests["corpus"].counts, config.encoder.scratch
    known = ("pages", "articles", "redirects", "anchors", "sentences")
    return Run(
        name=config.name,
        started=time.strftime("%Y-%m-%d %H:%M"),
        seconds={name: manifest.seconds for name, manifest in manifests.items()},
        config=dump_yaml(config),
        language=config.task.language,
        questions=config.questions,
        versions=versions(),
        encoder=config.encoder.name or f"random BERT, {scratch.layers} layers of {scratch.hidden_size}, own WordPiece",  # type: ignore[union-attr]
        seed=config.seed,
        inputs={
            name: digest
            for stage in ("corpus", "labels", "evaluation")
            if stage in manifests
            for name, digest in manifests[stage].inputs.items()
            if name not in manifests
        },
        corpus=CorpusCounts(**{name: corpus[name] for name in known}, drops=corpus["drops"]),
        labels=manifests["labels"].counts["labels"],
        matches=_matches(read_json(config.run_folder / "labels" / "matches.json")),
    )


def _matches(found: Mapping[str, Any]) -> MatchReport:
    types = {
        name: GazetteerMatches(
            entries=part["entries"],
            entries_hit=part["entries_hit"],
            hits=part["anchors_typed"],
            frequent=tuple(Frequent(surface=hit["entry"], count=hit["count"]) for hit in part["top_hits"]),
        )
        for name, part in found["types"].items()
    }
    ambiguous = {
        hit["entry"]: Ambiguous(surface=hit["entry"], types=tuple(hit["types"]), hits=hit["count"])
        for part in found["types"].values()
        for hit in part["top_ambiguous"]
    }
    return MatchReport(types=types, ambiguous=tuple(sorted(ambiguous.values(), key=lambda one: -one.hits)))


def _systems(runner: Runner) -> tuple[System, ...]:
    scores = read_json(runner.config.run_folder / "evaluation" / SCORES)
    systems = []
    for name, found in scores.items():
        stage = SYSTEMS.get(name)
        seconds = found["seconds"] + (runner.manifests[stage].seconds if stage else 0)
        systems.append(
            System(
                name=name,
                precision=100 * found["precision"],
                recall=100 * found["recall"],
                f1=100 * found["f1"],
                per_type={kind: _type_score(part) for kind, part in found["per_type"].items()},
                seconds=seconds,
            )
        )
    return tuple(systems)


def _type_score(part: Mapping[str, Any]) -> TypeScore:
    return TypeScore(
        p=100 * part["precision"],
        r=100 * part["recall"],
        f1=100 * part["f1"],
        gold=part["gold"],
        predicted=part["predicted"],
    )


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
    import torch

    from cofee_dist.evaluate.readers import read_labelled
    from cofee_dist.model.span_extractor import SpanExtractor

    if config.evaluation.examples is not None:
        try:
            lines = Path(config.evaluation.examples).read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise UserError(f"cannot read the examples: {error.strerror}", where=config.evaluation.examples) from error
        texts = [line for line in lines if line.strip()]
    else:
        file = test_file(config)
        texts = [sentence.text for sentence in read_labelled(file, config.task.types)] if file else []
    model = SpanExtractor.from_pretrained(folder / "fet" / "model")
    model.to("cuda" if torch.cuda.is_available() else "cpu")
    texts = texts[:_MAX_EXAMPLES]
    return tuple(
        Sentence(text=text, entities=tuple(Span(start=e.start, end=e.end, type=e.type, score=e.score) for e in row))
        for text, row in zip(texts, model.predict(texts), strict=True)
    )
