"""N steps at once, or killed anywhere and taken up again: the same weights and labels, bit for bit."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from cofee_dist.labels.blocks import IterationBlocks
from cofee_dist.labels.ledger import iterations, read_iteration
from cofee_dist.train import checkpoint, examples, loop, stage_fet, stage_nee, worker
from cofee_dist.train.metrics import read_metrics
from tests.training import make_job, weights_of


class KilledError(BaseException):
    """Not an Exception: nothing may catch it, as nothing catches SIGKILL."""


def kill_at(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, call: int, after: bool) -> None:
    """Die at the n-th call of a function, before or after it did its work."""
    whole, calls = getattr(module, name), [0]

    def dying(*args, **kwargs):
        calls[0] += 1
        if calls[0] == call and not after:
            raise KilledError
        result = whole(*args, **kwargs)
        if calls[0] == call:
            raise KilledError
        return result

    monkeypatch.setattr(module, name, dying)


POINTS = [
    ("esi", loop, "train_step", 5, True),
    ("esi", loop, "train_step", 1, False),
    # In the thread that writes: a checkpoint has two files of JSON, its rank's digests and then its state.
    ("esi", checkpoint, "write_json", 4, False),
    ("nee", loop, "train_step", 11, True),
    ("nee", examples, "write_tokens", 1, False),
    ("nee", examples, "write_labels", 2, False),
    ("nee", IterationBlocks, "write", 2, True),
    ("nee", IterationBlocks, "write", 4, False),
    ("nee", IterationBlocks, "finish", 2, False),
    ("nee", IterationBlocks, "finish", 3, True),
    ("nee", stage_nee, "save_model", 1, True),
    ("nee", checkpoint, "write_json", 7, False),
    ("nee", worker, "write_json", 1, False),
    ("fet", loop, "train_step", 13, False),
    ("fet", stage_fet, "write_entities", 2, False),
    ("fet", stage_fet, "save_model", 1, True),
]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """Each stage run once without a kill."""
    jobs = {}
    for stage in ("esi", "nee", "fet"):
        job = make_job(tmp_path_factory.mktemp(stage), stage)
        jobs[stage] = job, worker.run_stage(job)
    return jobs


@pytest.mark.parametrize(
    ("stage", "module", "name", "call", "after"), POINTS, ids=lambda value: getattr(value, "__name__", str(value))
)
def test_killed_and_resumed_equals_uninterrupted(
    uninterrupted, tmp_path, monkeypatch, stage, module, name, call, after
):
    whole, expected = uninterrupted[stage]
    job = make_job(tmp_path, stage)
    with monkeypatch.context() as patch:
        kill_at(patch, module, name, call, after)
        with pytest.raises(KilledError):
            worker.run_stage(job)
    torch.manual_seed(12345)  # A new process has another random state.
    result = worker.run_stage(job)

    assert result == expected
    left, right = weights_of(whole.folder / "model"), weights_of(job.folder / "model")
    assert left.keys() == right.keys()
    for key, value in left.items():
        assert torch.equal(value, right[key]), key
    for iteration in iterations(whole.folder / "labels"):
        before, again = (read_iteration(folder / "labels", iteration) for folder in (whole.folder, job.folder))
        assert before.equals(again)
    steps = [line["step"] for line in read_metrics(job.folder / "metrics.jsonl") if "loss" in line]
    assert (
        steps
        == sorted(set(steps))
        == [line["step"] for line in read_metrics(whole.folder / "metrics.jsonl") if "loss" in line]
    )


def test_a_block_that_was_labelled_is_not_labelled_again(tmp_path, monkeypatch):
    job = make_job(tmp_path, "nee")
    with monkeypatch.context() as patch:
        # Two blocks are the first iteration's; of the second iteration's, one is written.
        kill_at(patch, IterationBlocks, "write", 4, False)
        with pytest.raises(KilledError):
            worker.run_stage(job)
    steps, sentences = [], []
    pick, step = stage_nee.pick, loop.train_step
    monkeypatch.setattr(stage_nee, "pick", lambda weak, *rest: sentences.append(len(weak)) or pick(weak, *rest))
    monkeypatch.setattr(loop, "train_step", lambda *given: steps.append(given) or step(*given))
    result = worker.run_stage(job)
    picked = result["iteration"]
    assert sentences == [28, *[32, 28] * (picked - 1)]
    # No step of the six epochs before the kill was trained again.
    assert len(steps) == result["steps"] * 3 // 9


def test_the_stages_did_something(uninterrupted):
    assert iterations(uninterrupted["nee"][0].folder / "labels")[-1] >= 2
    before = weights_of(uninterrupted["esi"][0].init_model)
    after = weights_of(uninterrupted["esi"][0].folder / "model")
    assert any(not torch.equal(before[name], after[name]) for name in before)
    assert uninterrupted["esi"][1]["validation_f1"] > 0.3
    ledger = uninterrupted["nee"][0].folder / "labels"
    assert not read_iteration(ledger, 0).equals(read_iteration(ledger, iterations(ledger)[-1]))
    assert not list(uninterrupted["nee"][0].folder.glob("checkpoints/*"))
