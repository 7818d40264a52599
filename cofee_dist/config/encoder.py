"""The config of the encoder: one that is there, or a random one."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from cofee_dist.config.tree import Positive, Share, Tree


class ScratchEncoder(Tree):
    """A randomly initialised BERT with a WordPiece vocabulary trained on the corpus."""

    vocabulary_size: Positive = 8000
    hidden_size: Positive = 128
    layers: Positive = 2
    heads: Positive = 2
    dropout: Share = 0.1
    lowercase: bool = False

    @model_validator(mode="after")
    def _heads_share_the_hidden_size(self) -> ScratchEncoder:
        if self.hidden_size % self.heads:
            raise ValueError(f"hidden_size ({self.hidden_size}) must be a multiple of heads ({self.heads})")
        return self


class Encoder(Tree):
    """A Hugging Face name or folder, or ``scratch``; ``max_length_tokens`` counts question and sentence."""

    name: str | None = None
    scratch: ScratchEncoder | None = None
    max_length_tokens: Annotated[int, Field(ge=16)] = 150

    @model_validator(mode="after")
    def _one_of_two(self) -> Encoder:
        if (self.name is None) == (self.scratch is None):
            raise ValueError("give either 'name' (a hub name or a folder) or 'scratch'")
        return self
