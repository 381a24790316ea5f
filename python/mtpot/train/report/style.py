"""How figures look, and how they become files."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import rc_context

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

# Okabe and Ito's palette, told apart with any color vision.
COLORS = {"train": "#0072B2", "validation": "#009E73", "test": "#D55E00"}
CYCLE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES = ("-", "--", ":", "-.")

_STYLE: Any = {
    "font.size": 9.0,
    "axes.edgecolor": "0.45",
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "grid.color": "0.92",
    "grid.linewidth": 0.7,
    "axes.axisbelow": True,
    "axes.titlesize": "medium",
    "legend.frameon": False,
    "lines.linewidth": 1.5,
    "xtick.color": "0.25",
    "ytick.color": "0.25",
    "svg.fonttype": "none",
    "svg.hashsalt": "mtpot",
}


@dataclass(frozen=True, slots=True)
class Drawing:
    """A figure of a report.

    Attributes
    ----------
    name
        Stem of its PNG file.
    figure
        What is drawn.
    alt
        What it shows, for those who cannot see it.
    caption
        What to read from it.
    vector
        Whether it has few enough points to stand in the page as SVG.
    """

    name: str
    figure: Figure
    alt: str
    caption: str
    vector: bool = False


def style() -> AbstractContextManager[None]:
    """Return the context in which figures are made."""
    return rc_context(rc=_STYLE)


def line_style(place: int) -> dict[str, Any]:
    """Color and dashes of the curve at a place in a list of any length."""
    dashes = DASHES[place // len(CYCLE) % len(DASHES)]
    return {"color": CYCLE[place % len(CYCLE)], "linestyle": dashes}


def to_png(figure: Figure) -> bytes:
    """Draw it as the content of a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=150)
    # The layout is found now: finding it again, for an SVG file, would take most of the time.
    figure.set_layout_engine("none")
    return buffer.getvalue()


def to_svg(figure: Figure) -> bytes:
    """Draw it as the content of an SVG file, the same each time."""
    buffer = io.BytesIO()
    with style():
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def scale_wide(axes: Axes) -> None:
    """Make the y axis over more than a decade logarithmic, with labels such as 0.05."""
    values = [float(y) for line in axes.lines for y in np.asarray(line.get_ydata(), float)]
    if not values or min(values) <= 0.0 or max(values) < 10.0 * min(values):
        axes.ticklabel_format(axis="y", style="plain", useOffset=False)
        return
    axes.set_yscale("log")
    plain_ticks(axes.yaxis)


def plain_ticks(axis: Axis) -> None:
    """Label a logarithmic axis with numbers such as 0.05 instead of powers of ten."""
    axis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.set_minor_formatter(lambda value, _: f"{value:g}" if f"{value:e}"[0] in "25" else "")


def literal(text: str) -> str:
    """Keep Matplotlib from reading formulas into a name."""
    return text.replace("$", r"\$")
