"""The config of a run: one frozen tree, in which an unknown key is an error. ``config.file`` reads it."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from cofee_dist.config.corpus import Ambiguity, Chinese, Corpus, InlineTemplate, Labels
from cofee_dist.config.encoder import Encoder, ScratchEncoder
from cofee_dist.config.engine import Engine
from cofee_dist.config.evaluation import Evaluation, LabelledFile, Tracking
from cofee_dist.config.stages import Esi, Fet, Nee, Stage, Stages
from cofee_dist.config.task import EntityType, Task
from cofee_dist.config.tree import Count, Tree

__all__ = [
    "Ambiguity",
    "Chinese",
    "Config",
    "Corpus",
    "Encoder",
    "Engine",
    "EntityType",
    "Esi",
    "Evaluation",
    "Fet",
    "InlineTemplate",
    "LabelledFile",
    "Labels",
    "Nee",
    "ScratchEncoder",
    "Stage",
    "Stages",
    "Task",
    "Tracking",
]


class Config(Tree):
    """A run."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    runs: str = "runs"
    seed: Count = 0
    task: Task
    corpus: Corpus = Corpus()
    labels: Labels = Labels()
    encoder: Encoder
    stages: Stages = Stages()
    engine: Engine = Engine()
    evaluation: Evaluation = Evaluation()
    tracking: Tracking = Tracking()

    @property
    def run_folder(self) -> Path:
        """Where this run's artifacts lie."""
        return Path(self.runs) / self.name

    @property
    def questions(self) -> dict[str, str]:
        """Type to question."""
        return {name: entity_type.question for name, entity_type in self.task.types.items()}
