"""Error against time of a pruned potential's stages: measured, as a table and as a figure."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from mtpot import _core
from mtpot.data.neighborhoods import frame_neighborhoods
from mtpot.train.metrics import evaluate_frames, measure
from mtpot.train.quantities import QUANTITIES, error_cells
from mtpot.train.report import COLORS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mtpot.data.frame import Frame
    from mtpot.potential import MTP
    from mtpot.train.metrics import Summary
    from mtpot.train.prune import Point

TIMED_ATOMS = 1000  # about so many, of the largest frames
RUNS = 15


@dataclass(frozen=True, slots=True)
class Row:
    """A point with what was measured of it; `microseconds` are per atom, on one thread."""

    point: Point
    microseconds: float
    train: Summary
    test: Summary | None

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers under the keys of pareto.json."""
        return count_parts(self.point.potential) | {
            "effort_per_atom": self.point.effort,
            "microseconds_per_atom": self.microseconds,
            "loss": self.point.loss,
            "train": self.train.as_dict(),
            "test": self.test and self.test.as_dict(),
        }


def count_parts(potential: MTP) -> dict[str, int]:
    """Count scalars, radial functions, parameters and products."""
    core = potential.core
    return {
        "scalars": len(core.scalars),
        "radial_functions": core.radial_function_count,
        "parameters": len(core.parameters),
        "products": len(core.products),
    }


def judge(
    points: Sequence[Point], train: Sequence[Frame], test: Sequence[Frame], threads: int = 0
) -> list[Row]:
    """Measure time and errors of points; their potentials must share species and cutoff."""
    times = measure_times([point.potential for point in points], train)
    return [
        Row(
            point,
            microseconds,
            _errors(point.potential, train, threads),
            _errors(point.potential, test, threads) if test else None,
        )
        for point, microseconds in zip(points, times, strict=True)
    ]


def measure_times(potentials: Sequence[MTP], frames: Sequence[Frame]) -> list[float]:
    """Microseconds per atom for energies and forces of the largest frames, on one thread.

    Medians of runs in which the potentials take turns; neighbor lists are not in them.
    """
    chosen = _largest(frames)
    lists = [frame_neighborhoods(potentials[0], frame) for frame in chosen]
    evaluators = [_core.Evaluator(potential.core) for potential in potentials]
    seconds = np.zeros((RUNS + 1, len(evaluators)))
    for run in seconds:
        for k, evaluator in enumerate(evaluators):
            started = time.perf_counter()
            for found in lists:
                evaluator.evaluate(found, 1)
            run[k] = time.perf_counter() - started
    medians = np.median(seconds[1:], axis=0)
    return [float(1e6 * each / sum(map(len, chosen))) for each in medians]


def pareto_table(rows: Sequence[Row]) -> list[list[str]]:
    """Heads and cells of the table; errors are RMSEs, of the test set if there is one."""
    heads = ["point", "scalars", "K", "parameters", "effort", "µs/atom", "times faster", "loss"]
    sets = ["train", "test"] if rows[0].test else ["train"]
    heads += [f"{name} {q.name} ({q.unit})" for name in sets for q in QUANTITIES]
    return [heads, *(_cells(number, row, rows[0]) for number, row in enumerate(rows))]


def pareto_page(rows: Sequence[Row], allowed: str) -> str:
    """Write the table in Markdown; `allowed` says what the errors were allowed."""
    heads, *cells = (" | ".join(line) for line in pareto_table(rows))
    rule = "|".join("---:" for _ in pareto_table(rows)[0])
    lines = [f"| {heads} |", f"|{rule}|", *(f"| {line} |" for line in cells)]
    about = (
        "# Error against time",
        f"Point 0 is the potential as it came. Point {len(rows) - 1} is potential.mtp, by estimate "
        f"the fastest that was allowed ({allowed}, on the training set). Errors are root mean "
        "squares; K radial functions. Times: energies and forces on one thread, without neighbor "
        "lists; the effort is their estimate in nanoseconds.",
        "\n".join(lines),
        "![Force error against time](pareto.png)",
    )
    return "\n\n".join(about) + "\n"


def pareto_figure(rows: Sequence[Row], most: float) -> Figure:
    """Draw force RMSE against time, with the largest error allowed as a line."""
    figure = Figure(figsize=(5.0, 3.6), layout="constrained")
    axes = figure.subplots()
    times = [row.microseconds for row in rows]
    for name in ("train", "test"):
        found = [row.train if name == "train" else row.test for row in rows]
        errors = [summary.forces.rmse for summary in found if summary and summary.forces]
        if len(errors) == len(times):
            axes.plot(times, errors, "o-", color=COLORS[name], label=name)
    axes.annotate(
        "potential.mtp",
        (times[-1], rows[-1].point.force_rmse),
        xytext=(0, -12),
        textcoords="offset points",
        ha="center",
        fontsize="small",
    )
    axes.axhline(most, color="0.4", linewidth=0.8, linestyle="--", label="budget (train)")
    axes.set_xlim(left=0.0)
    axes.set_xlabel("time (µs per atom)")
    axes.set_ylabel("force RMSE (eV/Å)")
    axes.legend(frameon=False)
    return figure


def _largest(frames: Sequence[Frame]) -> list[Frame]:
    chosen: list[Frame] = []
    for frame in sorted(frames, key=len, reverse=True):
        if chosen and sum(map(len, chosen)) + len(frame) > TIMED_ATOMS:
            break
        chosen.append(frame)
    return chosen


def _errors(potential: MTP, frames: Sequence[Frame], threads: int) -> Summary:
    return measure(frames, evaluate_frames(potential, frames, threads)).total


def _cells(number: int, row: Row, first: Row) -> list[str]:
    parts = count_parts(row.point.potential)
    cells = [str(number)]
    cells += [str(parts[name]) for name in ("scalars", "radial_functions", "parameters")]
    cells += [f"{row.point.effort:.0f}", f"{row.microseconds:.2f}"]
    cells += [f"{first.microseconds / row.microseconds:.2f}", f"{row.point.loss:.4g}"]
    for summary in (row.train, row.test):
        cells += error_cells(summary, ("rmse",)) if summary else []
    return cells
