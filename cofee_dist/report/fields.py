"""What the parts of a report are made of: frozen models, and numbers that JSON can hold."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _plain(value: Any) -> Any:
    """NumPy and torch scalars as Python's own; NaN and infinities as None."""
    item = getattr(value, "item", None)
    if callable(item):
        value = item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


Number = Annotated[float | None, BeforeValidator(_plain)]
Percent = Annotated[Annotated[float, Field(ge=0, le=100.0001)] | None, BeforeValidator(_plain)]
Count = Annotated[Annotated[int, Field(ge=0)], BeforeValidator(_plain)]
Counts = dict[str, Count]


class Part(BaseModel):
    """A part of the report: frozen, and closed to keys that nothing shows."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    def to_json(self) -> dict[str, Any]:
        """Plain values that ``json.dumps(..., allow_nan=False)`` takes."""
        return self.model_dump(mode="json")
