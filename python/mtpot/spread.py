"""How far the members of a committee are from the potential."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mtpot import _core
from mtpot.errors import InputError

if TYPE_CHECKING:
    from mtpot.potential import MTP

Floats = NDArray[np.float64]


class Spread(NamedTuple):
    """Root mean squares over the members of what they differ by from the potential.

    Of the total energy (eV), the site energies [n] and the components of the forces [n, 3]
    (eV/angstrom).
    """

    energy: float
    sites: Floats
    forces: Floats


def energy_spread(deviations: Floats) -> tuple[float, Floats]:
    """Spread of the total energy and of the site energies, from deviations [n, members]."""
    return float(root_mean_square(deviations.sum(axis=0))), root_mean_square(deviations, axis=1)


def root_mean_square(values: Floats, axis: int = 0) -> Floats:
    """Root of the mean square along an axis."""
    result: Floats = np.sqrt(np.square(values).mean(axis=axis))
    return result


def deviation_evaluators(core: _core.Potential, precision: str = "double") -> list[_core.Evaluator]:
    """Return what evaluates how far each member is from the potential.

    Energies and forces are linear in what members differ by, so that these are found without the
    difference of two large numbers: in mixed precision to some 1e-4 of their size.
    """
    return [_core.Evaluator(core.deviation(k), precision) for k in range(len(core.members))]


class SpreadEvaluator:
    """The spread of energies and forces, member after member.

    Raises
    ------
    InputError
        If the potential has no members.
    """

    def __init__(self, potential: MTP) -> None:
        self._evaluators = deviation_evaluators(potential.core)
        if not self._evaluators:
            raise InputError("the potential has no members: train with --ensemble 8")

    def evaluate(self, around: _core.Neighborhoods, threads: int = 0) -> Spread:
        """Spread in one structure."""
        found = [each.evaluate(around, threads) for each in self._evaluators]
        sites = np.stack([each[0] for each in found], axis=1)
        energy, of_sites = energy_spread(sites)
        return Spread(energy, of_sites, root_mean_square(np.stack([each[1] for each in found])))
