"""Out of memory in a real training step: one message with the settings to change."""

from __future__ import annotations

import multiprocessing
import os
import signal
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch

from cofee_dist.config import Esi, Fet, Nee
from cofee_dist.errors import UserError
from cofee_dist.model.span_extractor import SpanExtractor
from cofee_dist.train import worker
from cofee_dist.train.memory import killed_workers_told, out_of_memory_told
from tests.training import make_job, tiny_config

ERRORS = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."),
    MemoryError(),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
    torch.AcceleratorError("CUDA error: out of memory"),
    torch.distributed.DistBackendError("ncclUnhandledCudaError: Call to CUDA failed. Cuda failure 2 'out of memory'"),
    RuntimeError(
        "Error in void* faiss::gpu::StandardGpuResourcesImpl::allocMemory: (cudaMalloc error out of memory [2])"
    ),
]
#: What Ray Train 2.56 says, worker by worker.
BY_RAY = "1 worker(s) were killed due to the node running low on memory. OOM kill reason: usage 0.96"
KILLED = (
    "The actor died unexpectedly before finishing this task. Worker unexpectedly exits with a connection error code 2. "
    "End of file. Some common causes include: (1) the process was killed by the OOM killer due to high memory usage"
)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: " ".join(str(error).split()[-3:]))
def test_a_step_without_memory_names_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(module: Any, given: Any, output: Any) -> None:
        if module.training:
            raise error

    read = SpanExtractor.from_pretrained

    def hooked(folder: Path) -> Any:
        model = read(folder)
        model.encoder.register_forward_hook(refuse)
        return model

    monkeypatch.setattr(SpanExtractor, "from_pretrained", hooked)
    with pytest.raises(UserError) as caught:
        worker.run_stage(make_job(tmp_path, "nee"))
    said = str(caught.value)
    assert said.startswith("stage nee ran out of memory")
    assert str(error)[:40] in said
    for part in ("engine.micro_batch_tokens (now 60", "encoder.max_length_tokens (now 64)", "bf16 (now fp32)", "ZeRO"):
        assert part in said
    assert "engine.activation_checkpointing" in said
    assert "k-means" not in said


def test_a_way_out_that_is_taken_is_not_told(tmp_path: Path) -> None:
    config = tiny_config(tmp_path, activation_checkpointing=True, precision="bf16")
    with pytest.raises(UserError) as caught, out_of_memory_told(config, "nee", Nee()):
        raise MemoryError
    assert "activation_checkpointing" not in str(caught.value)


def test_fet_is_told_of_k_means(tmp_path: Path) -> None:
    told = pytest.raises(UserError, match=r"lower stages.fet.kmeans_points \(now 70\).*embedding_precision")
    with told, out_of_memory_told(tiny_config(tmp_path), "fet", Fet(kmeans_points=70)):
        raise MemoryError


def group_error(said: str) -> Exception:
    """What ``fit`` raises when it has given up."""
    from ray.exceptions import OutOfMemoryError
    from ray.train import WorkerGroupError

    return WorkerGroupError(f"[Rank 1]\n{said}", {1: OutOfMemoryError(said)})


@pytest.mark.parametrize(("said", "told"), [(BY_RAY, "Ray killed its workers"), (KILLED, "its processes were killed")])
def test_a_group_that_is_killed_for_its_memory_names_the_settings(tmp_path: Path, said: str, told: str) -> None:
    with pytest.raises(UserError, match=told) as caught, killed_workers_told(tiny_config(tmp_path), "nee", Nee()):
        raise group_error(said)
    assert "engine.micro_batch_tokens (now 60" in str(caught.value)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_process_apart_that_is_killed_names_the_settings(tmp_path: Path) -> None:
    with (
        pytest.raises(UserError, match="its processes were killed") as caught,
        killed_workers_told(tiny_config(tmp_path), "nee", Nee()),
        ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool,
    ):
        pool.submit(die).result()
    assert "dmesg" in str(caught.value)


def test_other_ends_of_a_group_pass(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="shapes differ"), killed_workers_told(tiny_config(tmp_path), "nee", Nee()):
        raise group_error("RuntimeError: shapes differ")
    mistake = UserError("a worker ran out of memory", fix="lower this")
    with pytest.raises(UserError) as caught, killed_workers_told(tiny_config(tmp_path), "nee", Nee()):
        raise mistake
    assert caught.value is mistake


def test_with_deepspeed_the_zero_stage_is_told(tmp_path: Path) -> None:
    settings = tmp_path / "zero.json"
    settings.write_text('{"zero_optimization": {"stage": 2}}')
    config = tiny_config(tmp_path, name="deepspeed", deepspeed_config=str(settings), precision="bf16")
    told = pytest.raises(UserError, match=r"higher ZeRO stage, or offload.*\(now stage 2\)")
    with told as caught, out_of_memory_told(config, "esi", Esi()):
        raise MemoryError
    assert "fp32" not in str(caught.value)


def test_other_errors_pass(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="shapes"), out_of_memory_told(tiny_config(tmp_path), "esi", Esi()):
        raise RuntimeError("shapes differ")
