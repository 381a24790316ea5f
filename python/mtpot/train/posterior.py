"""The Laplace approximation: a normal distribution of the parameters around the best ones.

With the weighted residuals r and H = J^T J at the minimum x, the parameters are distributed as
N(x, s^2 (H + Lambda^-1)^-1): a label of weight w has the noise s^2 / w, and s^2 = r^T r / (m - p)
for m labels and p effective parameters; Lambda is the covariance of the prior, in units of s^2
(D. J. C. MacKay, Neural Comput. 4 (1992) 415). For linear parameters at fixed radial functions
and independent errors this is exact.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mtpot import _core
from mtpot.data.neighborhoods import frame_neighborhoods
from mtpot.errors import InputError
from mtpot.spread import Spread
from mtpot.train.loss import Problem, labeled_frames

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mtpot.data.frame import Frame
    from mtpot.potential import MTP
    from mtpot.train.loss import NormalEquations, Weights

Floats = NDArray[np.float64]

ROUNDING = 1e-13
"""Eigenvalues of H, with columns of unit norm, below which no digit is right."""


class Posterior:
    """Parameters with their uncertainty.

    Attributes
    ----------
    mean
        The parameters at the minimum, shape [n].
    variance
        s^2, of a label of weight 1.
    effective_parameters
        How many parameters the labels determine rather than the prior.
    """

    def __init__(
        self, equations: NormalEquations, mean: Floats, labels: int, prior: Floats | float = 1e-10
    ) -> None:
        """Diagonalize H.

        Parameters
        ----------
        equations
            Normal equations at the minimum.
        mean
            Shape [n].
        labels
            Number of labels with a weight.
        prior
            Lambda^-1 for columns of unit norm, a number or shape [n]; above 0.

        Raises
        ------
        InputError
            If there are no more labels than parameters that they determine.
        """
        scale = equations.column_scales()
        root = scale / np.sqrt(np.broadcast_to(prior, scale.shape))
        # Of columns as long as the prior is wide: the prior is then the unit matrix.
        values, vectors = np.linalg.eigh(equations.matrix * np.outer(root, root))
        values = np.maximum(values, 0.0)
        self.mean = mean
        self.effective_parameters = float((values / (values + 1.0)).sum())
        if labels <= self.effective_parameters:
            raise InputError(
                f"{labels} labels determine no {self.effective_parameters:.0f} parameters and the "
                "size of their own errors: take a potential of a lower level"
            )
        self.variance = equations.loss / (labels - self.effective_parameters)
        self._factor = root[:, None] * vectors * np.sqrt(self.variance / (values + 1.0))
        self._seen = values > ROUNDING * values.max(initial=0.0)

    @property
    def covariance(self) -> Floats:
        """Of the parameters, shape [n, n]; the other methods do without it."""
        result: Floats = self._factor @ self._factor.T
        return result

    def sample(self, count: int, seed: int) -> Floats:
        """Draw parameters, shape [count, n].

        Directions that change no label, as there are between radial and linear coefficients, stay
        as they are: the prior alone would say how far they reach.
        """
        normal = np.random.default_rng(seed).normal(size=(count, len(self.mean)))
        return np.asarray(self.mean + (normal * self._seen) @ self._factor.T)

    def variances(self, tangents: Floats) -> Floats:
        """Return diag(T Sigma T^T), shape [m], of quantities with derivatives T, shape [m, n]."""
        result: Floats = np.square(tangents @ self._factor).sum(axis=1)
        return result


def laplace(  # noqa: PLR0913 - what a loss is made of
    potential: MTP,
    frames: Sequence[Frame],
    weights: Weights,
    *,
    linear_only: bool = True,
    prior: Floats | float = 1e-10,
    threads: int = 0,
) -> Posterior:
    """Return the posterior of a potential's parameters, given the frames it was trained on.

    Parameters
    ----------
    potential
        At the minimum of the loss.
    frames, weights
        The loss.
    linear_only
        Hold the radial functions fixed, as members of a committee do; the parameters are then
        species | linear, else radial | species | linear.
    prior
        As in `Posterior`.
    threads
        0 takes every core.

    Raises
    ------
    InputError
        For unsuitable frames, or if there are no more labels than parameters.
    """
    labeled, _ = labeled_frames(potential, frames, weights)
    problem = Problem(potential.core, labeled, threads)
    equations = problem.normal_equations(potential.parameters, linear_only)
    first = problem.radial_count if linear_only else 0
    return Posterior(equations, potential.parameters[first:], problem.row_count, prior)


class PosteriorSpread:
    """Standard deviations of energies and forces by a posterior."""

    def __init__(self, potential: MTP, posterior: Posterior) -> None:
        self._potential = potential
        self._posterior = posterior
        self._design = _core.Design(potential.core)
        self._first = len(potential.parameters) - len(posterior.mean)

    def evaluate(self, frame: Frame) -> Spread:
        """Spread in one structure; memory is that of its tangents.

        Raises
        ------
        InputError
            If the frame does not fit the potential.
        """
        around = frame_neighborhoods(self._potential, frame)
        tangents, _ = self._design.tangents(around, self._first > 0)
        deviations = np.sqrt(self._posterior.variances(tangents))
        rows = self._design.rows(around)
        sites = np.sqrt(self._posterior.variances(rows[:, self._first :]))
        count = 3 * len(frame)
        return Spread(float(deviations[0]), sites, deviations[1 : 1 + count].reshape(-1, 3))
