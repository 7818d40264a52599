"""A matplotlib figure as an SVG element that lives in a page: its theme, its fonts, readable by a screen reader."""

from __future__ import annotations

import html
import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from rich.cells import cell_len

from cofee_dist.report.colours import PALETTE, THEME

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Width of every figure in points: drawn at its own size half across a laptop, a little smaller on a phone.
WIDTH = 340.0
FONT_SIZE = 9.5
#: Width of one column of text relative to the font size: a cautious mean over the fonts a reader may have.
_CELL = 0.56

_SETTINGS: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "cofee",
    "font.family": ["DejaVu Sans"],
    "font.size": FONT_SIZE,
    "axes.edgecolor": THEME["line"],
    "axes.labelcolor": THEME["muted"],
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": FONT_SIZE,
    "axes.titlecolor": THEME["ink"],
    "axes.titlelocation": "left",
    "axes.axisbelow": True,
    "axes.formatter.use_mathtext": False,
    "text.color": THEME["ink"],
    "text.parse_math": False,
    "xtick.color": THEME["line"],
    "ytick.color": THEME["line"],
    "xtick.labelcolor": THEME["muted"],
    "ytick.labelcolor": THEME["muted"],
    "xtick.labelsize": FONT_SIZE - 0.5,
    "ytick.labelsize": FONT_SIZE - 0.5,
    "grid.color": THEME["line"],
    "grid.linewidth": 0.6,
    "hatch.linewidth": 0.7,
    "hatch.color": THEME["surface"],
    "legend.frameon": False,
}


@contextmanager
def drawing() -> Iterator[None]:
    """The settings under which figures are both drawn and written."""
    import matplotlib

    # Chinese is written as text and drawn by the reader's own fonts; that DejaVu lacks the glyphs does not matter.
    with matplotlib.rc_context(cast(Any, _SETTINGS)), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def figure(height: float) -> Figure:
    """An empty figure, ``WIDTH`` by ``height`` points, on no ground of its own."""
    from matplotlib.figure import Figure as NewFigure

    return NewFigure(figsize=(WIDTH / 72, height / 72), facecolor="none")


def panel(parent: Figure, left: float, bottom: float, height: float, right: float = 10.0) -> Axes:
    """Axes placed in points from the figure's lower left corner, so that nothing depends on a font's width."""
    whole = parent.get_figheight() * 72
    axes = parent.add_axes((left / WIDTH, bottom / whole, (WIDTH - left - right) / WIDTH, height / whole))
    axes.patch.set_alpha(0)
    return axes


def text_width(text: str, size: float = FONT_SIZE) -> float:
    """About how wide a line of text is, in points; Chinese characters count double."""
    return cell_len(text) * _CELL * size


def to_html(drawn: Figure, name: str, label: str) -> str:
    """The figure as an ``<svg>`` element.

    Args:
        drawn: the figure, made inside ``drawing()``.
        name: unique in the page; prefixes every id, since ids are global there.
        label: what a screen reader says in place of the picture.
    """
    buffer = io.StringIO()
    drawn.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->\s*", "", text, flags=re.DOTALL)
    text = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', text)
    text = re.sub(r'(xlink:href="|url\()#', rf"\1#{name}-", text)
    for variable, stand_in in THEME.items():
        text = text.replace(stand_in, f"var(--{variable})")
    for colour, value in PALETTE.items():
        text = text.replace(value, f"var(--c-{colour})")
    # The page's own fonts, which have Chinese where the reader has.
    text = re.sub(r"(font: [^'\";]*?px) [^;\"]*", r"\1 var(--font)", text)
    view_box = re.search(r'viewBox="[^"]+"', text)
    assert view_box is not None, "matplotlib writes a viewBox"
    opening = (
        f'<svg {view_box.group()} role="img" aria-label="{html.escape(label)}" xmlns="http://www.w3.org/2000/svg"'
        ' xmlns:xlink="http://www.w3.org/1999/xlink">'
    )
    return opening + text[text.index(">") + 1 :]
