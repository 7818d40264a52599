"""Ray Train around a stage: one ``fit()`` serves it whole. The only file that imports ray."""

from __future__ import annotations

import logging
import multiprocessing
import os
import pickle
import time
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING, Any

from cofee_dist.artifacts import read_json, write_json
from cofee_dist.errors import UserError
from cofee_dist.train.startup import STARTUP, StartUp, read_startup

if TYPE_CHECKING:
    from cofee_dist.train.worker import StageJob

_MAX_FAILURES = 3
_ERROR = "error.json"


def fit(job: StageJob) -> dict[str, Any]:
    """Run a stage under Ray Train and return its result.

    ``engine.workers: 0`` is Ray Train's local mode: the same function in this process. With workers, a lost one is
    replaced and the group goes on from the newest checkpoint, which lies in the run's folder (shared storage). The
    result also has ``startup_seconds`` and their parts (see ``StartUp``).

    Raises:
        UserError: As a worker raised it; the group is not tried again.
    """
    from cofee_dist.train.worker import RESULT

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
        # Pickled here, so that a worker's imports fall into its own loop, where they are timed.
        train_loop_config={"job": pickle.dumps(job)},
        scaling_config=ScalingConfig(num_workers=workers, use_gpu=_with_gpus(job.config.engine.device, workers)),
        run_config=RunConfig(
            name=f"{job.config.name}-{job.name}",
            storage_path=str((job.folder / "ray").resolve()),
            failure_config=FailureConfig(max_failures=_MAX_FAILURES),
        ),
    )
    try:
        trainer.fit()
    except Exception:
        _raise_told(job)
        raise
    _raise_told(job)
    result: dict[str, Any] = read_json(job.folder / RESULT)
    return result | read_startup(job.folder / STARTUP, job.launched)


def _with_gpus(device: str, workers: int) -> bool:
    """Whether each worker asks for a GPU, without which Ray hides those of its node: ``auto`` if there are enough."""
    import ray

    if device != "auto" or workers == 0:
        return device == "cuda"
    return bool(ray.cluster_resources().get("GPU", 0) >= workers)


def fit_apart(job: StageJob) -> dict[str, Any]:
    """``fit`` in a process of its own, while this one trains another stage."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(fit, job).result()


def stop_apart() -> None:
    """End the processes of ``fit_apart``; whoever waits for one gets a ``BrokenProcessPool``."""
    for child in multiprocessing.active_children():
        child.terminate()


def _train_loop(settings: dict[str, Any]) -> None:
    began = time.time()
    import ray.train

    from cofee_dist.train.worker import run_stage

    job: StageJob = pickle.loads(settings["job"])
    starting = StartUp(job.launched)
    starting.until("workers", began)
    starting.until("imports")
    if _told(job) is not None:
        return  # The group was started anew after an error that only the user can mend.
    try:
        result = run_stage(job, starting)
    except UserError as error:
        if job.config.engine.workers > 0:
            where = None if error.where is None else str(error.where)
            told = {"what": error.what, "where": where, "fix": error.fix}
            write_json(job.folder / _ERROR, {"launched": job.launched, "error": told})
        raise
    ray.train.report({key: value for key, value in result.items() if isinstance(value, int | float)})


def _raise_told(job: StageJob) -> None:
    error = _told(job)
    if error is not None:
        raise error from None


def _told(job: StageJob) -> UserError | None:
    """The user's mistake, if a worker of this launch has found one."""
    path = job.folder / _ERROR
    found = read_json(path) if path.exists() else {}
    return UserError(**found["error"]) if found.get("launched") == job.launched else None
