"""Paths of this machine as Spark takes them: of the mounted file system, whatever a cluster's default one is."""

from __future__ import annotations

import re
from pathlib import Path

_GLOB = re.compile(r"[\[\]{}*?\\]")


def to_write(path: str | Path) -> str:
    """A path for ``write``. Not ``Path.as_uri``: Hadoop takes ``%20`` in it for the name itself."""
    return f"file://{Path(path).resolve()}"


def to_read(path: str | Path) -> str:
    """A path for ``read``, which would expand brackets and stars in it."""
    return "file://" + _GLOB.sub(r"\\\g<0>", str(Path(path).resolve()))
