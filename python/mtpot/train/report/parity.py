"""Prediction against label, and how errors are distributed, over all frames and by group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from mtpot.train.metrics import Errors
from mtpot.train.quantities import QUANTITIES, Quantity, group_name
from mtpot.train.report.style import COLORS, Drawing, literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes

    from mtpot.data.frame import Floats
    from mtpot.train.metrics import Metrics
    from mtpot.train.report.judged import Evaluated

Pairs = dict[str, "Floats"]
"""Label and prediction, shape [m, 2], of each set of frames."""

_MARKS = {"train": ("o", 10.0), "validation": ("s", 10.0), "test": ("^", 14.0)}
_MOST_POINTS = 20_000
_MOST_GROUPS = 40


def parity_drawings(sets: Mapping[str, Evaluated]) -> list[Drawing]:
    """Draw a parity plot for every kind of label that there is."""
    drawings = []
    for quantity in QUANTITIES:
        found = label_pairs(quantity, sets)
        if found:
            drawings.append(_parity(quantity, found))
    return drawings


def label_pairs(quantity: Quantity, sets: Mapping[str, Evaluated]) -> Pairs:
    """Collect labels and predictions of the sets that have this kind of label."""
    found = {name: quantity.pairs(evaluated.pairs) for name, evaluated in sets.items()}
    return {name: pairs for name, pairs in found.items() if len(pairs)}


def distribution_drawing(sets: Mapping[str, Evaluated]) -> Drawing | None:
    """Draw which share of the labels is predicted worse than some error; None without labels."""
    found = [(quantity, label_pairs(quantity, sets)) for quantity in QUANTITIES]
    found = [(quantity, pairs) for quantity, pairs in found if pairs]
    if not found:
        return None
    figure = Figure(figsize=(3.2 * len(found), 2.8), layout="constrained")
    panels = figure.subplots(1, len(found), squeeze=False)[0]
    for panel, (quantity, pairs) in zip(panels, found, strict=True):
        for name, each in pairs.items():
            _tail(panel, quantity, name, each)
        panel.set(xscale="log", yscale="log", xlabel=f"{quantity.name} error ({quantity.unit})")
        panel.yaxis.set_major_formatter(lambda share, _: f"{100.0 * share:g} %")
        panel.minorticks_off()  # hundreds of them
    panels[0].set_ylabel("share with a larger error")
    panels[0].legend()
    return Drawing(
        "error_distribution",
        figure,
        "Curves of the share of labels whose error is larger than a value, for "
        + ", ".join(quantity.name for quantity, _ in found),
        "How many energies, force components and stress components are predicted worse than an "
        "error. A long flat tail means few labels with large errors: look for them below, among "
        "the worst frames.",
        vector=True,
    )


def group_drawing(sets: Mapping[str, Evaluated]) -> Drawing | None:
    """Draw the RMSE of each group as bars; None if a single group has all frames."""
    metrics = {name: evaluated.metrics for name, evaluated in sets.items()}
    groups = list(dict.fromkeys(group for each in metrics.values() for group in each.groups))
    if len(groups) < 2:
        return None
    groups = groups[:_MOST_GROUPS]
    figure = Figure(figsize=(9.0, 1.2 + 0.32 * len(groups)), layout="constrained")
    panels = figure.subplots(1, len(QUANTITIES), sharey=True)
    for panel, quantity in zip(panels, QUANTITIES, strict=True):
        _bars(panel, quantity, metrics, groups)
    names = [literal(group_name(group)) for group in groups]
    panels[0].set_yticks(range(len(groups)), names)
    panels[0].set_ylim(len(groups) - 0.4, -0.6)
    panels[-1].legend(handles=[Patch(color=COLORS[n], label=n) for n in metrics])
    return Drawing(
        "errors_by_group",
        figure,
        f"Bars of the energy, force and stress RMSE of {len(groups)} groups of frames",
        "Root mean square errors of the groups of frames; numbers are in the tables.",
    )


def _parity(quantity: Quantity, found: Pairs) -> Drawing:
    if quantity.name == "energy":
        mean = np.concatenate([pairs[:, 0] for pairs in found.values()]).mean()
        found = {name: pairs - mean for name, pairs in found.items()}
    figure = Figure(figsize=(4.6, 5.7), layout="constrained")
    above, below = figure.subplots(2, 1, height_ratios=(3, 1), sharex=True)
    for name, pairs in found.items():
        _scatter_set(above, below, quantity, name, pairs)
    _frame_parity(above, below, quantity)
    sizes = ", ".join(f"{len(pairs)} of {name}" for name, pairs in found.items())
    thinned = max(map(len, found.values())) > _MOST_POINTS
    return Drawing(
        f"parity_{quantity.name}",
        figure,
        f"Predicted against reference {quantity.name} ({quantity.unit}), labels: {sizes}; most "
        "points should lie on the diagonal, errors are drawn below",
        f"{quantity.name.capitalize()}: prediction against reference above, error below"
        + (f"; drawn are {_MOST_POINTS} points of a set, evenly taken." if thinned else "."),
    )


def _scatter_set(above: Axes, below: Axes, quantity: Quantity, name: str, pairs: Floats) -> None:
    errors = Errors.of(np.diff(pairs))
    assert errors is not None
    marker, size = _MARKS[name]
    shown = _thinned(pairs)
    label = f"{name}: RMSE {quantity.text(errors.rmse)} {quantity.unit}"
    style: dict[str, Any] = {
        "s": size * np.clip(np.sqrt(500 / len(shown)), 0.15, 1.0),
        "marker": marker,
        "color": COLORS[name],
        "alpha": 0.6,
        "linewidths": 0.0,
    }
    above.scatter(*(_axis_scale(quantity) * shown.T), label=label, **style)
    errors_shown = quantity.scale * np.diff(shown)[:, 0]
    below.scatter(_axis_scale(quantity) * shown[:, 0], errors_shown, **style)


def _axis_scale(quantity: Quantity) -> float:
    """Energies stand in eV per atom, which is how they are compared; their errors in meV."""
    return 1.0 if quantity.name == "energy" else quantity.scale


def _frame_parity(above: Axes, below: Axes, quantity: Quantity) -> None:
    unit = "eV/atom, from the mean" if quantity.name == "energy" else quantity.unit
    low, high = above.get_xlim()
    above.axline((low, low), slope=1.0, color="0.4", linewidth=0.8, zorder=0)
    above.set_xlim(low, high)
    above.set_ylabel(f"predicted {quantity.name} ({unit})")
    for handle in above.legend().legend_handles:
        if isinstance(handle, PathCollection):
            handle.set_sizes([16.0])
    below.axhline(0.0, color="0.4", linewidth=0.8, zorder=0)
    below.set_xlabel(f"reference {quantity.name} ({unit})")
    below.set_ylabel(f"error ({quantity.unit})")


def _thinned(pairs: Floats) -> Floats:
    """At most `_MOST_POINTS` rows, evenly taken: more would only darken the figure."""
    stride = -(-len(pairs) // _MOST_POINTS)
    return pairs[::stride]


def _tail(panel: Axes, quantity: Quantity, name: str, pairs: Floats) -> None:
    """Share of errors above a value, at points that are even on both logarithmic axes."""
    errors = np.sort(np.abs(quantity.scale * np.diff(pairs)[:, 0]))
    errors = errors[errors > 0.0]
    if not len(errors):
        return
    places = np.unique(len(errors) - np.geomspace(1, len(errors), 200).astype(int))
    places = places[errors[places] > 1e-3 * errors[-1]]
    shares = (len(errors) - places) / len(pairs)
    panel.plot(errors[places], shares, color=COLORS[name], label=name)


def _bars(
    panel: Axes, quantity: Quantity, metrics: Mapping[str, Metrics], groups: list[str]
) -> None:
    height = 0.8 / len(metrics)
    for row, (name, each) in enumerate(metrics.items()):
        shift = (row - (len(metrics) - 1) / 2) * height
        present = [place for place, group in enumerate(groups) if group in each.groups]
        errors = [quantity.errors(each.groups[groups[place]]) for place in present]
        widths = [quantity.scale * found.rmse if found else 0.0 for found in errors]
        panel.barh(np.array(present) + shift, widths, height, color=COLORS[name])
    panel.grid(visible=False, axis="y")
    panel.set_xlabel(f"{quantity.name} RMSE ({quantity.unit})")
