"""Negatives by config: fewer examples an epoch, others in the next, the same again after a kill."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cofee_dist.train import loop
from cofee_dist.train.worker import run_stage
from tests.training import make_job, weights_of


class KilledError(BaseException):
    """Not an Exception: nothing may catch it."""


def limited(folder: Path, ratio: float | None) -> Any:
    job = make_job(folder, "nee")
    settings = job.settings.model_copy(
        update={"negatives_per_positive": ratio, "epochs": 3, "patience": 3, "picking": "none"}
    )
    return replace(job, settings=settings)


def steps_of(monkeypatch: pytest.MonkeyPatch, job: Any, kill_after: int = -1) -> list[np.ndarray]:
    """The examples of every step, in order."""
    seen: list[np.ndarray] = []
    whole = loop.train_step

    def seeing(policy: Any, dataset: Any, lengths: Any, step: Any, *rest: Any) -> Any:
        if len(seen) == kill_after:
            raise KilledError
        seen.append(np.stack([step, dataset.entity_counts[step]]))
        return whole(policy, dataset, lengths, step, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "train_step", seeing)
        try:
            run_stage(job)
        except KilledError:
            assert len(seen) == kill_after
    return seen


def test_a_run_asks_for_so_many_negatives_and_resumes_among_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = np.concatenate(steps_of(monkeypatch, limited(tmp_path / "all", None)), axis=1)
    job = limited(tmp_path / "some", 0.2)
    steps = steps_of(monkeypatch, job)
    some = np.concatenate(steps, axis=1)
    positives, all_positives = ((found[1] > 0).sum() for found in (some, everything))
    assert positives == all_positives
    negatives, all_negatives = ((found[1] == 0).sum() for found in (some, everything))
    # Two types, each rounded down, in three epochs.
    assert 0.2 * positives - 6 < negatives <= 0.2 * positives < 0.5 * all_negatives

    killed = limited(tmp_path / "killed", 0.2)
    # Past a checkpoint (every 3 steps) and inside the second epoch.
    at = len(steps) // 3 + 5
    before = steps_of(monkeypatch, killed, kill_after=at)
    torch.manual_seed(7)
    after = steps_of(monkeypatch, killed)
    rest = steps[-len(after) :]
    assert at < len(before) + len(after)
    assert len(after) < len(steps)
    assert all(np.array_equal(one, other) for one, other in zip(after, rest, strict=True))
    left, right = weights_of(job.folder / "model"), weights_of(killed.folder / "model")
    assert all(torch.equal(value, right[name]) for name, value in left.items())
