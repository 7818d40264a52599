"""Ray Train around a stage: one ``fit()`` serves it whole. The only file that imports ray."""

from __future__ import annotations

import logging
import multiprocessing
import os
import pickle
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cofee_dist.artifacts import read_json, write_json
from cofee_dist.errors import UserError
from cofee_dist.train.startup import STARTUP, StartUp, read_startup
from cofee_dist.train.worker_group import (
    ENVIRONMENT,
    GROWTH_INTERVAL_SECONDS,
    OWN_CLUSTER_ENVIRONMENT,
    PROCESS_GROUP_TIMEOUT_SECONDS,
    check_room,
    group_size,
    resources_per_worker,
    takes_gpus,
    waited_for,
)

if TYPE_CHECKING:
    from ray.train import ScalingConfig

    from cofee_dist.config import Engine
    from cofee_dist.train.worker import StageJob

_MAX_FAILURES = 3
_ERROR = "error.json"
#: The stage before may have its places still.
_GRACE_SECONDS = 5.0
_log = logging.getLogger(__name__)


def fit(job: StageJob) -> dict[str, Any]:
    """Run a stage under Ray Train and return its result.

    ``engine.workers: 0`` is Ray Train's local mode: the same function in this process. With workers, a lost one is
    replaced, or with ``engine.min_workers`` done without where the cluster has no other, and the group goes on from
    the newest checkpoint, which lies in the run's folder (shared storage). The result also has ``startup_seconds`` and
    their parts (see ``StartUp``).

    Raises:
        UserError: As a worker raised it; the group is not tried again.
    """
    from cofee_dist.train.worker import RESULT

    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    from ray.train import FailureConfig, RunConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    logging.getLogger("ray").setLevel(logging.ERROR)
    logging.getLogger("ray.train").setLevel(logging.WARNING)
    scaling = _scaling(job.config.engine)
    trainer = TorchTrainer(
        _train_loop,
        train_loop_config={
            # Pickled here, so that a worker's imports fall into its own loop, where they are timed.
            "job": pickle.dumps(job),
            "device": None if scaling.num_workers == 0 else "cuda" if scaling.use_gpu else "cpu",
            "directory": str(Path.cwd()),
        },
        torch_config=TorchConfig(timeout_s=PROCESS_GROUP_TIMEOUT_SECONDS),
        scaling_config=scaling,
        run_config=RunConfig(
            name=f"{job.config.name}-{job.name}",
            storage_path=str((job.folder / "ray").resolve()),
            failure_config=FailureConfig(max_failures=_MAX_FAILURES),
        ),
    )
    try:
        with _interruptible():
            trainer.fit()
    except Exception:
        _raise_told(job)
        raise
    _raise_told(job)
    result: dict[str, Any] = read_json(job.folder / RESULT)
    return result | read_startup(job.folder / STARTUP, job.launched)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C stays a KeyboardInterrupt: Ray Train takes it over for good, ends its workers and exits with 0."""
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit:
        raise KeyboardInterrupt from None
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, before)


def _scaling(engine: Engine) -> ScalingConfig:
    """The group to ask for, of a cluster that was joined or started for it unless the stage trains in this process."""
    import ray
    from ray.train import ScalingConfig

    if engine.workers == 0:
        return ScalingConfig(num_workers=0)
    _join_cluster()
    gpu = takes_gpus(engine, ray.cluster_resources())
    resources = resources_per_worker(engine, gpu)
    if "RAY_ADDRESS" not in os.environ and len(ray.nodes()) == 1:
        check_room(engine, resources, ray.cluster_resources())
    else:
        _tell_wait(engine, resources)
    # A dict, since type checkers know Ray Train's first version only, whose groups are not elastic.
    elastic: dict[str, Any] = {
        "num_workers": group_size(engine),
        "elastic_resize_monitor_interval_s": GROWTH_INTERVAL_SECONDS,
    }
    return ScalingConfig(**elastic, use_gpu=gpu, resources_per_worker=resources)


def _tell_wait(engine: Engine, wanted: dict[str, float]) -> None:
    """One line for the user if the group has to wait for its places."""
    import ray

    end = time.monotonic() + _GRACE_SECONDS
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    while told := waited_for(engine, wanted, nodes, ray.available_resources()):
        if time.monotonic() > end:
            _log.warning(told)
            return
        time.sleep(0.2)


def _join_cluster() -> None:
    """Join the cluster of ``ray job submit``, RAY_ADDRESS or ``ray start``, or start one on this machine."""
    import ray

    if ray.is_initialized():
        return
    for name, value in OWN_CLUSTER_ENVIRONMENT.items() if "RAY_ADDRESS" not in os.environ else ():
        os.environ.setdefault(name, value)
    # Workers' logs stay in files: the bars are to be seen, and what makes a worker fail is in the exception.
    ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)


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

    # Paths may be relative, and Ray has given the worker a folder of its own.
    with suppress(OSError):
        os.chdir(settings["directory"])
    job: StageJob = pickle.loads(settings["job"])
    if settings["device"] is not None:
        engine = job.config.engine.model_copy(update={"device": settings["device"]})
        job = replace(job, config=job.config.model_copy(update={"engine": engine}))
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
