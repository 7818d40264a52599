"""How long a stage takes from its launch to its first step, and with what."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cofee_dist.artifacts import read_json, write_json

STARTUP = "startup.json"


@dataclass
class StartUp:
    """Seconds by part, in the order in which they passed; ``launched`` is of ``time.time()``, maybe elsewhere.

    The parts: ``workers`` (cluster, processes, process group), ``imports``, ``model``, ``engine``, ``data`` (read and
    tokenised), ``first_labels`` (checkpoint; in FET clusters and the score before) and ``first_step``.
    """

    launched: float = field(default_factory=time.time)
    path: Path | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    _finished: bool = False

    def until(self, part: str, moment: float | None = None) -> None:
        """All time that no part has yet, up to now or to a moment, is that of this part; after ``finish`` nothing."""
        if self._finished:
            return
        since = self.launched + sum(self.seconds.values())
        # Clocks of two machines may differ by more than a part takes.
        self.seconds[part] = max(0.0, (time.time() if moment is None else moment) - since)

    def finish(self, part: str) -> None:
        """The same for the last part; written to ``path``, unless workers of this launch that were lost had."""
        self.until(part)
        if not self._finished and self.path is not None and not read_startup(self.path, self.launched):
            told = {name: round(seconds, 3) for name, seconds in self.seconds.items()}
            total = round(sum(self.seconds.values()), 3)
            write_json(self.path, {"launched": self.launched, "startup_seconds": total, "startup": told})
        self._finished = True


def read_startup(path: Path, launched: float) -> dict[str, Any]:
    """``startup_seconds`` and their parts, ``startup``; nothing where a stage launched then made no step."""
    found: dict[str, Any] = read_json(path) if path.exists() else {}
    return found if found.pop("launched", None) == launched else {}
