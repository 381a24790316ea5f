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

    from mtpot.intervals import ErrorModel

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
        the value, times the scale of the forces' errors if the potential is calibrated.
    samples
        With each member, shape [members, ...].
    errors
        How forces err for a spread of the members; None if the potential is not calibrated.
    """

    value: Floats
    deviation: Floats
    samples: Floats
    errors: ErrorModel | None = None

    def half_width(self, level: float = 0.9) -> Floats:
        """Half widths of the intervals of a level, of the shape of errors of forces or normal.

        Raises
        ------
        InputError
            Unless 0 < level < 1.
        """
        factor = self.errors.factor(level) if self.errors else normal_factor(level)
        return factor * self.deviation


def propagate(
    quantity: Callable[[MTPCalculator], ArrayLike],
    potential: MTP | str | PathLike[str],
    *,
    threads: int | None = None,
) -> Propagated:
    """Compute a property with a potential and each of its members.

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
    """
    loaded = potential if isinstance(potential, MTP) else MTP.load(potential)
    members = loaded.members
    if not members:
        raise InputError("the potential has no members: train with --ensemble 8")
    value, *samples = (
        np.asarray(quantity(MTPCalculator(each, threads=threads)), dtype=np.float64)
        for each in (loaded, *members)
    )
    errors = loaded.intervals.forces if loaded.intervals else None
    scale = errors.scale if errors else 1.0
    found = np.array(samples)
    return Propagated(value, scale * root_mean_square(found - value), found, errors)
