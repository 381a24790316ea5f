"""The loss around a set of parameters, and what it costs to do without some of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from mtpot.train.loss import NormalEquations

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class QuadraticModel:
    """The Gauss-Newton model of the loss, at its minimum; parameters can be held at zero.

    With H = J^T J and the minimum at x, holding x_S at zero and moving the others to where the
    loss is then least raises it by x_S^T ((H^-1)_SS)^-1 x_S, and H^-1 loses a matrix of rank |S|
    (the surgeon of Hassibi & Stork, NIPS 5 (1992) 164, for sets). For linear parameters alone
    this is exact.

    Attributes
    ----------
    parameters
        Where the model has its minimum, as far as `hold_at_zero` has changed it.
    loss
        Its value there.
    """

    def __init__(self, equations: NormalEquations, parameters: Floats, diagonal: Floats) -> None:
        """Find the minimum.

        Parameters
        ----------
        equations
            Normal equations at the parameters.
        parameters
            Shape [n].
        diagonal
            Added to the diagonal of H with columns of unit norm, shape [n], above 0: a ridge for
            linear parameters, a damping for those in which the model is trusted less.
        """
        scale = self._scale = equations.column_scales()
        self._seen = scale > 0.0
        matrix = equations.matrix * np.outer(scale, scale)
        matrix[np.diag_indices_from(matrix)] += np.where(self._seen, diagonal, 1.0)
        # Of columns of unit norm: the others can be so unequal that no digit of it is right.
        self._inverse = np.linalg.inv(matrix)
        change = scale * (self._inverse @ (scale * equations.gradient))
        self.parameters = parameters + change
        self.loss = equations.loss_after(change)

    def increase(self, positions: Integers) -> float:
        """By how much the loss rises when the parameters at these positions are zero.

        Infinity for sets whose part of H^-1 is not positive in the accuracy of numbers.
        """
        seen = positions[self._seen[positions]]
        values = self.parameters[seen] / self._scale[seen]
        try:
            factor = np.linalg.cholesky(self._inverse[np.ix_(seen, seen)])
        except np.linalg.LinAlgError:
            return np.inf
        return float(np.square(np.linalg.solve(factor, values)).sum())

    def hold_at_zero(self, positions: Integers) -> None:
        """Set the parameters at these positions to zero for good and move the others."""
        self.loss += self.increase(positions)
        seen = positions[self._seen[positions]]
        values = self.parameters[seen] / self._scale[seen]
        columns = self._inverse[:, seen]
        across = np.linalg.solve(self._inverse[np.ix_(seen, seen)], columns.T)
        self.parameters -= self._scale * (values @ across)
        self.parameters[positions] = 0.0
        self._inverse -= columns @ across
        self._inverse[seen] = self._inverse[:, seen] = 0.0
        self._seen[positions] = False
