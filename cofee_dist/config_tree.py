"""What every node of the config is made of."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[int, Field(gt=0)]
Count = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Rate = Annotated[float, Field(gt=0)]


class Tree(BaseModel):
    """A node of the config: frozen, and closed to keys that nothing reads."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())
