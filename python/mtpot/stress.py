"""When a structure has a stress, and how it follows from the virial."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

VOIGT = ([0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1])
"""Rows and columns of xx yy zz yz xz xy."""


def has_stress(cell: ArrayLike, pbc: ArrayLike) -> bool:
    """Whether a stress is defined: some periodicity, and cell vectors that span a volume."""
    return bool(np.any(pbc)) and cell_volume(cell) > 0.0


def cell_volume(cell: ArrayLike) -> float:
    """Volume in angstrom^3, whatever the order of the cell vectors."""
    return float(abs(np.linalg.det(np.asarray(cell, dtype=np.float64))))


def voigt_stress(virial: Floats, cell: ArrayLike) -> Floats:
    """Stress -W/V of a virial W (eV, shape [3, 3]) in eV/angstrom^3, xx yy zz yz xz xy."""
    symmetric = 0.5 * (virial + virial.T)
    stress: Floats = -symmetric[VOIGT] / cell_volume(cell)
    return stress
