"""A run's weak labels for the terminal and as JSON: where each came from, what an iteration added and dropped."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from cofee_dist.errors import UserError
from cofee_dist.report.text import count, plural

if TYPE_CHECKING:
    from cofee_dist.labels.changes import ChangedSentence, Changes, Counts
    from cofee_dist.schemas import Entity

#: Where D_s lies below a run's folder: the first holds every round of self-picking once it has begun.
LEDGERS = ("nee/labels", "labels")

_STYLES = ("green", "red", "cyan", "magenta", "yellow", "blue")


def find_ledger(folder: Path) -> Path | None:
    """The run's ledger of labels with the most to tell, or None where there is none yet."""
    from cofee_dist.labels.ledger import iterations

    return next((folder / name for name in LEDGERS if iterations(folder / name)), None)


class LabelsView:
    """The labels of one iteration of a run, beside those of another.

    Args:
        folder: the run's.
        iteration: 0 for the word lists' labels, k for those of the k-th picking; the last if None.
        against: the iteration to compare with; if None the one before, which iteration 0 has not.
        types: only labels of these; of all if empty.

    Raises:
        UserError: where the run has no labels, or not these iterations or types; it names those that it has.
    """

    def __init__(
        self,
        folder: str | Path,
        iteration: int | None = None,
        against: int | None = None,
        types: Collection[str] = (),
    ) -> None:
        from cofee_dist.labels.changes import by_type, count_labels
        from cofee_dist.labels.ledger import iterations

        ledger = find_ledger(Path(folder))
        if ledger is None:
            what = "the run has no labels yet" if Path(folder).is_dir() else "there is no run here"
            raise UserError(what, where=folder, fix="give a run's folder; its labels stage must be finished")
        there = iterations(ledger)
        self.ledger, self.types = ledger, tuple(types)
        self.iteration = there[-1] if iteration is None else iteration
        before = self.iteration - 1 if self.iteration - 1 in there else None
        self.against = before if against is None else against
        for wanted in (self.iteration, self.against):
            if wanted is not None and wanted not in there:
                raise UserError(f"there is no iteration {wanted}", where=ledger, fix=f"take one of {_listed(there)}")
        self.sentences, self.counts = count_labels(ledger, self.iteration)
        known = set(by_type(self.counts))
        if self.against is not None and self.against != self.iteration:
            known |= set(by_type(count_labels(ledger, self.against)[1]))
        if unknown := [name for name in self.types if name not in known]:
            raise UserError(f"no label has the type {unknown[0]!r}", where=ledger, fix=f"take one of {_listed(known)}")

    def show(self, limit: int = 10, surface: str | None = None) -> Group:
        """Counts by type and source, then at most ``limit`` sentences.

        They are those that changed, if there is an iteration to compare with; those in which ``surface`` is
        labelled, if it is given; or all with a label.
        """
        if surface is None and self.against is not None:
            return self.show_changes(limit)
        return Group(self._head(), _counts_table({"labels": self._counted()}), *self._sentences(limit, surface))

    def show_changes(self, limit: int = 10) -> Group:
        """What was added and dropped, by type and source, and at most ``limit`` of the sentences that changed."""
        changes = self._changes(limit)
        columns = {"labels": self._counted(), "added": changes.added, "dropped": changes.dropped, "kept": changes.kept}
        told = (
            f"iteration {self.iteration} against {self.against}: {count(changes.added.total())} added, "
            f"{count(changes.dropped.total())} dropped, {count(changes.kept.total())} kept; "
            f"{plural(changes.sentences, 'sentence')} changed"
        )
        parts: list[RenderableType] = [self._head(), Text(told, style="bold"), _counts_table(columns)]
        parts += map(_changed, changes.examples)
        if changes.sentences > len(changes.examples):
            parts.append(Text(f"… and {count(changes.sentences - len(changes.examples))} more", style="dim"))
        return Group(*parts)

    def as_json(self, limit: int = 10, surface: str | None = None) -> dict[str, Any]:
        """What ``show`` tells, as plain values; ``sentences`` have the labels with their surfaces."""
        made: dict[str, Any] = {
            "iteration": self.iteration,
            "against": self.against,
            "sentences": self.sentences,
            "labels": _nested(self._counted()),
        }
        if surface is not None or self.against is None:
            shown = self._labelled(surface)
            return made | {"examples": [_plain(row, ("labels",)) for row, _ in zip(shown, range(limit), strict=False)]}
        changes = self._changes(limit)
        names = ("added", "dropped", "kept")
        made |= {name: _nested(getattr(changes, name)) for name in names} | {"sentences_changed": changes.sentences}
        return made | {"examples": [_plain(asdict(row), names) for row in changes.examples]}

    def _changes(self, limit: int) -> Changes:
        from cofee_dist.labels.changes import compare

        if self.against is None:
            raise UserError(
                f"iteration {self.iteration} has none before it to compare with",
                where=self.ledger,
                fix="give --iteration from 1 on, or --against",
            )
        return compare(self.ledger, self.against, self.iteration, limit, self.types)

    def _counted(self) -> Counts:
        from cofee_dist.labels.changes import Counts

        return Counts({pair: number for pair, number in self.counts.items() if not self.types or pair[0] in self.types})

    def _head(self) -> Text:
        from cofee_dist.labels.changes import by_source

        sources = ", ".join(f"{name} {count(number)}" for name, number in by_source(self._counted()).items())
        sentences = plural(self.sentences, "sentence")
        return Text(f"iteration {self.iteration}: {sentences}; labels by source: {sources or 'none'}", style="bold")

    def _sentences(self, limit: int, surface: str | None) -> Iterator[RenderableType]:
        number = 0
        for number, row in enumerate(self._labelled(surface), start=1):
            if number > limit:
                yield Text(f"… the first {limit} are shown", style="dim")
                break
            yield _sentence(row["page_id"], row["sentence_index"], row["text"], [("", row["labels"])])
        if not number:
            yield Text(f"no label on {surface!r}" if surface else "no labels")

    def _labelled(self, surface: str | None) -> Iterator[dict[str, Any]]:
        """Sentences with a label of the types, and on ``surface``; read as far as they are asked for."""
        from cofee_dist.labels.ledger import read_blocks, to_sentences

        for table in read_blocks(self.ledger, self.iteration):
            for row in to_sentences(table):
                entities = sorted(row.entities, key=lambda entity: (entity.start, entity.end))
                labels = [entity for entity in entities if not self.types or entity.type in self.types]
                on = [row.text[entity.start : entity.end] for entity in labels]
                if labels and (surface is None or surface in on):
                    key = {"page_id": row.page_id, "sentence_index": row.sentence_index, "text": row.text}
                    yield {**key, "labels": labels}


def _plain(row: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """A sentence as JSON: its labels with the text that they are on."""
    for name in names:
        labels = (label if isinstance(label, dict) else asdict(label) for label in row[name])
        row[name] = [{**label, "surface": row["text"][label["start"] : label["end"]]} for label in labels]
    return row


def _nested(counts: Counts) -> dict[str, dict[str, int]]:
    made: dict[str, dict[str, int]] = {}
    for (name, source), number in sorted(counts.items()):
        made.setdefault(name, {})[source] = number
    return made


def _counts_table(columns: dict[str, Counts]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("type")
    table.add_column("source")
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    for pair in sorted({pair for counts in columns.values() for pair in counts}):
        numbers = (count(counts[pair]) for counts in columns.values())
        table.add_row(Text(pair[0], style=_style(pair[0])), Text(pair[1] or "unknown"), *numbers)
    return table


def _changed(row: ChangedSentence) -> Text:
    return _sentence(
        row.page_id, row.sentence_index, row.text, [("+ ", row.added), ("− ", row.dropped), ("", row.kept)]
    )


def _sentence(page_id: int, index: int, text: str, labels: Sequence[tuple[str, Sequence[Entity]]]) -> Text:
    """A sentence with its labels in colour, and below it a line for each label, behind what became of it."""
    shown = Text.assemble("\n", (f"page {page_id}, sentence {index}", "dim"), "\n")
    offset = len(shown)
    shown.append(text)
    for _, entities in reversed(labels):
        for entity in entities:
            shown.stylize(_style(entity.type), offset + entity.start, offset + entity.end)
    for sign, entities in labels:
        for entity in entities:
            shown.append(f"\n  {sign}", "bold")
            shown.append(f"{entity.type} ", _style(entity.type))
            shown.append(text[entity.start : entity.end])
            shown.append(f"  {_origin(entity)}", "dim")
    return shown


def _origin(entity: Entity) -> str:
    """Source and score; only a model's labels have a score worth telling."""
    source = entity.source or "unknown source"
    return f"{source}, score {entity.score:.2f}" if entity.source == "picked" else source


def _style(type_name: str) -> str:
    """A terminal colour that a type keeps from one call to the next."""
    return f"bold {_STYLES[sum(type_name.encode()) % len(_STYLES)]}"


def _listed(names: Collection[Any]) -> str:
    return ", ".join(map(str, sorted(names)))
