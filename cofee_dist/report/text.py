"""Numbers and names as every part of the report writes them."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import resources

from rich.cells import cell_len, set_cell_size

MISSING = "–"


def score(value: float | None) -> str:
    """A percent or a score with one decimal; a dash where it is not known."""
    return MISSING if value is None else f"{value:.1f}"


def signed(value: float) -> str:
    """A difference with its sign, a true minus: ``+3.2``, ``−1.0``, ``±0.0``."""
    rounded = round(value, 1)
    if rounded == 0:
        return "±0.0"
    return f"{rounded:+.1f}".replace("-", "−")


def count(value: int | None) -> str:
    """A count with thousands separated; a dash where it is not known."""
    return MISSING if value is None else f"{value:,}"


def amount(value: float | None, digits: int = 4) -> str:
    """A measured number with so many digits that count, thousands separated: ``283,200``, ``15.8``, ``0.0123``."""
    return MISSING if value is None else f"{float(f'{value:.{digits}g}'):,.10g}"


def percent(share: float | None) -> str:
    """A share (0 to 1) in whole percent; what is there but rounds to nothing is ``<1 %``."""
    if share is None:
        return MISSING
    return "<1\u00a0%" if 0 < share < 0.005 else f"{100 * share:.0f}\u00a0%"


def duration(seconds: float | None) -> str:
    """Seconds as a person says them: ``0.4 s``, ``48 s``, ``3 min 20 s``, ``1 h 05 min``."""
    if seconds is None:
        return MISSING
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60:,} h {minutes % 60:02d} min"


def plural(number: int, noun: str, nouns: str | None = None) -> str:
    """``1 cluster``, ``23 clusters``."""
    return f"{number:,} {noun if number == 1 else nouns or noun + 's'}"


def shorten(text: str, cells: int) -> str:
    """At most so many columns wide, an ellipsis at the end where cut; a Chinese character takes two columns."""
    return text if cell_len(text) <= cells else set_cell_size(text, cells - 1).rstrip() + "…"


def listed(names: Iterable[str], cells: int) -> str:
    """As many names as fit, between commas; at least one, cut where it must be."""
    line = ""
    for name in names:
        longer = f"{line}, {name}" if line else name
        if line and cell_len(longer) > cells:
            break
        line = longer
    return shorten(line, cells)


def shipped(name: str) -> str:
    """A template or style sheet of this package, which may lie in an archive."""
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
