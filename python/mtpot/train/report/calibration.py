"""Whether predicted uncertainties are as large as the errors turn out to be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from mtpot.errors import InputError
from mtpot.intervals import normal_factor
from mtpot.train.calibration import share_within
from mtpot.train.report.style import CYCLE, Drawing, plain_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

    from mtpot.data.frame import Floats
    from mtpot.intervals import ErrorModel

_BINS = 10
_NOMINAL = np.linspace(0.05, 0.99, 48)


@dataclass(frozen=True, eq=False)
class Calibration:
    """Predicted standard deviations beside errors, of labels that were not trained on.

    Attributes
    ----------
    predicted
        Standard deviations, shape [m], positive.
    errors
        Predictions less labels, shape [m], in the same unit.
    title
        Of what, and by what: "test forces, posterior".
    unit
        Of both.
    model
        Gives the half widths of intervals, in standard deviations; None takes a normal law.
    """

    predicted: Floats
    errors: Floats
    title: str = "forces"
    unit: str = "eV/Å"
    model: ErrorModel | None = None

    def factor(self, share: float) -> float:
        """Half width, in standard deviations, of the intervals that should hold `share`."""
        return self.model.factor(share) if self.model else normal_factor(share)

    def coverage(self, share: float) -> float:
        """Share of the errors inside the intervals that should hold `share` of them.

        Raises
        ------
        InputError
            The arrays differ in length or are empty, or a standard deviation is not positive.
        """
        sigma, actual = _checked(self.predicted, self.errors)
        return share_within(sigma, actual, self.factor(share))


def calibration_figure(calibration: Calibration) -> Figure:
    """Draw real against predicted errors, and real against nominal coverage of intervals.

    Left, root mean squares in bins of equally many labels by predicted error; right, the share of
    labels inside intervals. Both lie on the diagonal for perfect ones.

    Raises
    ------
    InputError
        As `Calibration.coverage`.
    """
    sigma, actual = _checked(calibration.predicted, calibration.errors)
    figure = Figure(figsize=(8.0, 3.7), layout="constrained")
    left, right = figure.subplots(1, 2)
    _reliability(left, sigma, actual, calibration.unit)
    _coverage_curve(right, calibration)
    return figure


def calibration_drawing(calibration: Calibration, place: int = 0) -> Drawing:
    """Draw the figure of a report; `place` is its position among several."""
    figure = calibration_figure(calibration)
    held = calibration.coverage(0.9)
    return Drawing(
        f"calibration_{place + 1}",
        figure,
        f"Real against predicted errors of {calibration.title}, and coverage of intervals: those "
        f"of 90 % hold {100.0 * held:.1f} %",
        f"Uncertainty of {calibration.title}, {len(calibration.errors)} labels. Left: above the "
        "diagonal the potential is too sure of itself, below too careful. Right: intervals of "
        f"90 % hold {100.0 * held:.1f} % of the errors.",
        vector=True,
    )


def _checked(predicted: ArrayLike, errors: ArrayLike) -> tuple[Floats, Floats]:
    sigma = np.asarray(predicted, dtype=float).ravel()
    actual = np.asarray(errors, dtype=float).ravel()
    if len(sigma) != len(actual) or len(sigma) == 0:
        raise InputError(
            f"calibration needs as many errors as standard deviations, and some: there are "
            f"{len(actual)} and {len(sigma)}"
        )
    if not (np.isfinite(sigma).all() and np.isfinite(actual).all() and (sigma > 0.0).all()):
        raise InputError("calibration needs finite errors and positive standard deviations")
    return sigma, actual


def _reliability(axes: Axes, sigma: Floats, errors: Floats, unit: str) -> None:
    bins = np.array_split(np.argsort(sigma, kind="stable"), min(_BINS, len(sigma)))
    predicted = [float(np.sqrt(np.mean(sigma[chosen] ** 2))) for chosen in bins]
    actual = [float(np.sqrt(np.mean(errors[chosen] ** 2))) for chosen in bins]
    positive = [value for value in (*predicted, *actual) if value > 0.0]
    ends = 0.8 * min(positive), 1.25 * max(positive)
    axes.plot(ends, ends, color="0.4", linewidth=0.8)
    axes.plot(predicted, actual, "o-", color=CYCLE[0])
    axes.set(xscale="log", yscale="log", xlim=ends, ylim=ends, aspect="equal")
    for axis in (axes.xaxis, axes.yaxis):
        plain_ticks(axis)
    axes.set(xlabel=f"predicted error ({unit})", ylabel=f"real error ({unit})")


def _coverage_curve(axes: Axes, calibration: Calibration) -> None:
    highest = calibration.model.highest_level if calibration.model else 1.0
    nominal = [float(share) for share in _NOMINAL if share <= highest]
    held = [calibration.coverage(share) for share in nominal]
    axes.plot((0, 1), (0, 1), color="0.4", linewidth=0.8)
    axes.plot(nominal, held, color=CYCLE[0])
    axes.plot([0.9], [calibration.coverage(0.9)], "o", color=CYCLE[1], label="90 % intervals")
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    axes.set(xlabel="nominal coverage", ylabel="real coverage")
    axes.legend(loc="upper left")
