"""Rows and extrapolation grades of structures: what the calculator and active learning share.

A site's row is b_i = dV_i/d(parameters). In neighborhood mode sites are graded, and a structure has
the largest grade of its sites; in configuration mode a structure of N atoms has the one row
sum_i b_i / N^(weight_scaling / 2). Podryabinkin & Shapeev, Comput. Mater. Sci. 140 (2017) 171.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mtpot import _core
from mtpot.errors import InputError

if TYPE_CHECKING:
    from mtpot.potential import MTP

Floats = NDArray[np.float64]


class Grades(NamedTuple):
    """Extrapolation grades of a structure: of its sites, shape [n] or None, and its own."""

    sites: Floats | None
    frame: float


class RowMaker:
    """Rows of a structure: [n, parameters] in neighborhood mode, [1, parameters] in the other."""

    def __init__(self, core: _core.Potential, per_site: bool, weight_scaling: int) -> None:
        self._design = _core.Design(core)
        self.per_site = per_site
        self._weight_scaling = weight_scaling

    def rows(self, neighborhoods: _core.Neighborhoods, threads: int) -> Floats:
        """Return the rows that stand for a structure."""
        rows = self._design.rows(neighborhoods, threads)
        if self.per_site:
            return rows
        weight = max(len(rows), 1) ** (self._weight_scaling / 2)
        mean: Floats = rows.sum(axis=0, keepdims=True) / weight
        return mean


class Grader:
    """Grades with a potential's active set.

    Raises
    ------
    InputError
        If the potential has none.
    """

    def __init__(self, potential: MTP) -> None:
        selection = require_selection(potential)
        self._maker = RowMaker(potential.core, selection.per_site, selection.weight_scaling)
        self._active_set = selection.active_set

    def grade(self, neighborhoods: _core.Neighborhoods, threads: int) -> Grades:
        """Grade one structure."""
        grades = self._active_set.grade(self._maker.rows(neighborhoods, threads))
        return Grades(grades if self._maker.per_site else None, float(grades.max(initial=0.0)))


def require_selection(potential: MTP) -> _core.Selection:
    """Return the potential's active set with its origin.

    Raises
    ------
    InputError
        If the potential has none.
    """
    if potential.selection is None:
        raise InputError(
            "the potential has no active set: train with --active-set nbh (or cfg) and use the "
            ".almtp file"
        )
    return potential.selection
