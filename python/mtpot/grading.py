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


class Grader:
    """Grades with a potential's active set.

    Raises
    ------
    InputError
        If the potential has none.
    """

    def __init__(self, potential: MTP) -> None:
        selection = require_selection(potential)
        self._per_site = selection.per_site
        self._weight_scaling = selection.weight_scaling
        self._active_set = selection.active_set
        self._sites = _core.Grader(potential.core, selection.active_set)
        self._design = _core.Design(potential.core)

    def grade(self, neighborhoods: _core.Neighborhoods, threads: int) -> Grades:
        """Grade one structure."""
        if self._per_site:
            return _of_sites(self._sites.grades(neighborhoods, threads))
        rows = self._design.rows(neighborhoods, threads)
        return self._of_row(rows.sum(axis=0), len(rows))

    def list_evaluator(self, evaluator: _core.Evaluator) -> _core.ListEvaluator:
        """Return an evaluator of lists that grades in the same pass, for `read`."""
        if self._per_site:
            return _core.ListEvaluator(evaluator, grader=self._sites)
        return _core.ListEvaluator(evaluator, design=self._design)

    def read(self, sites: Floats | None, row: Floats | None, atoms: int) -> Grades:
        """Grades of a structure from what the evaluator of `list_evaluator` returned."""
        if sites is not None:
            return _of_sites(sites)
        assert row is not None
        return self._of_row(row, atoms)

    def _of_row(self, row: Floats, atoms: int) -> Grades:
        mean = mean_row(row, atoms, self._weight_scaling)
        return Grades(None, float(self._active_set.grade(mean)[0]))


def _of_sites(grades: Floats) -> Grades:
    return Grades(grades, float(grades.max(initial=0.0)))


def mean_row(row: Floats, atoms: int, weight_scaling: int) -> Floats:
    """Return the row of a structure, shape [1, parameters], from the sum of those of its sites."""
    mean: Floats = row[None, :] / max(atoms, 1) ** (weight_scaling / 2)
    return mean


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
