"""One tiny world for the tests of this folder."""

import pytest

from cofee_dist.world.generate import WorldPaths, generate


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> WorldPaths:
    return generate(tmp_path_factory.mktemp("world"), seed=3, size="tiny")
