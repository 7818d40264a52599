"""The table of what was not read, and how much of it a corpus may have."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.dataset as ds
import pyarrow.parquet as pq

from cofee_dist.config import Corpus
from cofee_dist.corpus.dump import DAMAGED
from cofee_dist.corpus.dump_list import list_dumps
from cofee_dist.corpus.dump_location import FETCH_AGAIN, dump_size
from cofee_dist.corpus.rows import QUARANTINED
from cofee_dist.errors import UserError
from cofee_dist.schemas import QUARANTINE

_NAMED = 3
_MAX_TITLE = 60  # characters of a title that a message shows


@dataclass
class Quarantined:
    """How many pages each reason kept out, and what the first of them are called; ``places`` are damaged ones.

    ``folder`` holds the whole table.
    """

    folder: Path = Path("quarantine")
    places: list[str] = field(default_factory=list)
    pages: Counter[str] = field(default_factory=Counter)
    first: dict[str, list[str]] = field(default_factory=dict)

    def add(self, reason: str, page_id: int, title: str) -> None:
        """Count one page."""
        self.pages[reason] += 1
        named = self.first.setdefault(reason, [])
        if len(named) < _NAMED:
            shown = " ".join(title.split()) or (f"page {page_id}" if page_id >= 0 else "no title")
            named.append(shown if len(shown) <= _MAX_TITLE else f"{shown[:_MAX_TITLE]}…")

    def __str__(self) -> str:
        return "; ".join(
            f"{reason} {number:,} ({', '.join(self.first[reason])}{', …' if number > _NAMED else ''})"
            for reason, number in self.pages.most_common()
        )


def write_quarantine(rows: list[str], output: Path) -> Quarantined:
    """Write what was not read, and count pages by reason: a damaged place of a dump is a row, but no page."""
    columns = {name: ds.field(name) for name in ("page_id", "title")}
    columns |= {"reason": ds.field("name"), "detail": ds.field("text")}
    table = ds.dataset(rows, format="parquet").to_table(columns=columns, filter=ds.field("kind") == QUARANTINED)
    table = table.cast(QUARANTINE).sort_by([(name, "ascending") for name in QUARANTINE.names])
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    pq.write_table(table, output / "part-00000.parquet", compression="zstd")
    found = Quarantined(output)
    for row in table.to_pylist():
        if row["reason"] == DAMAGED:
            found.places.append(row["detail"])
        else:
            found.add(row["reason"], row["page_id"], row["title"])
    return found


def check_quarantined(counts: Mapping[str, int], quarantined: Quarantined, config: Corpus) -> None:
    """Raise UserError where more of the dumps is damaged, or more of their pages unread, than a config allows."""
    lost, size = counts["damaged_bytes"], sum(map(dump_size, list_dumps(config.dumps)))
    most = config.max_quarantined_share
    if lost / size > most:
        raise UserError(
            f"{lost:,} of the dumps' {size:,} bytes are damaged ({lost / size:.1%}; at most {most:.1%} may be), in "
            f"{counts['damaged_streams']:,} places: {_first_places(quarantined.places)}",
            where=f"{', '.join(config.dumps)}; all places are in {quarantined.folder}",
            fix=f"{FETCH_AGAIN}, or raise corpus.max_quarantined_share",
        )
    share = counts["quarantined"] / max(1, counts["pages"])
    if share > most:
        raise UserError(
            f"{counts['quarantined']:,} of {counts['pages']:,} pages could not be read ({share:.1%}; at most "
            f"{most:.1%} may): {quarantined}",
            where=f"{', '.join(config.dumps)}; all pages are in {quarantined.folder}",
            fix="check that the dump is whole, or raise corpus.max_quarantined_share",
        )


def _first_places(places: list[str]) -> str:
    """``bytes START to …`` of the first, in the order of their numbers."""
    ordered = sorted(places, key=lambda place: (len(place.split()[1]), place))
    return "; ".join([*ordered[:_NAMED], *(["…"] if len(places) > _NAMED else [])])
