"""Errors of several potentials against what they cost: time, training frames, level."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mtpot.train.quantities import QUANTITIES
from mtpot.train.report.compared import totals
from mtpot.train.report.style import CYCLE, Drawing, line_style, literal, plain_ticks, scale_wide

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.axes import Axes

    from mtpot.train.report.compared import Compared

_MOST_NAMES = 12  # written beside their points
Curves = dict[str, list[tuple[float, float]]]
"""Points (x, error) of each curve."""


def time_drawing(compared: Sequence[Compared], kind: str) -> Drawing:
    """Draw energy and force RMSE against the estimated time."""
    figure = Figure(figsize=(8.6, 3.5), layout="constrained")
    times = [each.microseconds for each in compared]
    for panel, quantity in zip(figure.subplots(1, 2), QUANTITIES[:2], strict=True):
        for place, (each, total) in enumerate(zip(compared, totals(compared, kind), strict=True)):
            errors = quantity.errors(total)
            if errors:
                point = times[place], quantity.scale * errors.rmse
                panel.plot(*point, "o", color=CYCLE[place % len(CYCLE)])
                if len(compared) <= _MOST_NAMES:
                    offset = {"xytext": (5, 3), "textcoords": "offset points"}
                    panel.annotate(literal(each.name), point, fontsize="small", **offset)
        panel.margins(0.18)
        _scale_times(panel, times)
        panel.set(xlabel="estimated time (µs per atom)")
        panel.set_ylabel(f"{quantity.name} RMSE, {kind} ({quantity.unit})")
        scale_wide(panel)
    return Drawing(
        "error_against_time",
        figure,
        f"Energy and force RMSE on {kind} frames against the estimated time of "
        f"{len(compared)} potentials",
        "Errors against the estimated time of energies and forces on one core. A potential above "
        "and to the right of another has nothing to offer.",
        vector=True,
    )


def learning_drawing(compared: Sequence[Compared], kind: str) -> Drawing | None:
    """Draw errors against training frames and against the level, where several of them occur."""
    known = [each for each in compared if each.frames is not None]
    rows = []
    if len({each.frames for each in known}) > 1:
        rows.append(("training frames", _curves(known, kind, _frames, _level)))
    if len({each.potential.level for each in known}) > 1:
        rows.append(("level", _curves(known, kind, _level, _frames)))
    if not rows:
        return None
    figure = Figure(figsize=(8.6, 3.1 * len(rows)), layout="constrained")
    panels = figure.subplots(len(rows), 2, squeeze=False)
    for (label, curves), pair in zip(rows, panels, strict=True):
        for panel, quantity, found in zip(pair, QUANTITIES[:2], curves, strict=True):
            _plot(panel, found)
            panel.set(xlabel=label, ylabel=f"{quantity.name} RMSE, {kind} ({quantity.unit})")
            if label == "level":
                panel.xaxis.set_major_locator(MaxNLocator(integer=True))
            else:
                panel.set_xscale("log")
                plain_ticks(panel.xaxis)
            scale_wide(panel)
    names = " and ".join(label for label, _ in rows)
    return Drawing(
        "learning_curve",
        figure,
        f"Energy and force RMSE on {kind} frames against {names}",
        f"Errors on {kind} frames against {names}. Where a curve still falls with the number of "
        "frames, more data help; where it is flat, a higher level may.",
        vector=True,
    )


def _curves(
    compared: Sequence[Compared],
    kind: str,
    x: Callable[[Compared], tuple[float, str]],
    curve: Callable[[Compared], tuple[float, str]],
) -> list[Curves]:
    """Points of energy and force errors, one curve for each value of what stays the same."""
    result: list[Curves] = []
    for quantity in QUANTITIES[:2]:
        found: Curves = {}
        for each in sorted(compared, key=lambda each: (curve(each)[0], x(each)[0])):
            errors = quantity.errors(each.metrics[kind].total)
            if errors:
                point = x(each)[0], quantity.scale * errors.rmse
                found.setdefault(curve(each)[1], []).append(point)
        result.append(found)
    return result


def _frames(compared: Compared) -> tuple[float, str]:
    frames = compared.frames or 0
    return float(frames), f"{frames} frames"


def _level(compared: Compared) -> tuple[float, str]:
    level = compared.potential.level
    return float(level), f"level {level}"


def _plot(panel: Axes, curves: Curves) -> None:
    for place, (name, points) in enumerate(curves.items()):
        panel.plot(*zip(*points, strict=True), marker="o", label=name, **line_style(place))
    panel.legend(fontsize="small")


def _scale_times(panel: Axes, times: Sequence[float]) -> None:
    if max(times) > 3.0 * min(times):
        panel.set_xscale("log")
        plain_ticks(panel.xaxis)
    else:
        panel.set_xlim(left=0.0)
