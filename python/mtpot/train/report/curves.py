"""Radial functions and dimer curves, beside the distances that the data hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from mtpot.short_range import dimer_curve
from mtpot.train.pairs import species_pairs
from mtpot.train.radial_functions import radial_functions
from mtpot.train.report.style import CYCLE, Drawing, line_style, literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

    from mtpot.data.frame import Floats
    from mtpot.potential import MTP
    from mtpot.train.pairs import Pair, PairStatistics

MOST_SPECIES = 4
"""Species that are drawn: the number of panels grows with their square."""

_POINTS = 300


def radial_drawing(potential: MTP, distances: PairStatistics) -> Drawing:
    """Draw the radial functions of every ordered pair of species."""
    species = potential.species[:MOST_SPECIES]
    count = len(species)
    width, height = (5.6, 3.2) if count == 1 else (2.5 * count, 2.1 * count)
    figure = Figure(figsize=(width, height), layout="constrained")
    panels = figure.subplots(count, count, squeeze=False, sharex=True)
    for center, row in zip(species, panels, strict=True):
        for neighbor, panel in zip(species, row, strict=True):
            _radial_panel(panel, potential, (center, neighbor), distances)
    panels[0, 0].legend(fontsize="small", ncols=2)
    for panel in panels[-1]:
        panel.set_xlabel("r (Å)")
    for panel in panels[:, 0]:
        panel.set_ylabel("f$_μ$(r)")
    if count > 2:
        for panel in panels.flat:
            panel.locator_params(nbins=4)
    return Drawing(
        "radial_functions",
        figure,
        f"The {potential.core.radial_function_count} radial functions from the shortest distance "
        f"to the cutoff, for {count * count} pairs of center and neighbor",
        "Radial functions of a neighbor around a center. All vanish smoothly at the cutoff; rapid "
        "wiggles ask for fewer polynomials (radial-size) or more data. Shaded: distances shorter "
        "than any in the data." + _left_out(potential.species),
        vector=count <= 2,
    )


def dimer_drawing(potential: MTP, distances: PairStatistics) -> Drawing:
    """Draw the energy of two atoms against their distance for every pair of species."""
    pairs = species_pairs(potential.species[:MOST_SPECIES])
    figure, panels = _pair_grid(pairs)
    for pair, panel in zip(pairs, panels, strict=True):
        _dimer_panel(panel, potential, pair, distances)
    return Drawing(
        "dimers",
        figure,
        "Dimer energy against distance for " + ", ".join(f"{a}-{b}" for a, b in pairs),
        "Energy of two atoms alone, less that of the two apart, as this potential has it, and "
        "below, as a filled outline, how often the data hold the distance (pairs by volume of "
        "the shell). Dashed: the shortest distance in the data; left of it the potential is "
        "guessing. Crystals and liquids say little of free dimers, so the depth of the well need "
        "not be right; the curve should rise steeply on the left." + _left_out(potential.species),
        vector=len(pairs) <= 6,
    )


def compared_dimers(potentials: Mapping[str, MTP]) -> Drawing | None:
    """Draw the dimer curves of several potentials over each other; None without common pairs."""
    every = [set(species_pairs(sorted(each.species))) for each in potentials.values()]
    pairs = sorted(set.intersection(*every))[:6]
    if not pairs:
        return None
    figure, panels = _pair_grid(pairs)
    for pair, panel in zip(pairs, panels, strict=True):
        curves = []
        for place, (name, potential) in enumerate(potentials.items()):
            shortest = potential.core.min_distance
            grid = np.linspace(0.6 * shortest, potential.cutoff, _POINTS)
            energies = dimer_curve(potential, *pair, grid)
            curves.append(energies[grid >= shortest])
            panel.plot(grid, energies, label=literal(name), **line_style(place))
        _limit(panel, np.concatenate(curves))
        panel.set_title("-".join(pair))
    panels[0].legend(fontsize="small")
    return Drawing(
        "dimers",
        figure,
        f"Dimer energy against distance for {len(potentials)} potentials and "
        + ", ".join(f"{a}-{b}" for a, b in pairs),
        "Energy of two atoms alone, less that of the two apart.",
        vector=True,
    )


def compared_radial(potentials: Mapping[str, MTP]) -> Drawing:
    """Draw the radial functions of equal pairs, a row for every potential."""
    shown = dict(list(potentials.items())[:8])
    species = next(iter(shown.values())).species[:3]
    size = (3.2 * len(species), 1.1 + 1.5 * len(shown))
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(len(shown), len(species), squeeze=False, sharex=True)
    for row, (name, potential) in zip(panels, shown.items(), strict=True):
        for panel, symbol in zip(row, species, strict=True):
            if symbol not in potential.species:
                panel.set_axis_off()
                continue
            _radial_panel(panel, potential, (symbol, symbol), None)
            panel.set_title(f"{literal(name)}, {symbol}-{symbol}", fontsize="small")
    for panel in panels[-1]:
        panel.set_xlabel("r (Å)")
    return Drawing(
        "radial_functions",
        figure,
        f"Radial functions of {len(shown)} potentials from the shortest distance to the cutoff",
        "Radial functions f_μ(r) of neighbors of the center's own kind. Their number, scale and "
        "signs may differ between potentials that predict the same.",
        vector=panels.size <= 6,
    )


def _radial_panel(
    panel: Axes, potential: MTP, pair: Pair, distances: PairStatistics | None
) -> None:
    shortest = _shortest(potential, pair, distances)
    start = 0.9 * min(shortest, potential.core.min_distance)
    grid = np.linspace(start, potential.cutoff, _POINTS)
    for mu, values in enumerate(radial_functions(potential, *pair, grid)):
        panel.plot(grid, values, color=CYCLE[mu % len(CYCLE)], label=f"μ = {mu}")
    panel.axvspan(start, shortest, color="0.93", linewidth=0.0, zorder=0)
    panel.set_xlim(start, potential.cutoff)
    panel.set_title(f"{pair[0]} center, {pair[1]} neighbor", fontsize="small")


def _dimer_panel(panel: Axes, potential: MTP, pair: Pair, distances: PairStatistics) -> None:
    shortest = _shortest(potential, pair, distances)
    grid = np.linspace(0.6 * shortest, potential.cutoff, _POINTS)
    energies = dimer_curve(potential, *pair, grid)
    panel.plot(grid, energies, color=CYCLE[0])
    panel.axhline(0.0, color="0.6", linewidth=0.7)
    panel.set_xlim(grid[0], grid[-1])
    _limit(panel, energies[grid >= shortest])
    if pair in distances.shortest:
        panel.axvline(shortest, color=CYCLE[1], linewidth=1.0, linestyle="--")
        _outline(panel, distances.edges, distances.counts[pair])
        panel.set_title(f"{pair[0]}-{pair[1]}, data from {shortest:.2f} Å")
    else:
        panel.set_title(f"{pair[0]}-{pair[1]}, not in the data")


def _limit(panel: Axes, energies: Floats) -> None:
    """Show what the data know and some of the wall, however high it is."""
    low, high = float(energies.min()), float(energies.max())
    room = max(high - low, 1e-3)
    panel.set_ylim(low - 0.35 * room, high + 0.35 * room)


def _outline(panel: Axes, edges: Floats, counts: Floats) -> None:
    """Draw pairs by the volume of their shell, in the lower quarter of the panel."""
    density = counts / np.diff(edges**3)
    heights = np.repeat(0.25 * density / density.max(), 2)
    places = np.repeat(edges, 2)[1:-1]
    fractions = panel.get_xaxis_transform()
    panel.fill_between(places, heights, color="0.85", linewidth=0.0, zorder=0, transform=fractions)


def _pair_grid(pairs: Sequence[Pair]) -> tuple[Figure, list[Axes]]:
    columns = min(len(pairs), 3)
    rows = -(-len(pairs) // columns)
    size = (5.6, 3.4) if columns == 1 else (3.2 * columns, 2.6 * rows)
    figure = Figure(figsize=size, layout="constrained")
    panels = list(np.ravel(figure.subplots(rows, columns, squeeze=False)))
    for unused in panels[len(pairs) :]:
        unused.set_axis_off()
    for panel in panels[: len(pairs)]:
        panel.set_xlabel("r (Å)")
    for panel in panels[: len(pairs) : columns]:
        panel.set_ylabel("energy (eV)")
    return figure, panels[: len(pairs)]


def _shortest(potential: MTP, pair: Pair, distances: PairStatistics | None) -> float:
    """Shortest distance in the data, or what the potential itself says of it."""
    known = {} if distances is None else distances.shortest
    ordered = pair if pair in known else (pair[1], pair[0])
    return known.get(ordered, potential.core.min_distance)


def _left_out(species: Sequence[str]) -> str:
    if len(species) <= MOST_SPECIES:
        return ""
    return f" Drawn are the first {MOST_SPECIES} of {len(species)} elements."
