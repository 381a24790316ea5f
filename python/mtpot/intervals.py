"""From the spread of a committee to errors: what validation frames have taught about it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mtpot.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

Floats = NDArray[np.float64]

LEVELS = (0.5, 0.68, 0.8, 0.9, 0.95, 0.98, 0.99)
"""Shares of errors whose intervals are stored."""

UNCALIBRATED = (
    "the committee is not calibrated: its error bars are the mere spread of the members, five to "
    "twenty times smaller than real errors; train with --validation 0.1, or more"
)
"""What to say where there are members but no `Intervals`."""


def normal_factor(level: float) -> float:
    """Half width, in standard deviations, of the interval that holds a share of a normal law.

    Raises
    ------
    InputError
        Unless 0 < level < 1.
    """
    if not 0.0 < level < 1.0:
        raise InputError(f"the level of an interval lies between 0 and 1, not at {level!r}")
    return NormalDist().inv_cdf(0.5 + 0.5 * level)


def fewest_errors(level: float) -> int:
    """Find how many errors it takes for a finite conformal interval: 9 for 90 %, 19 for 95 %."""
    return math.ceil(round(level / (1.0 - level), 9))


@dataclass(frozen=True, slots=True)
class ErrorModel:
    """Errors as they follow from a spread: sigma^2 = scale^2 spread^2 + floor^2.

    The floor stands for what no choice of parameters could describe, on which all members agree.
    Intervals do not take errors to be normal: their half widths are quantiles of |error| / sigma.

    Attributes
    ----------
    scale, floor
        Of the equation; the floor in the unit of the errors.
    quantiles
        Half widths of the intervals that hold a share of `LEVELS`, in sigma; fewer than there are
        levels where there were too few errors for the high ones.
    ratio
        Root mean square error over root mean square spread: the scale if there were no floor.
    """

    scale: float
    floor: float
    quantiles: tuple[float, ...]
    ratio: float

    @classmethod
    def from_numbers(cls, numbers: Sequence[float]) -> ErrorModel:
        """Restore from `numbers`."""
        scale, floor, ratio, *quantiles = numbers
        return cls(scale, floor, tuple(each for each in quantiles if each > 0.0), ratio)

    @property
    def numbers(self) -> list[float]:
        """Scale, floor, ratio and quantiles, zero for none, as potential files hold them."""
        none = [0.0] * (len(LEVELS) - len(self.quantiles))
        return [self.scale, self.floor, self.ratio, *self.quantiles, *none]

    @property
    def highest_level(self) -> float:
        """Level up to which there are intervals."""
        known = len(self.quantiles)
        return 1.0 if known == len(LEVELS) else LEVELS[known - 1]

    def sigma(self, spread: ArrayLike) -> Floats:
        """Root mean square error that is expected where the members spread so far."""
        sigma: Floats = np.hypot(self.scale * np.asarray(spread, dtype=np.float64), self.floor)
        return sigma

    def factor(self, level: float) -> float:
        """Half width, in sigma, of the interval that holds a share of the errors.

        Between and beyond `LEVELS` its ratio to that of a normal law is interpolated.

        Raises
        ------
        InputError
            Unless 0 < level < 1, or if calibration had too few errors for it.
        """
        if level > self.highest_level:
            raise InputError(
                f"calibration had too few errors for intervals above "
                f"{100 * self.highest_level:.0f} %: that of {level:.3g} takes "
                f"{fewest_errors(level)}; set more frames aside (--validation)"
            )
        levels = LEVELS[: len(self.quantiles)]
        ratios = np.array(self.quantiles) / [normal_factor(each) for each in levels]
        return float(normal_factor(level) * np.interp(level, levels, ratios))


class Intervals(NamedTuple):
    """Error models of what the calculator calls `energy` and `forces`.

    In eV per square root of the atoms, and in eV/angstrom. Errors of the energies of N atoms grow
    as the square root of N, as the default loss has it; a component of a force counts by itself.
    """

    energy: ErrorModel
    forces: ErrorModel

    @property
    def property_scale(self) -> float:
        """Error over spread for what is neither an energy nor a force: the larger of the ratios.

        A floor has a unit and says nothing of another quantity, so that all of the error is
        laid on the spread.
        """
        return max(self.energy.ratio, self.forces.ratio)

    def energy_sigma(self, spread: float, atoms: int) -> float:
        """Error in eV that is expected of the total energy of so many atoms."""
        root = float(np.sqrt(max(atoms, 1)))
        return root * float(self.energy.sigma(spread / root))
