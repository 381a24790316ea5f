"""Extrapolation grades of frames that were not trained on, beside their force errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from mtpot.train.report.style import COLORS, Drawing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes

    from mtpot.data.frame import Floats
    from mtpot.train.report.judged import Evaluated

_MOST_POINTS = 20_000
_BINS = 12
_FEWEST = 10  # points that a bin needs before its mean says something


def grade_errors(evaluated: Evaluated) -> Floats:
    """Grade and length of the force error (eV/angstrom), shape [m, 2].

    Of every atom with an active set in neighborhood mode; else of every frame, with the largest
    error of its atoms. Frames without forces or grades are left out.
    """
    rows = []
    for (frame, prediction), grades in zip(evaluated.pairs, evaluated.grades or [], strict=False):
        if frame.forces is None:
            continue
        errors = np.linalg.norm(prediction.forces - frame.forces, axis=1)
        if grades.sites is not None:
            rows.append(np.column_stack([grades.sites, errors]))
        else:
            rows.append(np.array([[grades.frame, errors.max(initial=0.0)]]))
    return np.concatenate(rows) if rows else np.zeros((0, 2))


def grade_drawing(sets: Mapping[str, Evaluated]) -> Drawing | None:
    """Draw force errors against grades; None if nothing was graded."""
    found = {name: grade_errors(each) for name, each in sets.items() if each.grades}
    found = {name: rows for name, rows in found.items() if len(rows)}
    if not found:
        return None
    figure = Figure(figsize=(5.6, 3.8), layout="constrained")
    axes = figure.subplots()
    for name, rows in found.items():
        _cloud(axes, name, rows)
    for grade in (1.0, 2.0, 10.0):
        axes.axvline(grade, color="0.5", linewidth=0.8, linestyle=":")
    axes.set(xscale="log", yscale="log", xlabel="extrapolation grade", ylabel="force error (eV/Å)")
    axes.legend()
    shares = ", ".join(_share(name, rows) for name, rows in found.items())
    return Drawing(
        "grades",
        figure,
        f"Force error against extrapolation grade on logarithmic axes; above grade 2: {shares}",
        "Force errors against extrapolation grades of frames that were not trained on; lines are "
        "root mean squares of neighboring points. Up to 2 the potential interpolates, above 10 its "
        f"forces cannot be trusted. Above 2: {shares}.",
    )


def _share(name: str, rows: Floats) -> str:
    beyond = int(np.sum(rows[:, 0] > 2.0))
    return f"{beyond} of {len(rows)} points of {name}"


def _cloud(axes: Axes, name: str, rows: Floats) -> None:
    # Atoms whose force vanishes by symmetry have no logarithm; they stand at the lower edge.
    grades, errors = np.maximum(rows, 1e-4 * rows.max(axis=0)).T
    stride = -(-len(rows) // _MOST_POINTS)
    size = float(np.clip(4000.0 / len(rows), 1.0, 12.0))
    shown = grades[::stride], errors[::stride]
    axes.scatter(*shown, s=size, alpha=0.35, color=COLORS[name], linewidths=0.0)
    centers, means = _running(grades, errors)
    axes.plot(centers, means, "o-", color=COLORS[name], markersize=3.5, label=f"{name} (RMS)")


def _running(grades: Floats, errors: Floats) -> tuple[list[float], list[float]]:
    """RMS errors in bins of the logarithm of the grade, where a bin has enough points."""
    low, high = np.log(grades.min()), np.log(grades.max())
    places = ((np.log(grades) - low) / max(high - low, 1e-9) * _BINS).astype(int)
    centers, means = [], []
    for place in range(_BINS + 1):
        chosen = places == place
        if chosen.sum() >= _FEWEST:
            centers.append(float(np.exp(np.log(grades[chosen]).mean())))
            means.append(float(np.sqrt(np.mean(errors[chosen] ** 2))))
    return centers, means
