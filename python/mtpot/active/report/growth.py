"""The training set, and the errors on it, from training to training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mtpot.train.report.style import COLORS, Drawing, scale_wide

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from matplotlib.axes import Axes

    from mtpot.active.report.history import History


def growth_drawings(history: History) -> Iterator[Drawing]:
    """Draw frames and errors of each training."""
    trainings = history.trainings
    if not trainings:
        return
    errors = [each["errors"] for each in trainings]
    figure = Figure(figsize=(9.6, 2.9), layout="constrained")
    frames, energy, force = figure.subplots(1, 3)
    _panel(frames, [each["frames"] for each in trainings], 1.0, "frames")
    energies = [each["energy_rmse_per_atom"] for each in errors]
    _panel(energy, energies, 1e3, "energy RMSE (meV/atom)")
    _panel(force, [each["force_rmse"] for each in errors], 1.0, "force RMSE (eV/Å)")
    for panel in (energy, force):
        scale_wide(panel)
    frames.set_ylim(0, None)
    yield Drawing(
        "growth",
        figure,
        f"Frames, energy RMSE and force RMSE of {len(trainings)} trainings; the last had "
        f"{trainings[-1]['frames']} frames",
        "Frames of each training, and errors on them. Errors rise while what is added is "
        "unlike the rest, and level off when the training set holds what simulations meet.",
        vector=True,
    )


def _panel(panel: Axes, values: Sequence[float | None], scale: float, label: str) -> None:
    points = [(place, scale * value) for place, value in enumerate(values) if value is not None]
    if points:
        panel.plot(*zip(*points, strict=True), "o-", color=COLORS["train"], markersize=4)
    panel.set(xlabel="training", ylabel=label)
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))
