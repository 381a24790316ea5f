"""What a potential says of two atoms alone: radial functions and dimer energies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mtpot import _core
from mtpot.errors import InputError
from mtpot.neighbors import species_types

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from mtpot.data.frame import Floats
    from mtpot.potential import MTP


def dimer_curve(potential: MTP, first: str, second: str, distances: ArrayLike) -> Floats:
    """Energies of two atoms at distances, in eV, less those of the two far apart.

    Parameters
    ----------
    potential
        Trained, with element names.
    first, second
        Element symbols.
    distances
        Angstrom, shape [n], positive.

    Raises
    ------
    InputError
        The potential lacks an element, or a distance is not positive.
    """
    far = 2.0 * potential.cutoff
    apart = _energies(potential, first, second, np.array([far]))
    return _energies(potential, first, second, np.asarray(distances, dtype=float)) - apart


def radial_functions(potential: MTP, center: str, neighbor: str, distances: ArrayLike) -> Floats:
    """Radial functions f_mu(r) of a neighbor around a center, shape [K, n].

    f_mu(r) = scaling sum_beta c_{mu beta} phi_beta(r), the factor of M_{mu,nu} that depends on the
    distance (angstrom, shape [n]); dimensionless, and known up to the coefficients xi only.

    Raises
    ------
    InputError
        The potential lacks an element.
    """
    core = potential.core
    count, size = core.species_count, core.radial_size
    shape = (count, count, core.radial_function_count, size)
    coefficients = core.parameters[: int(np.prod(shape))].reshape(shape)
    values = core.radial_values(np.asarray(distances, dtype=float))
    first, second = species_types(potential.species, [center, neighbor])
    functions: Floats = core.scaling * coefficients[first, second] @ values.T
    return functions


def _energies(potential: MTP, first: str, second: str, distances: Floats) -> Floats:
    """Energies of dimers, each two centers of one list: the engine never asks for positions."""
    if not (distances > 0.0).all():
        raise InputError("the distances of a dimer must be positive")
    count = len(distances)
    types = np.tile(species_types(potential.species, [first, second]), count)
    near = np.flatnonzero(distances < potential.cutoff)
    centers = np.concatenate([2 * near, 2 * near + 1])
    vectors = np.zeros((2 * len(near), 3))
    vectors[:, 0] = np.concatenate([distances[near], -distances[near]])
    around = _core.Neighborhoods(types, centers, centers ^ 1, vectors)
    sites, _, _ = _core.Evaluator(potential.core).evaluate(around, 1)
    energies: Floats = sites.reshape(count, 2).sum(axis=1)
    return energies
