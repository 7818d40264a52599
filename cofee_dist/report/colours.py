"""One colour for each system, type, stage and score, the same in every figure, table and badge.

The palette is Okabe and Ito's, made for colour-blind readers ("Color Universal Design", 2008). Each colour is a CSS
variable of the page (``report.css`` gives it a light and a dark value), so figures follow the reader's theme.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

#: Name to hex on a light ground. The page's style sheet holds the same names as ``--c-NAME``.
PALETTE: dict[str, str] = {
    "green": "#009e73",
    "vermillion": "#d55e00",
    "sky": "#56b4e9",
    "purple": "#cc79a7",
    "orange": "#e69f00",
    "blue": "#0072b2",
    "yellow": "#f0e442",
    "grey": "#8a8f98",
}

#: Colours that follow the theme; the hex values are stand-ins that nothing else uses (see ``svg.to_html``).
THEME: dict[str, str] = {"ink": "#010203", "muted": "#040506", "line": "#070809", "surface": "#0a0b0c"}

HATCHES = ("", "////", "....", "xxxx")

_SYSTEMS = {
    "Matching": "grey",
    "MRC-NER": "orange",
    "CoFEE-MRC": "blue",
    "– FET": "sky",
    "– FET – ESI": "purple",
}
_TYPES = ("green", "vermillion", "sky", "purple", "orange", "blue", "yellow")
_STAGES = ("purple", "green", "blue", "orange", "vermillion", "sky")


@dataclass(frozen=True)
class Swatch:
    """How a series is drawn: a palette colour, and a hatch once the colours come round again."""

    colour: str
    hatch: str = ""

    @property
    def hex(self) -> str:
        """The colour as matplotlib takes it."""
        return PALETTE[self.colour]

    @property
    def variable(self) -> str:
        """The colour as the page's style sheet names it."""
        return f"--c-{self.colour}"


def system_swatches(names: Sequence[str]) -> dict[str, Swatch]:
    """The known systems have their own colours; others take the next free ones."""
    free = [colour for colour in _TYPES if colour not in {_SYSTEMS.get(name) for name in names}] or ["grey"]
    found: dict[str, Swatch] = {}
    for name in names:
        if name in _SYSTEMS:
            found[name] = Swatch(_SYSTEMS[name])
        else:
            unknown = len([other for other in found if other not in _SYSTEMS])
            found[name] = _nth(free, unknown)
    return found


def type_swatches(types: Sequence[str]) -> dict[str, Swatch]:
    """A colour for each type in the order of the task; hatched from the eighth on."""
    return {name: _nth(_TYPES, index) for index, name in enumerate(types)}


def stage_swatches(stages: Sequence[str]) -> dict[str, Swatch]:
    """A colour for each training stage, in their order."""
    return {name: _nth(_STAGES, index) for index, name in enumerate(stages)}


def _nth(colours: Sequence[str], index: int) -> Swatch:
    turn, place = divmod(index, len(colours))
    return Swatch(colours[place], HATCHES[turn % len(HATCHES)])
