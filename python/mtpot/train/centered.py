"""Least squares in the coefficients of the scalars alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from mtpot.train.loss import NormalEquations

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

NOISE = 1e-12  # of the squared norm of a column: what is left of it below this is rounding


@dataclass(frozen=True, slots=True)
class Centered:
    """Normal equations of columns that had unit norm, without the species energies.

    Nothing may shrink the species energies, so they are eliminated: whatever the coefficients
    are, they fit best (Frisch & Waugh, Econometrica 1 (1933) 387). With one species and energies
    alone this is to subtract the mean of every column. Columns of which nothing is left, of
    scalars that vanish or are constant in all frames, are left out and keep zero coefficients.

    Attributes
    ----------
    matrix, vector, square
        Z^T Z, Z^T y and y^T y of the centered columns Z and labels y.
    scale
        1 / norm of each column before it was centered, shape [columns].
    used
        Which scalars have a column, shape [columns].
    """

    matrix: Floats
    vector: Floats
    square: float
    scale: Floats
    used: Integers
    _equations: NormalEquations
    _species: Floats

    @classmethod
    def of(cls, equations: NormalEquations, species_count: int) -> Centered:
        """Center the normal equations of species energies | coefficients."""
        s = species_count
        full, gradient = equations.matrix, equations.gradient
        # Species that the frames do not tell apart keep their difference.
        species = np.asarray(np.linalg.pinv(full[:s, :s], 1e-12, True), dtype=np.float64)
        across = species @ full[:s, s:]
        matrix = full[s:, s:] - full[s:, :s] @ across
        vector = gradient[s:] - gradient[:s] @ across
        square = equations.loss - float(gradient[:s] @ species @ gradient[:s])
        scale = equations.column_scales()[s:]
        used = np.flatnonzero(scale**2 * np.diag(matrix) > NOISE)
        scale = scale[used]
        matrix = matrix[np.ix_(used, used)] * np.outer(scale, scale)
        vector = vector[used] * scale
        return cls(matrix, vector, max(square, 0.0), scale, used, equations, species)

    def change(self, coefficients: Floats) -> Floats:
        """Species energies and coefficients in their own units; takes [..., columns]."""
        s = len(self._species)
        equations = self._equations
        full = np.zeros((*coefficients.shape[:-1], len(equations.gradient)))
        full[..., s + self.used] = coefficients * self.scale
        left = equations.gradient[:s] - full[..., s:] @ equations.matrix[s:, :s]
        full[..., :s] = left @ self._species
        return full

    def with_widths(self, widths: Floats) -> Centered:
        """Scale the columns by prior widths, shape [columns], so that a ridge spares the wide."""
        w = widths[self.used]
        return replace(
            self,
            matrix=self.matrix * np.outer(w, w),
            vector=self.vector * w,
            scale=self.scale * w,
        )

    def solve(self, ridge: float | Floats, kept: Integers | None = None) -> Floats:
        """Coefficients, of unit columns, by ridge regression in all or some of the columns."""
        positions = np.arange(len(self.vector)) if kept is None else kept
        matrix = self.matrix[np.ix_(positions, positions)]
        matrix[np.diag_indices_from(matrix)] += ridge
        coefficients = np.zeros(len(self.vector))
        coefficients[positions] = np.linalg.solve(matrix, self.vector[positions])
        return coefficients

    def ridge_path(self, ridges: Floats) -> Floats:
        """Coefficients for each ridge, shape [ridges, columns], from one diagonalization."""
        values, vectors = np.linalg.eigh(self.matrix)
        filters = 1.0 / (values.clip(0.0) + ridges[:, None])
        found: Floats = (filters * (self.vector @ vectors)) @ vectors.T
        return found
