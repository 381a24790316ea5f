"""What a cell must fulfill before anything is computed in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mtpot.data.frame import Floats

_SHORTEST = 1e-6
"""Angstrom; also the smallest relative singular value of independent vectors."""


def check_cell(cell: Floats, pbc: NDArray[np.bool_]) -> Floats:
    """Return the cell if its periodic vectors are finite and independent.

    Raises
    ------
    ValueError
        They are not; the message says how to mend the cell.
    """
    if not np.isfinite(cell).all():
        raise ValueError("the cell has a number that is not finite")
    edges = np.linalg.norm(cell[pbc], axis=1)
    rank = np.linalg.matrix_rank(cell[pbc], tol=_SHORTEST * edges.max(initial=1.0))
    if rank < pbc.sum() or (edges < _SHORTEST).any():
        raise ValueError("the cell has no volume along its periodic directions")
    return cell
