"""What a person sees while a run goes: a line for each stage, a bar with the time left for the one under way."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from cofee_dist.train.metrics import read_metrics

_POLL_SECONDS = 0.5


class StageProgress:
    """The bar of one stage. ``note`` is the short text behind it."""

    def __init__(self, bars: Progress, task: TaskID) -> None:
        self._bars, self._task = bars, task

    def update(self, done: float, total: float) -> None:
        """Set how far the stage is."""
        self._bars.update(self._task, completed=done, total=total)

    def note(self, text: str) -> None:
        """Set the text behind the bar."""
        self._bars.update(self._task, note=text)

    @contextmanager
    def follow(self, path: Path) -> Iterator[None]:
        """Move the bar by a stage's ``metrics.jsonl`` while the stage runs, here or on another machine."""
        stop = threading.Event()
        thread = threading.Thread(target=self._poll, args=(path, stop), daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def _poll(self, path: Path, stop: threading.Event) -> None:
        while not stop.wait(_POLL_SECONDS):
            latest: dict[str, float] = {}
            for line in read_metrics(path):
                latest |= line
            if "progress" in latest:
                self.update(latest["progress"], 1.0)
                score = f" · F1 {100 * latest['validation_f1']:.1f}" if "validation_f1" in latest else ""
                self.note(f"loss {latest.get('loss', float('nan')):.4f}{score}")


class RunProgress:
    """The bars of a run, on stderr; without a terminal, one line when a stage ends."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)
        self._bars = Progress(
            SpinnerColumn(finished_text="[green]✓"),
            TextColumn("{task.description:<20}"),
            BarColumn(bar_width=24),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(compact=True),
            TextColumn("[dim]{task.fields[note]}"),
            console=self.console,
            transient=True,
        )

    def __enter__(self) -> RunProgress:
        if self.console.is_terminal:
            self._bars.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bars.stop()

    @contextmanager
    def stage(self, name: str) -> Iterator[StageProgress]:
        """Show a stage while the block runs; ``finished`` or ``skipped`` tells how it ended."""
        task = self._bars.add_task(name, total=None, note="")
        try:
            yield StageProgress(self._bars, task)
        finally:
            self._bars.remove_task(task)

    def finished(self, name: str, seconds: float, text: str) -> None:
        """Leave a line for a stage that was run."""
        self.console.print(f"[green]✓[/] {name:<20} {_clock(seconds):>6}  {text}", highlight=False, soft_wrap=True)

    def skipped(self, name: str, text: str) -> None:
        """Leave a line for a stage that had been finished by an earlier run."""
        self.console.print(f"[dim]✓ {name:<20}   done  {text}[/]", highlight=False, soft_wrap=True)

    def say(self, name: str, text: str) -> None:
        """Leave a line that is no stage's."""
        self.console.print(f"[dim]· {name:<20}         {escape(text)}[/]", highlight=False, soft_wrap=True)

    def left_out(self, name: str, why: str) -> None:
        """Leave a line for a stage that this run has not."""
        self.console.print(f"[dim]– {name:<20}   none  {why}[/]", highlight=False, soft_wrap=True)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"


def count(number: Any) -> str:
    """An integer with thousands separators."""
    return f"{int(number):,}"
