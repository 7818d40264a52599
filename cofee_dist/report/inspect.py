"""What a run made so far, for the terminal: its stages, its labels round by round, and where each label came from.

Every function gives a rich renderable; nothing is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from cofee_dist.artifacts import MANIFEST, STARTED, Manifest, read_manifest
from cofee_dist.errors import UserError
from cofee_dist.report.text import count, duration, plural

if TYPE_CHECKING:
    import pyarrow as pa

#: Where D_s lies below a run's folder: the first holds every round of self-picking once it has begun.
LEDGERS = ("nee/labels", "labels")

_STYLES = ("green", "red", "cyan", "magenta", "yellow", "blue")
_DEEPEST = 3
_RUN_FOLDER = "give the folder of a run, such as runs/NAME"


def inspect_run(folder: str | Path) -> Group:
    """A run's stages with their state, time and counts, and its labels by iteration and type.

    Raises UserError where the folder is absent or holds no stage.
    """
    folder = Path(folder)
    stages = _stages(folder)
    parts: list[RenderableType] = [Text(str(folder), style="bold"), _stages_table(stages)]
    ledger = _ledger(folder)
    if ledger is not None:
        parts.append(_iterations_table(ledger))
    return Group(*parts)


def inspect_labels(folder: str | Path, iteration: int, limit: int = 20, surface: str | None = None) -> Group:
    """Weak labels of an iteration with their sentence, source (anchor, gazetteer, picked) and score.

    Args:
        folder: the run's.
        iteration: 0 for the word lists' labels, k for those of the k-th picking.
        limit: sentences shown at most.
        surface: only sentences in which this very text is labelled.
    """
    from cofee_dist.labels.ledger import counts_by_source, read_iteration

    table = read_iteration(_require_ledger(Path(folder)), iteration)
    sources = ", ".join(f"{name} {count(number)}" for name, number in counts_by_source(table).items())
    head = f"iteration {iteration}: {plural(table.num_rows, 'sentence')}; labels by source: {sources or 'none'}"
    shown: list[RenderableType] = []
    for row in _rows(table):
        entities = sorted(row["entities"], key=lambda entity: (entity["start"], entity["end"]))
        if not entities or (surface is not None and surface not in (_surface(row, entity) for entity in entities)):
            continue
        if len(shown) == limit:
            shown.append(Text(f"… the first {limit} are shown", style="dim"))
            break
        shown.append(_sentence(row, entities))
    if not shown:
        shown = [Text(f"no label on {surface!r}" if surface else "no labels")]
    return Group(Text(head, style="bold"), *shown)


def last_iteration(folder: str | Path) -> int:
    """The newest complete iteration of a run's ledger; UserError where there is none."""
    from cofee_dist.labels.ledger import iterations

    return iterations(_require_ledger(Path(folder)))[-1]


def inspect_changes(folder: str | Path, iteration: int, limit: int = 20) -> Group:
    """What an iteration added and dropped, compared with the one before it; ``limit`` of each are shown.

    Raises UserError for iteration 0, which has none before it, and for one that is not there.
    """
    from cofee_dist.labels.ledger import diff, read_iteration

    if iteration < 1:
        raise UserError("iteration 0 has none before it to compare with", fix="give an iteration from 1 on")
    ledger = _require_ledger(Path(folder))
    after = read_iteration(ledger, iteration)
    before = read_iteration(ledger, iteration - 1)
    changes = diff(before, after)
    head = (
        f"iteration {iteration} against {iteration - 1}: {count(changes.added.num_rows)} added, "
        f"{count(changes.dropped.num_rows)} dropped, {count(changes.kept.num_rows)} kept"
    )
    parts: list[RenderableType] = [Text(head, style="bold")]
    for name, spans, source in (("added", changes.added, after), ("dropped", changes.dropped, before)):
        if spans.num_rows:
            parts += [Text(), Text(name, style="bold"), *_changed(spans.slice(0, limit), source)]
        if spans.num_rows > limit:
            parts.append(Text(f"… and {count(spans.num_rows - limit)} more", style="dim"))
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
    """The single numbers among a stage's counts; tables and lists within them are for ``manifest.json``."""
    for name, value in counts.items():
        label = name.replace("_", " ")
        if isinstance(value, bool):
            yield f"{label} {'yes' if value else 'no'}"
        elif isinstance(value, int):
            yield f"{label} {count(value)}"
        elif isinstance(value, float):
            yield f"{label} {value:.4g}"
        elif isinstance(value, str) and len(value) <= 40:
            yield f"{label} {value}"


def _iterations_table(ledger: Path) -> RenderableType:
    from cofee_dist.labels.ledger import counts_by_source, counts_by_type, iterations, read_iteration

    counted = []
    for iteration in iterations(ledger):
        table = read_iteration(ledger, iteration)
        counted.append((iteration, table.num_rows, counts_by_type(table), counts_by_source(table)))
    types = sorted({name for _, _, by_type, _ in counted for name in by_type})
    shown = Table(title="Labels by iteration", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("iteration", "sentences", "labels"):
        shown.add_column(column, justify="right", no_wrap=True)
    for name in types:
        shown.add_column(Text(name), justify="right")
    shown.add_column("sources", overflow="fold")
    for iteration, sentences, by_type, by_source in counted:
        sources = ", ".join(f"{name} {count(number)}" for name, number in by_source.items())
        numbers = [count(by_type.get(name, 0)) for name in types]
        shown.add_row(str(iteration), count(sentences), count(sum(by_type.values())), *numbers, Text(sources))
    return shown


def _ledger(folder: Path) -> Path | None:
    """The run's ledger of labels with the most to tell, or None where there is none yet."""
    from cofee_dist.labels.ledger import iterations

    return next((folder / name for name in LEDGERS if iterations(folder / name)), None)


def _require_ledger(folder: Path) -> Path:
    ledger = _ledger(folder)
    if ledger is None:
        raise UserError("the run has no labels yet", where=folder, fix="run it at least to the end of its labels stage")
    return ledger


def _rows(table: pa.Table) -> Iterator[dict[str, Any]]:
    """Rows as plain values, a batch at a time: a ledger may hold millions, of which a few are shown."""
    for batch in table.to_batches(max_chunksize=1024):
        yield from batch.to_pylist()


def _surface(row: Mapping[str, Any], entity: Mapping[str, Any]) -> str:
    return str(row["text"][entity["start"] : entity["end"]])


def _sentence(row: Mapping[str, Any], entities: Sequence[Mapping[str, Any]]) -> Text:
    """A sentence with its labels in colour, and below it a line for each label."""
    text = Text.assemble("\n", (f"page {row['page_id']}, sentence {row['sentence_index']}", "dim"), "\n")
    offset = len(text)
    text.append(row["text"])
    for entity in entities:
        text.stylize(_style(entity["type"]), offset + entity["start"], offset + entity["end"])
    for entity in entities:
        text.append(f"\n  {entity['type']} ", _style(entity["type"]))
        text.append(_surface(row, entity))
        text.append(f"  {_origin(entity)}", "dim")
    return text


def _origin(entity: Mapping[str, Any]) -> str:
    """Source and score; only a model's labels have a score worth telling."""
    source = entity["source"] or "unknown source"
    return f"{source}, score {entity['score']:.2f}" if entity["source"] == "picked" else source


def _style(type_name: str) -> str:
    """A terminal colour that a type keeps from one call to the next."""
    return f"bold {_STYLES[sum(type_name.encode()) % len(_STYLES)]}"


def _changed(spans: pa.Table, source: pa.Table) -> Iterator[Text]:
    """A line for each span, with its sentence, which is looked up in the labels it comes from."""
    import pyarrow.compute as pc

    wanted = source.filter(pc.is_in(source.column("page_id"), value_set=pc.unique(spans.column("page_id"))))
    texts = {
        (row["page_id"], row["sentence_index"]): row["text"]
        for row in wanted.select(["page_id", "sentence_index", "text"]).to_pylist()
    }
    for entity in spans.to_pylist():
        text = texts[entity["page_id"], entity["sentence_index"]]
        line = Text("  ")
        line.append(f"{entity['type']} ", _style(entity["type"]))
        offset = len(line)
        line.append(text)
        line.stylize(_style(entity["type"]), offset + entity["start"], offset + entity["end"])
        line.append(f"  {_origin(entity)}", "dim")
        yield line
