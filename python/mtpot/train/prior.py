"""What is known of the coefficients before any data: Gaussian priors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mtpot.errors import InputError
from mtpot.train.factors import scalar_levels

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from mtpot import _core
    from mtpot.train.loss import NormalEquations

Floats = NDArray[np.float64]

DECAYS = (0.0, 0.1, 0.2, 0.3, 0.4)
"""Tried for priors by level, per unit of level."""


def level_widths(core: _core.Potential, decay: float) -> Floats:
    """Prior widths that decay with the level of the scalar, exp(-decay level); [scalars].

    They multiply those of a flat prior, which are equal in columns of unit norm: simple scalars
    are expected to matter more than complicated ones. Their geometric mean is one.
    """
    levels = scalar_levels(core)
    widths: Floats = np.exp(-decay * (levels - levels.mean()))
    return widths


def posterior(
    equations: NormalEquations, prior: ArrayLike, noise: float = 1.0
) -> tuple[Floats, Floats]:
    """Find mean and covariance of parameters x ~ N(0, prior) of a linear model.

    The mean is (J^T J / noise + prior^-1)^-1 J^T r / noise, the covariance that inverse.

    Parameters
    ----------
    equations
        J^T J and J^T r, about the parameters that the prior has its mean at.
    prior
        Covariance of the n parameters, shape [n, n], or their variances, shape [n]; infinity for
        a variance stands for no knowledge.
    noise
        Variance of a weighted residual.

    Returns
    -------
    mean, covariance
        Shapes [n] and [n, n].

    Raises
    ------
    InputError
        The prior has another shape, or is not positive definite; or data and prior together say
        nothing of a parameter.
    """
    precision = _precision(np.asarray(prior, dtype=np.float64), len(equations.gradient))
    matrix = equations.matrix / noise + precision
    diagonal = np.diag(matrix)
    if not (diagonal > 0.0).all():
        raise InputError("neither data nor prior say anything of a parameter: give it a variance")
    scale = 1.0 / np.sqrt(diagonal)
    try:
        inverse = np.linalg.inv(matrix * np.outer(scale, scale)) * np.outer(scale, scale)
    except np.linalg.LinAlgError as error:
        raise InputError("neither data nor prior fix all parameters: give variances") from error
    return inverse @ equations.gradient / noise, inverse


def _precision(prior: Floats, size: int) -> Floats:
    if prior.shape == (size,) and (prior > 0.0).all():
        return np.diag(1.0 / prior)
    if prior.shape != (size, size):
        raise InputError(f"the prior must be {size} variances above 0 or a covariance of them")
    try:
        factor = np.linalg.inv(np.linalg.cholesky(prior))
    except np.linalg.LinAlgError as error:
        raise InputError("the prior covariance is not positive definite") from error
    precision: Floats = factor.T @ factor
    return precision
