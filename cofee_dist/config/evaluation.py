"""The config of what is measured, and where it is logged."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cofee_dist.config.tree import Positive, Some, Tree


class LabelledFile(Tree):
    """Sentences labelled by people. ``ignore_types`` are read and left out; other unknown types are errors."""

    path: str
    format: Literal["auto", "conll", "jsonl"] = "auto"
    scheme: Literal["bio", "bioes", "io"] = "bio"
    token_column: int = 0
    label_column: int = -1
    skip_lines_starting_with: Some[str] = ("-DOCSTART-",)
    joiner: str = " "
    ignore_types: Some[str] = ()


class Evaluation(Tree):
    """Where the score comes from. Without ``validation``, a share of the weak labels is held out for it.

    ``max_held_out_sentences`` bounds that share (a hash decides, so it is about so many); every epoch reads them.
    ``truth`` is JSONL that knows every entity of the corpus's sentences (a made-up world's): it measures
    self-picking and clusters, and trains nothing. ``examples`` is a text file whose lines are shown with their
    entities at the end. ``published`` names the paper's figures to print beside ours.
    """

    validation: LabelledFile | None = None
    test: LabelledFile | None = None
    max_validation_sentences: Positive | None = None
    held_out_share: Annotated[float, Field(gt=0, lt=0.5)] = 0.1
    max_held_out_sentences: Positive = 20_000
    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5
    nested: bool = False
    ablations: bool = False
    truth: str | None = None
    examples: str | None = None
    published: Literal["ontonotes4", "ecommerce", "twitter"] | None = None

    def held_out_of(self, sentences: int) -> float:
        """The share of so many sentences that is held out."""
        return min(self.held_out_share, self.max_held_out_sentences / max(1, sentences))


class Tracking(Tree):
    """MLflow. ``uri: null`` turns it off; the default is a sqlite file in the folder of all runs."""

    uri: str | None = "sqlite"
    experiment: str = "cofee"
