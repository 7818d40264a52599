"""What all tests share: one Spark session, the real data where it lies, no network."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("DS_ACCELERATOR", "cpu")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

# No test may depend on how fast the machine is.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

ROOT = Path(__file__).resolve().parent.parent


#: What takes long comes first, so that no process is left alone with it at the end.
FOLDERS = ("e2e", "spark", "distributed", "unit")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the tests by folder."""
    rank = {folder: at for at, folder in enumerate(FOLDERS)}
    items.sort(key=lambda item: rank.get(item.path.relative_to(ROOT / "tests").parts[0], len(rank)))


class _Scheduling(LoadScopeScheduling):
    """One process has all tests that start Ray (e2e), one all of Spark; the others are shared by file."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        folder = file.split("/")[1]
        return folder if folder in ("e2e", "spark") else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """How ``pytest -n 2 --dist loadscope`` shares the tests."""
    return _Scheduling(config, log)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real dumps, gazetteers and labelled files; tests that want it skip where it is absent."""
    folder = Path(os.environ.get("COFEE_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not folder.exists():
        pytest.skip(f"no real data at {folder} (set COFEE_SHARED_DATA)")
    return folder


@pytest.fixture(scope="session")
def spark() -> Iterator[Any]:
    """One local Spark session for the whole test run: starting one costs many seconds."""
    from cofee_dist.corpus.spark import local_session

    session = local_session(cores=2)
    yield session
    session.stop()
