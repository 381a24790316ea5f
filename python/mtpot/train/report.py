"""The report folder of a training: figures for the eye and a page that shows them."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

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
    from mtpot.train.monitor import Step

GPA = 160.21766208
"""One eV/angstrom^3 in GPa."""

# Okabe and Ito's palette, told apart with any color vision.
COLORS = {"train": "#0072B2", "validation": "#009E73", "test": "#D55E00"}
_STYLE = {"train": ("o", 10.0), "validation": ("s", 10.0), "test": ("^", 14.0)}
_MOST_POINTS = 20_000


@dataclass(frozen=True, slots=True)
class Quantity:
    """A kind of label: how it is called, scaled and found."""

    name: str
    unit: str
    decimals: int
    scale: float
    pairs: Callable[[Sequence[tuple[Frame, Prediction]]], Floats]
    errors: Callable[[Summary], Errors | None]

    def text(self, value: float) -> str:
        """Write an error in the unit, with its decimals."""
        return f"{self.scale * value:.{self.decimals}f}"


QUANTITIES = (
    Quantity("energy", "meV/atom", 2, 1e3, energy_pairs, lambda summary: summary.energy),
    Quantity("force", "eV/Å", 4, 1.0, force_pairs, lambda summary: summary.forces),
    Quantity("stress", "GPa", 3, GPA, stress_pairs, lambda summary: summary.stress),
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
    folder: Path,
    sets: Mapping[str, Evaluated],
    steps: Sequence[Step],
    tables: Mapping[str, Mapping[str, Any]],
) -> None:
    """Write figures and ``summary.md``; files of an earlier report are replaced.

    Parameters
    ----------
    folder
        Made if it is missing.
    sets
        Evaluated frames under "train" and, if there are any, "validation" and "test".
    steps
        The optimizer's steps, for the learning curve.
    tables
        Heading and lines of the summary's tables beside those of errors: results, settings.

    Raises
    ------
    InputError
        The folder cannot be written.
    """
    make_folder(folder)
    clear_report(folder)
    figures = {f"parity_{q.name}.png": _parity_figure(q, sets) for q in QUANTITIES}
    figures["learning_curve.png"] = _learning_figure(steps) if steps else None
    figures["errors_by_group.png"] = _group_figure(sets)
    drawn = {name: figure for name, figure in figures.items() if figure is not None}
    for name, figure in drawn.items():
        write_atomic(folder / name, to_png(figure))
    write_atomic(folder / "summary.md", _summary_page(sets, tables, list(drawn)))


FILES = (
    *(f"parity_{quantity.name}.png" for quantity in QUANTITIES),
    "learning_curve.png",
    "errors_by_group.png",
    "summary.md",
)
"""What a report may consist of."""


def clear_report(folder: Path) -> None:
    """Remove the files of an earlier report, which would not belong to this one."""
    for name in FILES:
        (folder / name).unlink(missing_ok=True)


def to_png(figure: Figure) -> bytes:
    """Draw it as the content of a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=150)
    return buffer.getvalue()


def _parity_figure(quantity: Quantity, sets: Mapping[str, Evaluated]) -> Figure | None:
    """Draw prediction against label above, error against label below; None without labels."""
    found = {name: quantity.pairs(evaluated.pairs) for name, evaluated in sets.items()}
    found = {name: pairs for name, pairs in found.items() if len(pairs)}
    if not found:
        return None
    if quantity.name == "energy":
        mean = np.concatenate([pairs[:, 0] for pairs in found.values()]).mean()
        found = {name: pairs - mean for name, pairs in found.items()}
    figure = Figure(figsize=(5.0, 6.2), layout="constrained")
    above, below = figure.subplots(2, 1, height_ratios=(3, 1), sharex=True)
    for name, pairs in found.items():
        _scatter_set(above, below, quantity, name, pairs)
    _frame_parity(above, below, quantity)
    return figure


def _scatter_set(above: Axes, below: Axes, quantity: Quantity, name: str, pairs: Floats) -> None:
    errors = Errors.of(np.diff(pairs))
    assert errors is not None
    marker, size = _STYLE[name]
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
    above.legend(frameon=False)
    below.axhline(0.0, color="0.4", linewidth=0.8, zorder=0)
    below.set_xlabel(f"reference {quantity.name} ({unit})")
    below.set_ylabel(f"error ({quantity.unit})")


def _thinned(pairs: Floats) -> Floats:
    """At most `_MOST_POINTS` rows, evenly taken: more would only darken the figure."""
    stride = -(-len(pairs) // _MOST_POINTS)
    return pairs[::stride]


def _learning_figure(steps: Sequence[Step]) -> Figure:
    """Loss and errors against steps."""
    figure = Figure(figsize=(5.0, 7.0), layout="constrained")
    loss, energy, force = figure.subplots(3, 1, sharex=True)
    numbers = [step.number for step in steps]
    loss.plot(numbers, [step.loss for step in steps], color=COLORS["train"])
    _curve(energy, numbers, [s.energy_rmse_per_atom for s in steps], 1e3, "train")
    _curve(energy, numbers, [s.validation_energy_rmse_per_atom for s in steps], 1e3, "validation")
    _curve(force, numbers, [s.force_rmse for s in steps], 1.0, "train")
    _curve(force, numbers, [s.validation_force_rmse for s in steps], 1.0, "validation")
    labels = ("loss", "energy RMSE (meV/atom)", "force RMSE (eV/Å)")
    for axis, label in zip((loss, energy, force), labels, strict=True):
        axis.set_ylabel(label)
        _scale(axis)
    force.set_xlabel("step")
    force.xaxis.set_major_locator(MaxNLocator(integer=True))
    energy.legend(frameon=False)
    return figure


def _scale(axis: Axes) -> None:
    """Make an axis over more than a decade logarithmic, with labels such as 0.05."""
    values = [value for line in axis.lines for value in np.asarray(line.get_ydata(), float)]
    if not values or max(values) < 10 * min(values):
        axis.ticklabel_format(axis="y", style="plain", useOffset=False)
        return
    axis.set_yscale("log")
    axis.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.yaxis.set_minor_formatter(lambda value, _: f"{value:g}" if f"{value:e}"[0] in "25" else "")


def _curve(
    axes: Axes, x: Sequence[float], values: Sequence[float | None], scale: float, name: str
) -> None:
    points = [(a, scale * b) for a, b in zip(x, values, strict=True) if b is not None]
    if points:
        axes.plot(*zip(*points, strict=True), color=COLORS[name], label=name)


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
    panels[0].set_yticks(range(len(groups)), [_shown(group) for group in groups])
    panels[0].invert_yaxis()
    panels[0].legend(handles=[Patch(color=COLORS[n], label=n) for n in metrics], frameon=False)
    return figure


def _bars(
    panel: Axes, quantity: Quantity, metrics: Mapping[str, Metrics], groups: Sequence[str]
) -> None:
    height = 0.8 / len(metrics)
    for place, group in enumerate(groups):
        present = {
            name: each.groups[group] for name, each in metrics.items() if group in each.groups
        }
        for row, (name, summary) in enumerate(present.items()):
            errors = quantity.errors(summary)
            shift = (row - (len(present) - 1) / 2) * height
            width = quantity.scale * errors.rmse if errors else 0.0
            panel.barh(place + shift, width, height, color=COLORS[name])
    panel.set_xlabel(f"{quantity.name} RMSE ({quantity.unit})")


def _summary_page(
    sets: Mapping[str, Evaluated],
    tables: Mapping[str, Mapping[str, Any]],
    figures: Sequence[str],
) -> str:
    lines = ["# Training report"]
    for heading, facts in tables.items():
        lines += ["", f"## {heading}", "", "| | |", "|---|---|"]
        lines += [f"| {name} | {value} |" for name, value in facts.items()]
    for name, evaluated in sets.items():
        lines += ["", f"## Errors, {name}", "", *_error_table(evaluated.metrics)]
    lines += ["", "## Figures", ""]
    lines += [f"![{figure.removesuffix('.png').replace('_', ' ')}]({figure})" for figure in figures]
    return "\n".join(lines) + "\n"


def _error_table(metrics: Metrics) -> list[str]:
    heads = [f"{q.name} {kind} ({q.unit})" for q in QUANTITIES for kind in ("MAE", "RMSE", "max")]
    lines = [f"| group | frames | atoms | {' | '.join(heads)} |", "|---" * (3 + len(heads)) + "|"]
    for name, summary in error_rows(metrics).items():
        cells = [
            str(summary.frames),
            str(summary.atoms),
            *error_cells(summary, ("mae", "rmse", "maximum")),
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def error_rows(metrics: Metrics) -> dict[str, Summary]:
    """Rows of an error table: the groups, if there are several, then the total."""
    groups = {_shown(name): summary for name, summary in metrics.groups.items()}
    return (groups if len(groups) > 1 else {}) | {"total": metrics.total}


def error_cells(summary: Summary, kinds: Sequence[str]) -> list[str]:
    """Texts of the errors of each of `QUANTITIES`; kinds are "mae", "rmse" and "maximum"."""
    found = [(quantity, quantity.errors(summary)) for quantity in QUANTITIES]
    return [q.text(getattr(errors, k)) if errors else "-" for q, errors in found for k in kinds]


def _shown(group: str) -> str:
    return "no group" if group == "all" else group
