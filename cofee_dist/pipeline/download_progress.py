"""What a person sees while files are fetched: a bar with bytes, speed and time left; a line for each file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.filesize import decimal
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn


class DownloadProgress:
    """On stderr; without a terminal only the line of each file that is there."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            DownloadColumn(),
            TransferSpeedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(compact=True),
            console=self.console,
            transient=True,
        )

    def __enter__(self) -> DownloadProgress:
        if self.console.is_terminal:
            self._bars.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self.console.is_terminal:
            self._bars.stop()

    @contextmanager
    def file(self, name: str, size_bytes: int | None) -> Iterator[Callable[[int], None]]:
        """Show a file while the block runs; what it gives is called with the bytes that are there."""
        task = self._bars.add_task(name, total=size_bytes)
        begun = False

        def moved(there: int) -> None:
            nonlocal begun
            if begun:
                self._bars.update(task, completed=there)
            else:
                # What was fetched by an earlier run must not count as this one's speed.
                self._bars.reset(task, completed=there)
                begun = True

        try:
            yield moved
        finally:
            self._bars.remove_task(task)

    def finished(self, name: str, size_bytes: int, text: str) -> None:
        """Leave a line for a file that is there."""
        self.console.print(f"[green]✓[/] {name}  {decimal(size_bytes)}  {text}", highlight=False, soft_wrap=True)

    def waiting(self, reason: str, seconds: float) -> None:
        """Tell that a server is asked again after a while."""
        if self.console.is_terminal:
            self.console.print(f"[dim]{escape(reason)}; again in {seconds:.0f} s[/]", highlight=False, soft_wrap=True)
