"""What the radial functions of a potential look like."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mtpot.neighbors import species_types

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from mtpot.data.frame import Floats
    from mtpot.potential import MTP


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
