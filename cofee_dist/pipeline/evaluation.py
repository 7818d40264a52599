"""Every system of a run on the test sentences: predictions written, scored by the one scorer."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cofee_dist.artifacts import write_json
from cofee_dist.config import Config, LabelledFile
from cofee_dist.evaluate.readers import read_labelled
from cofee_dist.evaluate.scorer import Score, score
from cofee_dist.pipeline.inputs import digest_of_input
from cofee_dist.pipeline.models import load_model
from cofee_dist.pipeline.progress import StageProgress
from cofee_dist.pipeline.runner import Runner
from cofee_dist.schemas import Entity, LabelledSentence

MATCHING = "Matching"
MAIN = "CoFEE-MRC"
#: Stage whose model a row of the table is, in the paper's order (Table 3).
SYSTEMS = {"MRC-NER": "mrc_ner", MAIN: "fet", "– FET": "nee", "– FET – ESI": "nee_without_esi"}
#: The same without dumps: nothing begins with ESI, so the main stages' models are the paper's without it.
MAIN_WITHOUT_ESI = f"{MAIN} – ESI"
SYSTEMS_WITHOUT_ESI = {"MRC-NER": "mrc_ner", MAIN_WITHOUT_ESI: "fet", "– FET – ESI": "nee"}
#: Stages that had to be trained for it.
TRAINED_BY = {"fet": ("esi", "nee", "fet"), "nee": ("esi", "nee")}
SCORES = "scores.json"


def systems_of(config: Config) -> dict[str, str]:
    """The systems that a run can have, each with the stage whose model it is."""
    return SYSTEMS if config.corpus.dumps else SYSTEMS_WITHOUT_ESI


def main_system(config: Config) -> str:
    """The system that the run is made for."""
    return MAIN if config.corpus.dumps else MAIN_WITHOUT_ESI


def test_file(config: Config) -> LabelledFile | None:
    """What systems are scored on: the test file, or the validation file where there is no test file."""
    return config.evaluation.test or config.evaluation.validation


def evaluation_stage(runner: Runner) -> Path | None:
    """Score Matching and every trained model; None where there are no sentences labelled by people."""
    config = runner.config
    file = test_file(config)
    if file is None:
        return None
    trained = {name: stage for name, stage in systems_of(config).items() if stage in runner.manifests}
    inputs = {stage: runner.fingerprint(stage) for stage in ("labels", *trained.values())}
    inputs[file.path] = digest_of_input(file.path, "the test file")

    def build(folder: Path, shown: StageProgress) -> Mapping[str, Any]:
        gold = read_labelled(file, config.task.types)
        scores = {}
        for at, name in enumerate([MATCHING, *trained]):
            shown.note(name)
            began = time.perf_counter()
            if name == MATCHING:
                found = match(config, [sentence.text for sentence in gold])
            else:
                found = predict_entities(config.run_folder / trained[name] / "model", gold)
            write_predictions(folder / f"{trained.get(name, 'matching')}.jsonl", gold, found)
            scores[name] = {
                **score([sentence.entities for sentence in gold], found).as_dict(),
                "seconds": round(time.perf_counter() - began, 3),
            }
            shown.update(at + 1, 1 + len(trained))
        write_json(folder / SCORES, scores)
        return {"sentences": len(gold), "f1": {name: found["f1"] for name, found in scores.items()}}

    settings = {
        "test": file.model_dump(mode="json"),
        "systems": trained,
        "labels": config.labels.model_dump(mode="json"),
    }
    return runner.stage("evaluation", settings, inputs, build, _tell)


def match(config: Config, texts: Sequence[str]) -> list[list[Entity]]:
    """The Matching baseline: the gazetteers' names wherever they stand in the text."""
    from cofee_dist.labels.gazetteer import read_gazetteers
    from cofee_dist.labels.matcher import Matcher

    return Matcher(read_gazetteers(config.task, config.labels)).find_all(texts)


def predict_entities(model: Path, sentences: Sequence[LabelledSentence]) -> list[list[Entity]]:
    """A saved model's entities for each sentence."""
    found = load_model(model).predict([sentence.text for sentence in sentences])
    return [[Entity(e.start, e.end, e.type, "model", e.score) for e in row] for row in found]


def evaluate_model(model: Path, file: LabelledFile, types: Sequence[str]) -> Score:
    """P, R and F1 of a saved model on a labelled file."""
    gold = read_labelled(file, types)
    return score([sentence.entities for sentence in gold], predict_entities(model, gold))


def write_predictions(path: Path, sentences: Sequence[LabelledSentence], found: Sequence[Sequence[Entity]]) -> None:
    """JSON lines: text, predicted entities, gold entities."""
    with path.open("w", encoding="utf-8") as file:
        for sentence, entities in zip(sentences, found, strict=True):
            line = {
                "text": sentence.text,
                "entities": [
                    {"start": e.start, "end": e.end, "type": e.type, "score": round(e.score, 4)} for e in entities
                ],
                "gold": [{"start": e.start, "end": e.end, "type": e.type} for e in sentence.entities],
            }
            file.write(json.dumps(line, ensure_ascii=False) + "\n")


def _tell(counts: Mapping[str, Any]) -> str:
    scores = ", ".join(f"{name} {100 * f1:.1f}" for name, f1 in counts["f1"].items())
    return f"F1 on {counts['sentences']} sentences: {scores}"
