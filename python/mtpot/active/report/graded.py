"""Grades as simulations go, and what they say of errors."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure

from mtpot.active.report.simulated import by_name
from mtpot.active.training import GRADED
from mtpot.data.atoms import frame_from_atoms
from mtpot.potential import MTP
from mtpot.train.metrics import evaluate_frames
from mtpot.train.report.style import Drawing, literal, plain_ticks, scale_wide

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from mtpot.active.report.history import Explored, History
    from mtpot.active.store import Entry

_MOST_NAMED = 6
"""Iterations that a legend names; of more, the first, the middle and the last."""


def grade_drawings(history: History) -> Iterator[Drawing]:
    """Draw the largest grade over time: a figure for each exploration, a curve an iteration."""
    for place, (name, explored) in enumerate(by_name(history.explorations).items()):
        graded = [each for each in explored if len(each.grades)]
        if graded:
            yield _grade_drawing(f"grades_{place}", name, graded, history.thresholds)


def _grade_drawing(
    stem: str, name: str, explored: Sequence[Explored], thresholds: tuple[float, float]
) -> Drawing:
    figure = Figure(figsize=(5.2, 3.4), layout="constrained")
    axes = figure.subplots()
    named = _named(len(explored))
    for place, each in enumerate(explored):
        label = f"iteration {each.iteration}" if place in named else None
        axes.plot(*_positive(each).T, color=_shade(place, len(explored)), lw=1.0, label=label)
    _mark(axes, thresholds)
    unit = explored[-1].unit
    axes.set(yscale="log", xlabel="time (ps)" if unit == "ps" else "step", ylabel="largest grade")
    axes.set_title(literal(name))
    plain_ticks(axes.yaxis)
    axes.legend(fontsize="small")
    last = explored[-1]
    return Drawing(
        stem,
        figure,
        f"Largest grade over time of {name} in {len(explored)} iterations; in the last it "
        f"reached {last.largest:.3g}",
        f"{name}: the largest grade of all atoms. In iteration {last.iteration} it reached "
        f"{last.largest:.3g} ({last.ended}, {last.length:g} {last.unit}). Dotted: grades above "
        "which a structure is worth a label, and the simulation stops.",
    )


def _positive(explored: Explored) -> np.ndarray:
    """Pairs that a logarithmic axis can show."""
    grades = explored.grades[:, 1]
    return explored.grades[np.isfinite(grades) & (grades > 0.0)]


def _named(count: int) -> set[int]:
    return set(range(count)) if count <= _MOST_NAMED else {0, count // 2, count - 1}


def _shade(place: int, count: int) -> tuple[float, float, float, float]:
    """Light for the first, dark for the last."""
    return colormaps["viridis"](0.9 * (1.0 - (place + 1) / count))


def _mark(axes: Axes, thresholds: tuple[float, float]) -> None:
    for threshold in thresholds:
        axes.axhline(threshold, color="0.4", linewidth=0.9, linestyle=":")


class Judged(NamedTuple):
    """A structure that was selected, and labeled: what its grade and then its label said.

    `error` is the root mean square of force components, eV/angstrom, of the potential that gave
    the grade.
    """

    iteration: int
    grade: float
    error: float


def judged(history: History) -> list[Judged]:
    """Compare selected structures with their labels, where the potentials are still there."""
    graded = [entry for entry in history.in_state("done") if entry.iteration and entry.grade]
    graded.sort(key=lambda entry: entry.iteration)
    found: list[Judged] = []
    for iteration, entries in groupby(graded, key=lambda entry: entry.iteration):
        path = history.folder / "trainings" / f"{iteration - 1:03d}" / GRADED
        if path.exists():
            found += _judge(path, list(entries), history.settings["threads"])
    return found


def _judge(path: Path, entries: Sequence[Entry], threads: int) -> Iterator[Judged]:
    frames = [frame_from_atoms(entry.atoms, f"structure {entry.id}") for entry in entries]
    predictions = evaluate_frames(MTP.load(path), frames, threads)
    for entry, frame, prediction in zip(entries, frames, predictions, strict=True):
        if frame.forces is not None and entry.grade is not None and np.isfinite(entry.grade):
            error = float(np.sqrt(np.mean((prediction.forces - frame.forces) ** 2)))
            yield Judged(entry.iteration, entry.grade, error)


def error_drawings(history: History) -> Iterator[Drawing]:
    """Draw errors of forces against grades, of structures when they were selected."""
    found = [each for each in judged(history) if each.grade > 0.0]
    if not found:
        return
    figure = Figure(figsize=(5.6, 3.8), layout="constrained")
    axes = figure.subplots()
    iterations = sorted({each.iteration for each in found})
    named = _named(len(iterations))
    for place, iteration in enumerate(iterations):
        chosen = [(each.grade, each.error) for each in found if each.iteration == iteration]
        label = f"iteration {iteration}" if place in named else None
        color = _shade(place, len(iterations))
        axes.plot(*zip(*chosen, strict=True), "o", color=color, markersize=4, label=label)
    scale_wide(axes)
    for threshold in history.thresholds:
        axes.axvline(threshold, color="0.4", linewidth=0.9, linestyle=":")
    axes.set(xscale="log", xlabel="grade", ylabel="force RMSE (eV/Å)")
    plain_ticks(axes.xaxis)
    axes.legend(fontsize="small")
    yield Drawing(
        "errors",
        figure,
        f"Force RMSE against grade of {len(found)} structures",
        f"Each point is a structure that was selected: its grade, and how far the forces of the "
        f"potential that gave it the grade are from its label. {_halves(found)}",
        vector=len(found) < 1000,
    )


def _halves(found: Sequence[Judged]) -> str:
    """Say what grades mean, in two numbers."""
    if len(found) < 2:
        return ""
    ordered = sorted(found, key=lambda each: each.grade)
    middle = len(ordered) // 2
    low, high = (
        float(np.sqrt(np.mean([each.error**2 for each in half])))
        for half in (ordered[:middle], ordered[middle:])
    )
    return (
        f"RMSE of the {middle} with grades up to {ordered[middle - 1].grade:.3g}: {low:.4f} eV/Å; "
        f"of the {len(ordered) - middle} above: {high:.4f} eV/Å."
    )
