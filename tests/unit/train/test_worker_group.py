"""What is asked of Ray Train: how many workers, on GPUs or not, and whether this machine has room for them."""

from __future__ import annotations

import re

import pytest

from cofee_dist.config import Engine
from cofee_dist.errors import UserError
from cofee_dist.train.worker_group import check_room, group_size, resources_per_worker, takes_gpus, waited_for


def engine(**settings: object) -> Engine:
    return Engine.model_validate({"name": "deepspeed", **settings})


def test_a_group_is_of_one_size_or_elastic():
    assert group_size(engine(workers=4)) == 4
    assert group_size(engine(workers=4, min_workers=2)) == (2, 4)
    assert group_size(engine(workers=0)) == 0


@pytest.mark.parametrize(
    ("settings", "gpus", "taken"),
    [
        ({"device": "auto", "workers": 2}, 0, False),
        ({"device": "auto", "workers": 2}, 1, False),
        ({"device": "auto", "workers": 2}, 2, True),
        ({"device": "auto", "workers": 4, "min_workers": 1}, 1, True),
        ({"device": "cpu", "workers": 2}, 8, False),
        ({"device": "cuda", "workers": 2}, 0, True),
    ],
)
def test_gpus_are_taken_where_the_least_group_gets_one_each(settings, gpus, taken):
    cluster = {"CPU": 16.0, "GPU": float(gpus)} if gpus else {"CPU": 16.0}
    assert takes_gpus(engine(**settings), cluster) is taken


def test_a_worker_reserves_its_threads_and_one_gpu():
    assert resources_per_worker(engine(workers=2), gpu=False) == {"CPU": 1}
    assert resources_per_worker(engine(workers=2, cpu_threads=4), gpu=True) == {"CPU": 4, "GPU": 1}


def test_more_than_a_machine_has_is_the_users_mistake():
    machine = {"CPU": 4.0}
    check_room(engine(workers=8, min_workers=4), {"CPU": 1.0}, machine)
    with pytest.raises(UserError, match=r"3 workers with 2 CPU each do not fit this machine's 4"):
        check_room(engine(workers=3), {"CPU": 2.0}, machine)
    with pytest.raises(UserError, match=r"1 workers with 1 GPU each do not fit this machine's 0"):
        check_room(engine(workers=1), {"CPU": 1.0, "GPU": 1.0}, machine)


@pytest.mark.parametrize(
    ("settings", "nodes", "free", "told"),
    [
        ({"workers": 2}, [{"CPU": 1.0}, {"CPU": 1.0}], {"CPU": 2.0}, None),
        ({"workers": 3}, [{"CPU": 1.0}, {"CPU": 1.0}], {"CPU": 2.0}, "3 workers with 1 CPU each: .* room for 2"),
        ({"workers": 9, "min_workers": 2}, [{"CPU": 2.0}], {"CPU": 2.0}, None),
        ({"workers": 2, "cpu_threads": 2}, [{"CPU": 3.0}, {"CPU": 1.0}], {"CPU": 4.0}, "with 2 CPU each: .* for 1"),
        ({"workers": 2}, [{"CPU": 2.0}], {"CPU": 1.0}, "2 workers with 1 CPU each: the cluster is in use"),
        ({"workers": 2}, [{"CPU": 2.0}], {}, "in use"),
        ({"workers": 1, "device": "cuda"}, [{"CPU": 8.0}], {"CPU": 8.0}, "1 CPU and 1 GPU each: .* room for 0"),
    ],
)
def test_what_a_group_waits_for_is_told(settings, nodes, free, told):
    asked = engine(**settings)
    found = waited_for(asked, resources_per_worker(asked, takes_gpus(asked, {})), nodes, free)
    assert found is None if told is None else re.search(told, found)
