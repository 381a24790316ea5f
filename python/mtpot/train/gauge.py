"""The freedom between radial and linear coefficients, and one choice in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mtpot.train.factors import count_factors

if TYPE_CHECKING:
    from mtpot import _core


def normalize(core: _core.Potential) -> _core.Potential:
    """Scale every radial function to unit norm, leaving all energies as they are.

    A scalar with k factors of index mu is homogeneous of degree k in c_mu, so c_mu / a and
    xi a^k give the same energy. The optimizer lets the norms drift; with unit norms moments are
    of the order of one, and rows of an active set of comparable size. The norm is the root mean
    square over pairs of species of (sum_beta c^2)^(1/2).
    """
    parameters = core.parameters
    species, functions = core.species_count, core.radial_function_count
    radial_count = species**2 * functions * core.radial_size
    radial = parameters[:radial_count].reshape(species**2, functions, core.radial_size)
    norms = np.sqrt((radial**2).sum(axis=(0, 2)) / species**2)
    norms[norms == 0.0] = 1.0
    radial /= norms[None, :, None]
    parameters[radial_count + species :] *= np.prod(
        norms ** count_factors(core, core.basics[:, 0]), axis=1
    )
    return core.with_parameters(parameters)
