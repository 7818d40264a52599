"""What a run made so far, for the terminal: its stages, what was lost of the dump, and its labels by round."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from cofee_dist.artifacts import MANIFEST, STARTED, Manifest, read_manifest
from cofee_dist.errors import UserError
from cofee_dist.report.clusters_page import CLUSTERS, CLUSTERS_HTML
from cofee_dist.report.inspect_labels import find_ledger
from cofee_dist.report.losses import losses_table
from cofee_dist.report.matches_page import MATCHES_HTML
from cofee_dist.report.text import count, duration

_DEEPEST = 3
_RUN_FOLDER = "give the folder of a run, such as runs/NAME"


def inspect_run(folder: str | Path) -> Group:
    """A run's stages with their state, time and counts, what was lost of its dump, its labels by iteration and type.

    Raises UserError where the folder is absent or holds no stage.
    """
    folder = Path(folder)
    stages = _stages(folder)
    parts: list[RenderableType] = [Text(str(folder), style="bold"), _stages_table(stages)]
    parts += [losses_table(manifest.counts) for name, manifest in stages if name == "corpus" and manifest is not None]
    ledger = find_ledger(folder)
    if ledger is not None:
        parts.append(_iterations_table(ledger))
    if (folder / "labels" / MATCHES_HTML).exists():
        parts.append(Text.assemble(("word lists  ", "bold"), str(folder / "labels" / MATCHES_HTML)))
    if (folder / CLUSTERS / CLUSTERS_HTML).exists():
        parts.append(Text.assemble(("clusters    ", "bold"), str(folder / CLUSTERS / CLUSTERS_HTML)))
    return Group(*parts)


def _stages(folder: Path) -> list[tuple[str, Manifest | None]]:
    """Name and manifest (None where unfinished) of each stage, in the order in which they finished."""
    if not folder.is_dir():
        raise UserError("there is no run here", where=folder, fix=_RUN_FOLDER)
    markers = [path for depth in range(1, _DEEPEST + 1) for path in folder.glob("/".join(["*"] * depth + ["*.json"]))]
    found = sorted({path.parent for path in markers if path.name in (MANIFEST, STARTED)})
    if not found:
        raise UserError(
            "no stage of a run has begun in this folder",
            where=folder,
            fix=_RUN_FOLDER,
        )
    stages = [(str(path.relative_to(folder)), read_manifest(path)) for path in found]
    return sorted(stages, key=lambda stage: (stage[1] is None, stage[1].finished_at if stage[1] else ""))


def _stages_table(stages: Sequence[tuple[str, Manifest | None]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("stage", no_wrap=True)
    table.add_column("state", no_wrap=True)
    table.add_column("time", justify="right", no_wrap=True)
    table.add_column("counts", overflow="fold")
    for name, manifest in stages:
        if manifest is None:
            table.add_row(Text(name), Text("unfinished", style="yellow"), "", "left to the next run")
        else:
            counts = Text(" · ".join(_told(manifest.counts)))
            table.add_row(Text(name), Text("finished", style="green"), duration(manifest.seconds), counts)
    return table


def _told(counts: Mapping[str, Any]) -> Iterator[str]:
    """A stage's single numbers, and what its start-up was made of; other tables and lists are in ``manifest.json``."""
    for name, value in counts.items():
        label = name.replace("_", " ")
        if name == "startup":
            parts = (f"{part.replace('_', ' ')} {duration(took)}" for part, took in value.items())
            yield f"startup: {', '.join(parts)}"
        elif isinstance(value, bool):
            yield f"{label} {'yes' if value else 'no'}"
        elif isinstance(value, int):
            yield f"{label} {count(value)}"
        elif isinstance(value, float):
            yield f"{label} {value:.4g}"
        elif isinstance(value, str) and len(value) <= 40:
            yield f"{label} {value}"


def _iterations_table(ledger: Path) -> RenderableType:
    from cofee_dist.labels.changes import by_source, by_type, count_labels
    from cofee_dist.labels.ledger import iterations

    counted = []
    for iteration in iterations(ledger):
        sentences, counts = count_labels(ledger, iteration)
        counted.append((iteration, sentences, by_type(counts), by_source(counts)))
    types = sorted({name for _, _, of_types, _ in counted for name in of_types})
    shown = Table(title="Labels by iteration", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("iteration", "sentences", "labels"):
        shown.add_column(column, justify="right", no_wrap=True)
    for name in types:
        shown.add_column(Text(name), justify="right")
    shown.add_column("sources", overflow="fold")
    for iteration, sentences, of_types, of_sources in counted:
        sources = ", ".join(f"{name} {count(number)}" for name, number in of_sources.items())
        numbers = [count(of_types.get(name, 0)) for name in types]
        shown.add_row(str(iteration), count(sentences), count(sum(of_types.values())), *numbers, Text(sources))
    return shown
