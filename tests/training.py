"""A tiny training job: made-up sentences, a one-layer encoder, every stage in a second or two."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cofee_dist.config import Config, Esi, Fet, LabelledFile, Nee
from cofee_dist.config.file import config_from
from cofee_dist.labels.ledger import write_iteration
from cofee_dist.schemas import SENTENCES, Entity, LabelledSentence
from tests.encoders import tiny_model

PERSONS = ("Ada Lovelace", "Charles Babbage", "Babbage", "Ada")
PLACES = ("London", "Paris", "France", "Cambridge", "Oxford")

STAGES = {
    "esi": Esi(epochs=3, learning_rate=1e-2, min_anchors=1),
    "nee": Nee(
        epochs=9, learning_rate=1e-2, picking="union", picking_threshold=0.3, epochs_before_picking=6, patience=6
    ),
    "fet": Fet(epochs=2, learning_rate=5e-3, clusters=4, cluster_loss_weight=0.5),
}


def tiny_config(folder: Path, **engine: Any) -> Config:
    return config_from(
        {
            "name": "tiny",
            "runs": str(folder),
            "task": {
                "types": {
                    "PER": {"question": "Find persons", "gazetteers": ["PER.txt"]},
                    "LOC": {"question": "Find places", "gazetteers": ["LOC.txt"]},
                }
            },
            "encoder": {"name": "tiny", "max_length_tokens": 64},
            "engine": {
                "device": "cpu",
                "batch_tokens": 150,
                "micro_batch_tokens": 60,
                "checkpoint_every_steps": 3,
                **engine,
            },
            "tracking": {"uri": None},
        }
    )


def made_up(size: int, seed: int = 0) -> list[LabelledSentence]:
    """Sentences with a person and a place, about a third of the labels missing."""
    random = np.random.default_rng(seed)
    sentences = []
    for at in range(size):
        person, place = str(random.choice(PERSONS)), str(random.choice(PLACES))
        text = f"{person} lived in {place} ." if random.random() < 0.5 else f"In {place} {person} built engines ."
        found = [
            Entity(text.index(name), text.index(name) + len(name), kind, "gazetteer")
            for name, kind in ((person, "PER"), (place, "LOC"))
            if random.random() < 0.7
        ]
        sentences.append(LabelledSentence(text, tuple(sorted(found, key=lambda e: e.start)), at, 0))
    return sentences


def make_job(folder: Path, stage: str, **engine: Any) -> Any:
    """A StageJob with its data on disk below ``folder``."""
    from cofee_dist.train.worker import StageJob

    weak = made_up(60)
    write_iteration(folder / "data", 0, weak)
    write_sentences(folder / "data" / "sentences", weak)
    validation = folder / "validation.jsonl"
    with validation.open("w", encoding="utf-8") as file:
        for sentence in made_up(20, seed=1):
            entities = [{"start": e.start, "end": e.end, "type": e.type} for e in sentence.entities]
            file.write(json.dumps({"text": sentence.text, "entities": entities}) + "\n")
    tiny_model().save_pretrained(folder / "base")
    return StageJob(
        name=stage,
        config=tiny_config(folder, **engine),
        settings=STAGES[stage],
        folder=folder / stage,
        init_model=folder / "base",
        data=folder / "data" / ("sentences" if stage == "esi" else ""),
        validation=LabelledFile(path=str(validation)),
    )


def write_sentences(folder: Path, weak: list[LabelledSentence]) -> None:
    folder.mkdir(parents=True)
    rows = [
        {
            "page_id": s.page_id,
            "revision_id": 1,
            "title": "",
            "section": "",
            "sentence_index": s.sentence_index,
            "text": s.text,
            "anchors": [{"start": e.start, "end": e.end, "target": ""} for e in s.entities],
        }
        for s in weak
    ]
    pq.write_table(pa.Table.from_pylist(rows, schema=SENTENCES), folder / "part-0.parquet")


def weights_of(folder: Path) -> dict[str, Any]:
    """A saved model's weights."""
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")
