"""What a report holds: filled by the pipeline, read by page, terminal and model card.

Scores are percents (0 to 100), times are seconds, offsets are half-open in code points into ``text``. A number that
is not known, or not finite, is None: JSON has no NaN.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, model_validator

from cofee_dist.artifacts import read_json
from cofee_dist.errors import UserError
from cofee_dist.report.fields import Count, Counts, Number, Part, Percent


class Span(Part):
    """An entity of a sentence; ``score`` is None for labels that no model gave."""

    start: Count
    end: Count
    type: str
    score: Number = None


class Sentence(Part):
    """A sentence and its entities, in any order; they may nest."""

    text: str
    entities: tuple[Span, ...] = ()

    @model_validator(mode="after")
    def _spans_lie_inside(self) -> Sentence:
        for span in self.entities:
            if not span.start < span.end <= len(self.text):
                raise ValueError(f"span {span.start}:{span.end} does not lie in a text of {len(self.text)} characters")
        return self


class Frequent(Part):
    """A surface form and how often it occurs."""

    surface: str
    count: Count


class CorpusCounts(Part):
    """From dump to D_g: ``candidates`` = ``sentences`` + ``dropped``, ``links`` = ``anchors`` + ``links_dropped``."""

    pages: Count
    articles: Count
    redirects: Count
    other_namespaces: Count
    quarantined: Count
    candidates: Count
    sentences: Count
    links: Count
    anchors: Count
    dropped: Counts = Field(default_factory=dict)
    links_dropped: Counts = Field(default_factory=dict)


class TextCounts(Part):
    """From texts to the sentences that gazetteers label; ``drops`` counts what was left out, by reason."""

    files: Count
    lines: Count
    sentences: Count
    drops: Counts = Field(default_factory=dict)


class GazetteerMatches(Part):
    """How far one type's gazetteers reach: distinct entries, those that occur at all, and their hits."""

    entries: Count
    entries_hit: Count
    hits: Count
    frequent: tuple[Frequent, ...] = ()


class Ambiguous(Part):
    """A surface form that the gazetteers of several types hold."""

    surface: str
    types: tuple[str, ...]
    hits: Count


class MatchReport(Part):
    """What gazetteer matching did, type by type."""

    types: dict[str, GazetteerMatches] = Field(default_factory=dict)
    ambiguous: tuple[Ambiguous, ...] = ()


class Run(Part):
    """What was run, on what, with which settings.

    ``seconds`` is in the order in which stages ran; ``config`` is the resolved YAML; ``questions`` maps type to
    question, in the order in which every table and legend shows the types; ``inputs`` maps a file to its digest;
    ``labels`` counts the weak labels of D_s before self-picking.
    """

    name: str
    started: str
    seconds: dict[str, Number] = Field(default_factory=dict)
    config: str
    language: str
    questions: dict[str, str]
    versions: dict[str, str] = Field(default_factory=dict)
    encoder: str
    seed: int
    inputs: dict[str, str] = Field(default_factory=dict)
    corpus: CorpusCounts | None = None
    texts: TextCounts | None = None
    labels: Counts = Field(default_factory=dict)
    matches: MatchReport | None = None


class TypeScore(Part):
    """One type's scores, and how many entities were in truth and predicted."""

    p: Percent
    r: Percent
    f1: Percent
    gold: Count
    predicted: Count


class System(Part):
    """A system's micro-averaged scores; ``seconds`` is what it took to train and score, where that was measured."""

    name: str
    precision: Percent
    recall: Percent
    f1: Percent
    per_type: dict[str, TypeScore] = Field(default_factory=dict)
    seconds: Number = None


class Published(Part):
    """Figures printed beside ours; ``note`` says where they come from and why they do not compare directly."""

    note: str
    systems: tuple[System, ...]


class Iteration(Part):
    """A round of self-picking: the labels it made, and the validation score of the model trained on them.

    ``added``, ``dropped`` and ``kept`` compare with the round before. Where truth is known, ``recovered_missing``
    counts the true entities without a weak label that are labelled now, and ``recovery_precision`` is the percent
    of all picked labels beyond the weak ones that are true.
    """

    iteration: Count
    epoch: Number = None
    precision: Percent = None
    recall: Percent = None
    f1: Percent = None
    labels: Counts = Field(default_factory=dict)
    added: Count = 0
    dropped: Count = 0
    kept: Count = 0
    recovered_missing: Count | None = None
    recovery_precision: Percent = None


class Picking(Part):
    """Self-picking as a whole.

    ``best`` is the iteration whose labels are D_s^best; ``missing`` counts the true entities that have no weak label
    before it starts, where truth is known.
    """

    iterations: tuple[Iteration, ...]
    best: Count
    missing: Count | None = None

    @model_validator(mode="after")
    def _best_is_one_of_them(self) -> Picking:
        if self.best not in {row.iteration for row in self.iterations}:
            raise ValueError(f"the best iteration {self.best} is not among the iterations")
        return self

    @property
    def best_iteration(self) -> Iteration:
        """The iteration that ``best`` names."""
        return next(row for row in self.iterations if row.iteration == self.best)


class StageCurve(Part):
    """What one stage's training logged: by step (loss, learning rate) and by epoch (validation F1, percent)."""

    name: str
    steps: tuple[Count, ...] = ()
    loss: tuple[Number, ...] = ()
    learning_rate: tuple[Number, ...] = ()
    epochs: tuple[Number, ...] = ()
    validation_f1: tuple[Percent, ...] = ()

    @model_validator(mode="after")
    def _as_long_as_their_axis(self) -> StageCurve:
        for name, axis in (("loss", "steps"), ("learning_rate", "steps"), ("validation_f1", "epochs")):
            values = getattr(self, name)
            if values and len(values) != len(getattr(self, axis)):
                raise ValueError(f"{name} has {len(values)} values, {axis} has {len(getattr(self, axis))}")
        return self


class Cluster(Part):
    """One fine type that mining found. ``mean_distance`` and ``max_distance`` are squared, to the centroid."""

    id: Count
    size: Count
    types: Counts = Field(default_factory=dict)
    frequent: tuple[Frequent, ...] = ()
    examples: tuple[Sentence, ...] = ()
    mean_distance: Number = None
    max_distance: Number = None
    fine_types: Counts = Field(default_factory=dict)


class Clusters(Part):
    """The last clustering of the entities; ``purity`` (percent) and ``nmi`` (0 to 1) need known fine types."""

    k: Count
    clusters: tuple[Cluster, ...]
    reseeded: Count = 0
    purity: Percent = None
    nmi: Number = None


class Report(Part):
    """All of it. ``scored_on`` names the test set; ``main`` names the system that the run was made for."""

    run: Run
    scored_on: str | None = None
    main: str = "CoFEE-MRC"
    systems: tuple[System, ...] = ()
    paper: Published | None = None
    picking: Picking | None = None
    stages: tuple[StageCurve, ...] = ()
    clusters: Clusters | None = None
    predictions: tuple[Sentence, ...] = ()
    files: dict[str, str] = Field(default_factory=dict)
    next: tuple[str, ...] = ()

    @property
    def main_system(self) -> System | None:
        """The system that ``main`` names, or None where nothing was scored."""
        return self.system(self.main)

    def system(self, name: str) -> System | None:
        """The system of that name."""
        return next((system for system in self.systems if system.name == name), None)

    @property
    def types(self) -> list[str]:
        """All types, in the order of the task; types met only in the data come last."""
        seen = dict.fromkeys(self.run.questions)
        for system in self.systems:
            seen.update(dict.fromkeys(system.per_type))
        for iteration in self.picking.iterations if self.picking else ():
            seen.update(dict.fromkeys(iteration.labels))
        for cluster in self.clusters.clusters if self.clusters else ():
            seen.update(dict.fromkeys(cluster.types))
        for sentence in self.predictions:
            seen.update(dict.fromkeys(span.type for span in sentence.entities))
        return list(seen)


def as_report(report: Report | Mapping[str, Any]) -> Report:
    """A report from the plain dict that ``to_json`` gives (or the pipeline builds)."""
    return report if isinstance(report, Report) else Report.model_validate(report)


def read_report(path: Path) -> Report:
    """Read a ``report.json``; raises UserError where it is absent or is something else."""
    try:
        return as_report(read_json(path))
    except OSError as error:
        raise UserError(
            f"cannot read the report: {error.strerror}", where=path, fix="finish the run: it writes the report last"
        ) from error
    except ValidationError as error:
        raise UserError(
            f"not a report of this version ({error.error_count()} fields differ)", where=path, fix="run it again"
        ) from error
