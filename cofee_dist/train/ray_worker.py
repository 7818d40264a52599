"""Ray Train around a stage: one ``fit()`` serves it whole. The only file that imports ray."""

from __future__ import annotations

import logging
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from cofee_dist.artifacts import read_json
from cofee_dist.train.worker import RESULT, StageJob, run_stage

_MAX_FAILURES = 3


def fit(job: StageJob) -> dict[str, Any]:
    """Run a stage under Ray Train and return its result.

    ``engine.workers: 0`` is Ray Train's local mode: the same function in this process. With workers, a lost one is
    replaced and the group goes on from the newest checkpoint, which lies in the run's folder (shared storage).
    """
    os.environ.setdefault("RAY_TRAIN_V2_ENABLED", "1")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    workers = job.config.engine.workers
    logging.getLogger("ray").setLevel(logging.ERROR)
    logging.getLogger("ray.train").setLevel(logging.WARNING)
    if workers > 0 and not ray.is_initialized():
        # Joins the cluster of `ray job submit`, or starts one here. Workers' logs stay in files: the bars are to be
        # seen, and what makes a worker fail is in the exception.
        ray.init(log_to_driver=False, logging_level=logging.ERROR)
    trainer = TorchTrainer(
        _train_loop,
        train_loop_config={"job": job},
        scaling_config=ScalingConfig(num_workers=workers, use_gpu=job.config.engine.device == "cuda"),
        run_config=RunConfig(
            name=f"{job.config.name}-{job.name}",
            storage_path=str((job.folder / "ray").resolve()),
            failure_config=FailureConfig(max_failures=_MAX_FAILURES),
        ),
    )
    trainer.fit()
    result: dict[str, Any] = read_json(job.folder / RESULT)
    return result


def fit_apart(job: StageJob) -> dict[str, Any]:
    """``fit`` in a process of its own, while this one trains another stage."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(fit, job).result()


def stop_apart() -> None:
    """End the processes of ``fit_apart``; whoever waits for one gets a ``BrokenProcessPool``."""
    for child in multiprocessing.active_children():
        child.terminate()


def _train_loop(settings: dict[str, Any]) -> None:
    import ray.train

    result = run_stage(settings["job"])
    ray.train.report({key: value for key, value in result.items() if isinstance(value, int | float)})
