"""The driver that ``ray job submit`` starts: what it was given, as Ray tells it in the environment."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from cofee_dist.errors import UserError

#: Ray's name for it; a job's driver has it, and no other process.
_JOB_CONFIG = "RAY_JOB_CONFIG_JSON_ENV_VAR"


def check_runs(runs: str, environment: Mapping[str, str] = os.environ) -> None:
    """See that ``runs`` does not lie in the copy of ``--working-dir`` that each machine has of a job.

    Raises:
        UserError: It does: Ray removes the copies, and workers elsewhere would each see their own.
    """
    given = json.loads(environment.get(_JOB_CONFIG) or "{}").get("runtime_env") or {}
    if given.get("working_dir") and not Path(runs).is_absolute():
        raise UserError(
            f"runs is {runs!r}, which in a Ray job with a working folder is in a copy of it that Ray removes",
            where=Path(runs).absolute(),
            fix="--set runs=/…, an absolute path on storage that every machine sees",
        )
