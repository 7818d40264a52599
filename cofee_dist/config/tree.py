"""What every node of the config is made of."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

_Item = TypeVar("_Item")

Positive = Annotated[int, Field(gt=0)]
Count = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Rate = Annotated[float, Field(gt=0)]


def _one_or_more(given: Any) -> Any:
    return (given,) if isinstance(given, (str, dict)) else given


#: A list; one item may be written without brackets.
Some = Annotated[tuple[_Item, ...], BeforeValidator(_one_or_more)]


class Tree(BaseModel):
    """A node of the config: frozen, and closed to keys that nothing reads."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())
