"""Parts in threads give what one thread gives, in order."""

from __future__ import annotations

from collections.abc import Iterator

import faiss
import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info

from cofee_dist.mining import nearest, threads
from cofee_dist.mining.kmeans import kmeans
from cofee_dist.mining.threads import in_parts


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_results_come_in_the_order_of_the_rows(monkeypatch: pytest.MonkeyPatch, two_threads: None) -> None:
    monkeypatch.setattr(threads, "PART_ROWS", 3)
    assert list(in_parts(lambda part: (part.start, part.stop), 8)) == [(0, 3), (3, 6), (6, 8)]
    assert list(in_parts(lambda part: part, 0)) == []


def test_libraries_keep_to_one_thread_and_get_theirs_back(monkeypatch: pytest.MonkeyPatch, two_threads: None) -> None:
    def threads_of_libraries() -> set[int]:
        return {
            torch.get_num_threads(),
            faiss.omp_get_max_threads(),
            *(lib["num_threads"] for lib in threadpool_info()),
        }

    monkeypatch.setattr(threads, "PART_ROWS", 1)
    faiss.omp_set_num_threads(2)
    assert list(in_parts(lambda _: threads_of_libraries(), 4)) == [{1}] * 4
    assert torch.get_num_threads() == faiss.omp_get_max_threads() == 2


def test_what_fails_in_a_thread_is_raised(monkeypatch: pytest.MonkeyPatch, two_threads: None) -> None:
    monkeypatch.setattr(threads, "PART_ROWS", 1)

    def work(part: slice) -> None:
        raise ValueError(f"row {part.start}")

    with pytest.raises(ValueError, match="row 0"):
        list(in_parts(work, 3))
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize("clusters", [5, nearest.PRODUCT_BELOW])
def test_two_threads_find_the_clusters_of_one(
    clusters: int, monkeypatch: pytest.MonkeyPatch, two_threads: None
) -> None:
    monkeypatch.setattr(threads, "PART_ROWS", 512)
    points = np.random.default_rng(0).normal(size=(3000, 8)).astype(np.float32)
    on_two = kmeans(points, clusters)
    torch.set_num_threads(1)
    on_one = kmeans(points, clusters)
    assert np.array_equal(on_two.centroids_kd, on_one.centroids_kd)
    assert np.array_equal(on_two.assignment_n, on_one.assignment_n)
    assert on_two.objective == on_one.objective
