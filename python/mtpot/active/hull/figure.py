"""The convex hull of two elements, drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from mtpot.active.hull.geometry import ON_HULL, count_elements
from mtpot.train.report.style import CYCLE, literal, style

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mtpot.active.hull.candidates import Candidate
    from mtpot.active.hull.result import Calculated

_HEADROOM = 0.3
"""Of the depth of the hull, or eV/atom where it has none: what is higher is not shown."""


def hull_figure(
    candidates: Sequence[Candidate], calculated: Sequence[Calculated], elements: Sequence[str]
) -> Figure:
    """Draw formation energies against the fraction of the second element, and the hull."""
    with style():
        figure = Figure(figsize=(6.4, 4.2), layout="constrained")
        axes = figure.subplots()
        for stage, color, label in ((1, "0.75", "first potential"), (2, CYCLE[0], "second one")):
            part = [each for each in candidates if each.stage == stage]
            fractions = count_elements((each.atoms for each in part), elements)
            x = fractions[:, 1] / np.maximum(fractions.sum(axis=1), 1)
            y = [each.formation for each in part]
            axes.plot(x, y, ".", color=color, label=f"{len(part)} by the {label}", zorder=stage)
        points = sorted(
            (each.entry.atoms.symbols.count(elements[1]) / len(each.entry.atoms), each.formation)
            for each in calculated
        )
        axes.plot(*zip(*points, strict=True), "o", mfc="none", color=CYCLE[1], label="calculated")
        corners = sorted(
            (each.entry.atoms.symbols.count(elements[1]) / len(each.entry.atoms), each.formation)
            for each in calculated
            if each.above <= ON_HULL
        )
        axes.plot(*zip(*corners, strict=True), "-", color=CYCLE[1], label="hull")
        lowest = min(energy for _, energy in corners)
        room = _HEADROOM * -lowest if lowest < -ON_HULL else _HEADROOM
        axes.set_ylim(lowest - 0.2 * room, room)
        axes.set_xlabel(literal(f"fraction of {elements[1]} in {elements[0]}"))
        axes.set_ylabel("formation energy (eV/atom)")
        axes.legend(loc="best")
    return figure
