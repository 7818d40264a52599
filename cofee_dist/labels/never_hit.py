"""The entries that nothing named: how many they are, which, and all of them in a file."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cofee_dist.labels.gazetteer import Gazetteer

_FOLDER = "never_hit"
_BLOCK = 2**14


def never_hit(gazetteer: Gazetteer, name: str, hits: Collection[str]) -> Iterator[str]:
    """The entries of a type that are not among the hits, as the lists have them; those without a label come last."""
    unseen = np.isin(gazetteer.kinds, gazetteer.kinds_with(name))
    unseen &= ~pc.is_in(gazetteer.names, value_set=pa.array(hits, pa.string())).to_numpy()
    gives_labels = np.array([bool(types) for types in gazetteer.labels_of_kind])[gazetteer.kinds]
    for at in (np.flatnonzero(unseen & gives_labels), np.flatnonzero(unseen & ~gives_labels)):
        for first in range(0, len(at), _BLOCK):
            yield from gazetteer.names.take(pa.array(at[first : first + _BLOCK])).to_pylist()


def write_never_hit(gazetteer: Gazetteer, hits: Collection[str], report: dict[str, Any], folder: Path) -> None:
    """Write a list for each type with such entries, below ``folder``, and name it in the match report."""
    (folder / _FOLDER).mkdir(parents=True, exist_ok=True)
    for number, (name, of_type) in enumerate(report["types"].items()):
        if of_type["never_hit"]["count"]:
            # A type may be called anything; a number keeps those apart that are spelled alike here.
            file = f"{_FOLDER}/{number}-{re.sub(r'[^A-Za-z0-9_-]', '_', name)}.txt"
            with (folder / file).open("w", encoding="utf-8") as lines:
                lines.writelines(f"{entry}\n" for entry in never_hit(gazetteer, name, hits))
            of_type["never_hit"]["file"] = file
