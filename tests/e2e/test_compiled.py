"""``engine.compile`` with torch's own compiler: here and not in a unit test, because g++ takes half a minute."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from cofee_dist.model.span_extractor import SpanExtractor
from tests.unit.train.test_encoder_options import losses, model_of


def test_a_compiled_encoder_learns_the_same(tmp_path: Path) -> None:
    """One graph for batches of every size; names of weights, saving and reading stay as they are."""
    torch._dynamo.reset()
    # One layer: g++ takes its time.
    plain, compiled = (model_of(num_hidden_layers=1) for _ in range(2))
    assert losses(compiled, compile=True) == pytest.approx(losses(plain), rel=1e-4)
    graphs = torch._dynamo.utils.counters["stats"]["unique_graphs"]
    assert 1 <= graphs <= 2
    assert list(compiled.state_dict()) == list(plain.state_dict())
    compiled.save_pretrained(tmp_path)
    assert len(SpanExtractor.from_pretrained(tmp_path).predict(["Ada lived in London ."])) == 1
