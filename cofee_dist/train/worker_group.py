"""What is asked of Ray Train for a stage's workers: how many, on what, and how long it waits for whom."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cofee_dist.config import Engine
from cofee_dist.errors import UserError

#: A rank waits so long in a collective for another. Longer than any work of rank 0 alone (writing a Wikipedia's labels
#: or tokens), while the others wait for it. A lost worker is not waited for: Ray notices it and ends the group.
PROCESS_GROUP_TIMEOUT_SECONDS = 4 * 60 * 60

#: An elastic group looks so often whether it can grow. Growing starts it anew from the last checkpoint.
GROWTH_INTERVAL_SECONDS = 60.0

#: Ray Train's own settings, unless the user's environment has them.
ENVIRONMENT = {
    "RAY_TRAIN_V2_ENABLED": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    # How often it looks after its workers: a worker that died is noticed after so many seconds, and so is the end.
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "1",
    # After so many seconds without room for the group it looks again what the cluster has, any number of times. Ray
    # counts nodes each 20 seconds, so a group may have been planned on one that is gone.
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "15",
}

#: The same for a cluster of this process's own, on this machine: fewer processes to start.
OWN_CLUSTER_ENVIRONMENT = {
    # Idle workers of an environment that Ray Train's do not share.
    "RAY_prestart_worker_first_driver": "0",
    # It waits for a cloud's notice that a node is taken away.
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
}


def group_size(engine: Engine) -> int | tuple[int, int]:
    """``ScalingConfig.num_workers``: a number, or the least and the most of an elastic group."""
    return engine.workers if engine.min_workers is None else (engine.min_workers, engine.workers)


def takes_gpus(engine: Engine, cluster: Mapping[str, float]) -> bool:
    """Whether each worker gets a GPU, of a cluster with these resources in all (``ray.cluster_resources()``)."""
    if engine.device == "auto":
        return cluster.get("GPU", 0) >= max(1, engine.min_workers or engine.workers)
    return engine.device == "cuda"


def resources_per_worker(engine: Engine, gpu: bool) -> dict[str, float]:
    """CPUs, which Ray also makes a worker's OpenMP threads, and one GPU or none."""
    cpus = {"CPU": float(engine.cpu_threads or 1)}
    return cpus | {"GPU": 1.0} if gpu else cpus


def check_room(engine: Engine, wanted: Mapping[str, float], machine: Mapping[str, float]) -> None:
    """See that this machine has room for the least group; Ray would wait for more without end.

    Raises:
        UserError: It has not.
    """
    least = engine.min_workers or engine.workers
    for name, amount in wanted.items():
        if amount * least > machine.get(name, 0):
            raise UserError(
                f"{least} workers with {amount:g} {name} each do not fit this machine's {machine.get(name, 0):g}",
                where="engine.workers",
                fix="lower engine.workers or engine.cpu_threads, or set RAY_ADDRESS to join a cluster",
            )


def waited_for(
    engine: Engine, wanted: Mapping[str, float], nodes: Iterable[Mapping[str, float]], free: Mapping[str, float]
) -> str | None:
    """What the least group waits for on a cluster: machines, or others' work to end; None if it has room.

    Ray waits without end and without a word, since an autoscaler may bring machines. ``nodes`` are the resources of
    each machine, ``free`` what is free of all of them.
    """
    least = engine.min_workers or engine.workers
    room = _room(wanted, nodes)
    if room >= least and _room(wanted, [free]) >= least:
        return None
    each = " and ".join(f"{amount:g} {name}" for name, amount in wanted.items())
    why = f"the cluster has room for {room}" if room < least else "the cluster is in use"
    return f"waiting for {least} workers with {each} each: {why}"


def _room(wanted: Mapping[str, float], nodes: Iterable[Mapping[str, float]]) -> int:
    """How many workers find a place; none is spread over two nodes."""
    return sum(min(int(node.get(name, 0) // amount) for name, amount in wanted.items()) for node in nodes)
