"""From the members of a committee to the error bar of anything that is computed with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mtpot.calculator import MTPCalculator
from mtpot.errors import InputError
from mtpot.intervals import normal_factor
from mtpot.potential import MTP
from mtpot.spread import root_mean_square

if TYPE_CHECKING:
    from collections.abc import Callable
    from os import PathLike

    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Propagated:
    """A property with its error bar.

    Attributes
    ----------
    value
        With the potential itself; shape [...].
    deviation
        Standard deviation, same shape: the root mean square of what the members differ by from
        the value, times `Intervals.property_scale` if the potential is calibrated.
    samples
        With each member, shape [members, ...].
    """

    value: Floats
    deviation: Floats
    samples: Floats

    def half_width(self, level: float = 0.9) -> Floats:
        """Half widths of the intervals of a level if errors are normal.

        No errors of the property itself have been seen: the intervals need not hold their share.

        Raises
        ------
        InputError
            Unless 0 < level < 1.
        """
        return normal_factor(level) * self.deviation


def propagate(
    quantity: Callable[[MTPCalculator], ArrayLike],
    potential: MTP | str | PathLike[str],
    *,
    threads: int | None = None,
) -> Propagated:
    """Compute a property with a potential and each of its members.

    An energy or force has its own error model, with a floor, in the calculator (`energy_std`,
    `forces_std`); here it is a property like any other.

    >>> propagate(lambda calculator: elastic_constants(atoms, calculator), "potential.mtp")

    Parameters
    ----------
    quantity
        A function of a calculator; its numbers have the same shape for each.
    potential
        With members: train with `--ensemble`.
    threads
        As for `MTPCalculator`.

    Raises
    ------
    InputError
        If the potential has no members.

    Warns
    -----
    UncalibratedWarning
        If they are not calibrated: the deviation is their mere spread.
    """
    loaded = potential if isinstance(potential, MTP) else MTP.load(potential)
    members = loaded.members
    if not members:
        raise InputError("the potential has no members: train with --ensemble 8")
    value, *samples = (
        np.asarray(quantity(MTPCalculator(each, threads=threads)), dtype=np.float64)
        for each in (loaded, *members)
    )
    scale = loaded.intervals.property_scale if loaded.intervals else 1.0
    found = np.array(samples)
    return Propagated(value, scale * root_mean_square(found - value), found)
