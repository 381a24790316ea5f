"""The report folder of a training: figures for the eye and a page that shows them."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from mtpot.files import make_folder, write_atomic
from mtpot.train.metrics import (
    Errors,
    Metrics,
    Prediction,
    Summary,
    energy_pairs,
    force_pairs,
    measure,
    stress_pairs,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from mtpot.data.frame import Floats, Frame
    from mtpot.train.trainer import Step

GPA = 160.21766208
"""One eV/angstrom^3 in GPa."""

# Okabe and Ito's palette, told apart with any color vision.
_COLORS = {"train": "#0072B2", "test": "#D55E00", "validation": "#009E73"}
_STYLE = {"train": ("o", 10.0), "test": ("^", 14.0)}
_MOST_POINTS = 20_000


@dataclass(frozen=True, slots=True)
class Quantity:
    """A kind of label: how it is called, scaled and found."""

    name: str
    unit: str
    scale: float
    pairs: Callable[[Sequence[tuple[Frame, Prediction]]], Floats]
    errors: Callable[[Summary], Errors | None]


QUANTITIES = (
    Quantity("energy", "meV/atom", 1e3, energy_pairs, lambda summary: summary.energy),
    Quantity("force", "eV/Å", 1.0, force_pairs, lambda summary: summary.forces),
    Quantity("stress", "GPa", GPA, stress_pairs, lambda summary: summary.stress),
)
"""What errors are shown of, each in the unit in which people speak of its errors."""


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A set of frames with its predictions."""

    frames: Sequence[Frame]
    predictions: Sequence[Prediction]

    @property
    def pairs(self) -> list[tuple[Frame, Prediction]]:
        """Frame and prediction, one by one."""
        return list(zip(self.frames, self.predictions, strict=True))

    @property
    def metrics(self) -> Metrics:
        """Errors in total and per group."""
        return measure(self.frames, self.predictions)


def write_report(
    folder: Path, sets: Mapping[str, Evaluated], steps: Sequence[Step], facts: Mapping[str, Any]
) -> None:
    """Write figures and ``summary.md``; files of an earlier report are replaced.

    Parameters
    ----------
    folder
        Made if it is missing.
    sets
        Evaluated frames under "train" and, if there are any, "test".
    steps
        The optimizer's steps, for the learning curve.
    facts
        Lines of the summary's first table, such as loss and seconds.

    Raises
    ------
    InputError
        The folder cannot be written.
    """
    make_folder(folder)
    figures = {f"parity_{q.name}.png": _parity_figure(q, sets) for q in QUANTITIES}
    figures["learning_curve.png"] = _learning_figure(steps) if steps else None
    figures["errors_by_group.png"] = _group_figure(sets)
    drawn = [name for name, figure in figures.items() if figure is not None]
    for name, figure in figures.items():
        if figure is None:
            # What an earlier report left there would not belong to this one.
            (folder / name).unlink(missing_ok=True)
        else:
            write_atomic(folder / name, _png(figure), overwrite=True)
    write_atomic(folder / "summary.md", _summary_page(sets, facts, drawn), overwrite=True)


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=150)
    return buffer.getvalue()


def _parity_figure(quantity: Quantity, sets: Mapping[str, Evaluated]) -> Figure | None:
    """Draw prediction against label above, error against label below; None without labels."""
    found = {name: quantity.pairs(evaluated.pairs) for name, evaluated in sets.items()}
    found = {name: pairs for name, pairs in found.items() if len(pairs)}
    if not found:
        return None
    figure = Figure(figsize=(5.0, 6.2), layout="constrained")
    above, below = figure.subplots(2, 1, height_ratios=(3, 1), sharex=True)
    for name, pairs in found.items():
        _scatter_set(above, below, quantity, name, pairs)
    # Energies stand in eV per atom, which is how they are compared; their errors in meV.
    unit = "eV/atom" if quantity.name == "energy" else quantity.unit
    _frame_parity(above, below, quantity, unit)
    return figure


def _scatter_set(above: Axes, below: Axes, quantity: Quantity, name: str, pairs: Floats) -> None:
    errors = Errors.of(np.diff(pairs))
    assert errors is not None
    marker, size = _STYLE[name]
    shown = _thinned(pairs)
    label = f"{name}: RMSE {errors.rmse * quantity.scale:.3g} {quantity.unit}"
    style: dict[str, Any] = {
        "s": size * np.clip(np.sqrt(500 / len(shown)), 0.15, 1.0),
        "marker": marker,
        "color": _COLORS[name],
        "alpha": 0.6,
        "linewidths": 0.0,
    }
    scale = 1.0 if quantity.name == "energy" else quantity.scale
    above.scatter(*(scale * shown.T), label=label, **style)
    below.scatter(scale * shown[:, 0], quantity.scale * np.diff(shown)[:, 0], **style)


def _frame_parity(above: Axes, below: Axes, quantity: Quantity, unit: str) -> None:
    low, high = above.get_xlim()
    above.axline((low, low), slope=1.0, color="0.4", linewidth=0.8, zorder=0)
    above.set_xlim(low, high)
    above.set_ylabel(f"predicted {quantity.name} ({unit})")
    above.legend(frameon=False)
    below.axhline(0.0, color="0.4", linewidth=0.8, zorder=0)
    below.set_xlabel(f"reference {quantity.name} ({unit})")
    below.set_ylabel(f"error ({quantity.unit})")


def _thinned(pairs: Floats) -> Floats:
    """At most `_MOST_POINTS` rows, evenly taken: more would only darken the figure."""
    stride = -(-len(pairs) // _MOST_POINTS)
    return pairs[::stride]


def _learning_figure(steps: Sequence[Step]) -> Figure:
    """Loss and errors, against steps on the left and seconds on the right."""
    figure = Figure(figsize=(8.0, 7.5), layout="constrained")
    axes = figure.subplots(3, 2, sharex="col", sharey="row")
    abscissas = ([float(s.number) for s in steps], [s.seconds for s in steps])
    for column, x in enumerate(abscissas):
        loss, energy, force = axes[:, column]
        loss.plot(x, [s.loss for s in steps], color=_COLORS["train"])
        _curve(energy, x, [s.energy_rmse_per_atom for s in steps], 1e3, "train")
        _curve(energy, x, [s.validation_energy_rmse_per_atom for s in steps], 1e3, "validation")
        _curve(force, x, [s.force_rmse for s in steps], 1.0, "train")
        _curve(force, x, [s.validation_force_rmse for s in steps], 1.0, "validation")
    labels = ("loss", "energy RMSE (meV/atom)", "force RMSE (eV/Å)")
    for axis, label in zip(axes[:, 0], labels, strict=True):
        axis.set_ylabel(label)
        axis.set_yscale("log")
    axes[2, 0].set_xlabel("step")
    axes[2, 1].set_xlabel("time (s)")
    axes[1, 0].legend(frameon=False)
    return figure


def _curve(
    axes: Axes, x: Sequence[float], values: Sequence[float | None], scale: float, name: str
) -> None:
    points = [(a, scale * b) for a, b in zip(x, values, strict=True) if b is not None]
    if points:
        axes.plot(*zip(*points, strict=True), color=_COLORS[name], label=name)


def _group_figure(sets: Mapping[str, Evaluated]) -> Figure | None:
    """RMSE of each group as bars, one panel a kind of label; None if a single group has all."""
    metrics = {name: evaluated.metrics for name, evaluated in sets.items()}
    groups = list(dict.fromkeys(group for each in metrics.values() for group in each.groups))
    if len(groups) < 2:
        return None
    figure = Figure(figsize=(9.0, 1.6 + 0.35 * len(groups)), layout="constrained")
    panels = figure.subplots(1, len(QUANTITIES), sharey=True)
    for panel, quantity in zip(panels, QUANTITIES, strict=True):
        _bars(panel, quantity, metrics, groups)
    panels[0].set_yticks(range(len(groups)), groups)
    panels[0].invert_yaxis()
    panels[0].legend(frameon=False)
    return figure


def _bars(
    panel: Axes, quantity: Quantity, metrics: Mapping[str, Metrics], groups: Sequence[str]
) -> None:
    height = 0.8 / len(metrics)
    for row, (name, each) in enumerate(metrics.items()):
        summaries = [each.groups.get(group) for group in groups]
        errors = [quantity.errors(summary) if summary else None for summary in summaries]
        places = np.arange(len(groups)) + (row - (len(metrics) - 1) / 2) * height
        widths = [quantity.scale * entry.rmse if entry else 0.0 for entry in errors]
        panel.barh(places, widths, height, color=_COLORS[name], label=name)
    panel.set_xlabel(f"{quantity.name} RMSE ({quantity.unit})")


def _summary_page(
    sets: Mapping[str, Evaluated], facts: Mapping[str, Any], figures: Sequence[str]
) -> str:
    lines = ["# Training report", "", "| | |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in facts.items()]
    for name, evaluated in sets.items():
        lines += ["", f"## Errors, {name}", "", *_error_table(evaluated.metrics)]
    lines += ["", "## Figures", ""]
    lines += [f"![{figure.removesuffix('.png').replace('_', ' ')}]({figure})" for figure in figures]
    return "\n".join(lines) + "\n"


def _error_table(metrics: Metrics) -> list[str]:
    heads = [f"{q.name} {kind} ({q.unit})" for q in QUANTITIES for kind in ("MAE", "RMSE", "max")]
    lines = [f"| group | frames | atoms | {' | '.join(heads)} |", "|---" * (3 + len(heads)) + "|"]
    return lines + [f"| {' | '.join(row)} |" for row in error_rows(metrics)]


def error_rows(metrics: Metrics) -> list[list[str]]:
    """Cells of the error table: one row a group, then all frames (if there are groups).

    Columns: group, frames, atoms, then MAE, RMSE and maximum of each of `QUANTITIES`.
    """
    rows = dict(metrics.groups)
    if set(rows) != {"all"}:
        rows["all frames"] = metrics.total
    return [[name, *_cells(summary)] for name, summary in rows.items()]


def _cells(summary: Summary) -> list[str]:
    cells = [str(summary.frames), str(summary.atoms)]
    for quantity in QUANTITIES:
        errors = quantity.errors(summary)
        values = (errors.mae, errors.rmse, errors.maximum) if errors else ()
        cells += [_rounded(quantity.scale * value) for value in values] or ["-"] * 3
    return cells


def _rounded(value: float) -> str:
    """Three digits, trailing zeros included."""
    return f"{value:#.3g}".rstrip(".")
