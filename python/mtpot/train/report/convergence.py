"""Loss and errors as the optimizer goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mtpot.train.report.style import COLORS, Drawing, line_style, literal, scale_wide

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

    from mtpot.train.monitor import Step


def convergence_drawing(steps: Sequence[Step]) -> Drawing | None:
    """Draw loss and errors against steps; None if there are no two steps."""
    if len(steps) < 2:
        return None
    figure, (loss, energy, force) = _panels()
    numbers = range(len(steps))
    loss.plot(numbers, [step.loss for step in steps], color=COLORS["train"])
    _curve(energy, numbers, [s.energy_rmse_per_atom for s in steps], 1e3, "train")
    _curve(energy, numbers, [s.validation_energy_rmse_per_atom for s in steps], 1e3, "validation")
    _curve(force, numbers, [s.force_rmse for s in steps], 1.0, "train")
    _curve(force, numbers, [s.validation_force_rmse for s in steps], 1.0, "validation")
    _finish((loss, energy, force))
    _mark_stages(loss, steps)
    energy.legend()
    return Drawing(
        "convergence",
        figure,
        f"Loss, energy RMSE and force RMSE over {len(steps) - 1} steps of the optimizer, the loss "
        f"falling from {steps[0].loss:.4g} to {steps[-1].loss:.4g}",
        "Loss and errors by step. Curves that still fall at the end ask for more steps; "
        "validation errors that rise again, for fewer parameters or more data.",
        vector=len(steps) < 2000,
    )


def compared_convergence(runs: Mapping[str, Sequence[Step]]) -> Drawing | None:
    """Draw loss and training errors of several runs over each other; None without two steps."""
    runs = {name: steps for name, steps in runs.items() if len(steps) > 1}
    if not runs:
        return None
    figure, (loss, energy, force) = _panels()
    for place, (name, steps) in enumerate(runs.items()):
        style = line_style(place)
        numbers = range(len(steps))
        loss.plot(numbers, [step.loss for step in steps], label=literal(name), **style)
        energy.plot(numbers, [1e3 * step.energy_rmse_per_atom for step in steps], **style)
        known = [
            (k, each.force_rmse) for k, each in enumerate(steps) if each.force_rmse is not None
        ]
        if known:
            force.plot(*zip(*known, strict=True), **style)
    _finish((loss, energy, force))
    loss.legend(fontsize="small")
    return Drawing(
        "convergence",
        figure,
        f"Loss, energy RMSE and force RMSE on the training frames by step, for {len(runs)} runs",
        "Loss and errors on the training frames by step.",
        vector=sum(map(len, runs.values())) < 2000,
    )


def _mark_stages(panel: Axes, steps: Sequence[Step]) -> None:
    """Draw a line where a stage begins, with its name."""
    before = ""
    for place, step in enumerate(steps):
        if step.stage != before:
            panel.axvline(place, color="0.7", linewidth=0.8, zorder=0)
            panel.text(
                place,
                0.98,
                f" {literal(step.stage)}",
                transform=panel.get_xaxis_transform(),
                fontsize="x-small",
                rotation=90,
                va="top",
            )
            before = step.stage


def _panels() -> tuple[Figure, Sequence[Axes]]:
    figure = Figure(figsize=(9.6, 2.9), layout="constrained")
    return figure, figure.subplots(1, 3)


def _finish(panels: Sequence[Axes]) -> None:
    labels = ("loss", "energy RMSE (meV/atom)", "force RMSE (eV/Å)")
    for panel, label in zip(panels, labels, strict=True):
        panel.set_ylabel(label)
        panel.set_xlabel("step")
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        scale_wide(panel)


def _curve(
    panel: Axes, numbers: Sequence[int], values: Sequence[float | None], scale: float, name: str
) -> None:
    points = [(a, scale * b) for a, b in zip(numbers, values, strict=True) if b is not None]
    if points:
        panel.plot(*zip(*points, strict=True), color=COLORS[name], label=name)
