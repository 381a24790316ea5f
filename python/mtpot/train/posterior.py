"""The Laplace approximation: a normal distribution of the parameters around the best ones.

With the weighted residuals r and H = J^T J at the minimum x, the parameters are distributed as
N(x, s^2 (H + Lambda^-1)^-1): a label of weight w has the noise s^2 / w, and s^2 = r^T r / (m - p)
for m labels and p effective parameters; Lambda is the covariance of the prior, in units of s^2
(D. J. C. MacKay, Neural Comput. 4 (1992) 415). For linear parameters at fixed radial functions
and independent errors this is exact. Without a prior, Lambda^-1 is `RIDGE` for columns of unit
norm, and of columns without labels, as those of a species that no frame has, nothing is known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mtpot import _core
from mtpot.data.neighborhoods import frame_neighborhoods
from mtpot.errors import InputError
from mtpot.spread import Spread
from mtpot.train.loss import NOISE, Problem, labeled_frames

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from mtpot.data.frame import Frame
    from mtpot.potential import MTP
    from mtpot.train.loss import NormalEquations, Weights

Floats = NDArray[np.float64]

RIDGE = 1e-10
"""Precision of the prior of parameters that have none, in columns of unit norm."""

SYMMETRIC = 1e-8
"""By how much, in its own widths, a prior covariance may differ from its transpose."""

ROUNDING = 1e-13
"""Eigenvalues of H, with columns of unit norm, below which no digit is right."""


class Posterior:
    """Parameters with their uncertainty.

    Attributes
    ----------
    mean
        The parameters at the minimum, shape [n].
    step
        From there to the mean of the posterior if the prior has its mean there, shape [n]: zero
        at the minimum but for the prior of `RIDGE`; exact for linear parameters.
    variance
        s^2, of a label of weight 1.
    known
        Which parameters labels or prior say anything of, shape [n].
    effective_parameters
        How many parameters the labels determine rather than the prior.
    """

    def __init__(
        self,
        equations: NormalEquations,
        mean: Floats,
        labels: int,
        prior: ArrayLike | None = None,
        noise: float | None = None,
    ) -> None:
        """Diagonalize H + Lambda^-1, in columns that make its diagonal one.

        Parameters
        ----------
        equations
            Normal equations at `mean`.
        mean
            Shape [n].
        labels
            Number of labels with a weight.
        prior
            Lambda, in units of s^2 and of the parameters: a covariance, shape [n, n], or
            variances, shape [n], infinite where nothing is known. None stands for `RIDGE`.
        noise
            s^2 if it is known; None takes it from the residuals.

        Raises
        ------
        InputError
            If there are no more labels than parameters that they determine, or the prior has
            another shape or is not positive definite, or it leaves a direction to labels that do
            not know it.
        """
        matrix, precision = _matrices(equations, prior)
        self.mean = mean
        self.known = np.diag(matrix + precision) > 0.0
        self._factor = _inverse_root(matrix + precision, self.known)
        determined = np.einsum("ik,ik->k", self._factor, matrix @ self._factor)
        self.effective_parameters = float(determined.sum())
        self.variance = self._noise(equations.loss, labels) if noise is None else noise
        self.step: Floats = self._factor @ (self._factor.T @ equations.gradient)
        self._drawn = np.ones(len(mean)) if prior is not None else _touched(determined)
        self._factor *= np.sqrt(self.variance)

    def _noise(self, loss: float, labels: int) -> float:
        if labels <= self.effective_parameters:
            raise InputError(
                f"{labels} labels determine no {self.effective_parameters:.0f} parameters and the "
                "size of their own errors: take a potential of a lower level"
            )
        return loss / (labels - self.effective_parameters)

    @property
    def covariance(self) -> Floats:
        """Of the parameters, shape [n, n]; the other methods do without it.

        Parameters that nothing is known of have an infinite variance, and no correlation.
        """
        result: Floats = self._factor @ self._factor.T
        result[np.diag_indices_from(result)] += np.where(self.known, 0.0, np.inf)
        return result

    def sample(self, count: int, seed: int) -> Floats:
        """Draw parameters, shape [count, n].

        Parameters that nothing is known of stay as they are. So do, without a prior, directions
        that change no label, as there are between radial and linear coefficients, although the
        covariance has them: `RIDGE` alone would say how far they reach.
        """
        normal = np.random.default_rng(seed).normal(size=(count, len(self.mean)))
        return np.asarray(self.mean + (normal * self._drawn) @ self._factor.T)

    def variances(self, tangents: Floats) -> Floats:
        """Return diag(T Sigma T^T), shape [m], of quantities with derivatives T, shape [m, n].

        Infinite for what depends on parameters that nothing is known of.
        """
        sizes = np.abs(tangents)
        unknown = (sizes[:, ~self.known] > NOISE * sizes.max(initial=0.0)).any(axis=1)
        result: Floats = np.square(tangents @ self._factor).sum(axis=1)
        return np.where(unknown, np.inf, result)


def _matrices(equations: NormalEquations, prior: ArrayLike | None) -> tuple[Floats, Floats]:
    """H without columns of rounding noise, and Lambda^-1."""
    scale = equations.column_scales()
    seen = scale > 0.0
    matrix: Floats = equations.matrix * np.outer(seen, seen)
    if prior is None:
        return matrix, np.diag(RIDGE * np.diag(matrix))
    return matrix, _precision(np.asarray(prior, dtype=np.float64), len(scale))


def _precision(prior: Floats, size: int) -> Floats:
    if prior.shape == (size,) and (prior > 0.0).all():
        return np.diag(1.0 / prior)
    if prior.shape != (size, size):
        raise InputError(f"the prior must be {size} variances above 0 or a covariance of them")
    widths = np.sqrt(np.abs(np.diag(prior)))
    if not (np.abs(prior - prior.T) <= SYMMETRIC * np.outer(widths, widths)).all():
        raise InputError("the prior covariance is not finite and symmetric")
    try:
        factor = np.linalg.inv(np.linalg.cholesky(prior))
    except np.linalg.LinAlgError as error:
        raise InputError("the prior covariance is not positive definite") from error
    precision: Floats = factor.T @ factor
    return precision


def _inverse_root(matrix: Floats, known: NDArray[np.bool_]) -> Floats:
    """F with F F^T = matrix^-1 among the known parameters, and zero for the others."""
    scale = np.where(known, 1.0 / np.sqrt(np.where(known, np.diag(matrix), 1.0)), 0.0)
    scaled = matrix * np.outer(scale, scale)
    scaled[np.diag_indices_from(scaled)] = 1.0
    values, vectors = np.linalg.eigh(scaled)
    if not values.min(initial=1.0) > len(matrix) * np.finfo(float).eps:
        raise InputError("neither labels nor prior fix all parameters: give smaller variances")
    root: Floats = scale[:, None] * vectors / np.sqrt(values)
    return root


def _touched(determined: Floats) -> Floats:
    """1 for directions that change a label, else 0; `determined` is v / (v + RIDGE)."""
    values = determined * RIDGE / np.maximum(1.0 - determined, np.finfo(float).eps)
    return (values > ROUNDING).astype(float)


def laplace(  # noqa: PLR0913 - what a loss is made of
    potential: MTP,
    frames: Sequence[Frame],
    weights: Weights,
    *,
    linear_only: bool = True,
    prior: ArrayLike | None = None,
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
