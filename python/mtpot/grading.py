"""Rows and extrapolation grades of structures: what the calculator and active learning share.

A site's row is b_i = dV_i/d(parameters); the energy, the forces and the virial of a structure have
rows, too. An active set says by its weights which of them it holds, and a structure has the largest
grade of these. In neighborhood mode they are the sites, in configuration mode the one row
sum_i b_i / N^(scaling / 2) of N atoms. Podryabinkin & Shapeev, Comput. Mater. Sci. 140 (2017) 171.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mtpot import _core
from mtpot.errors import InputError

if TYPE_CHECKING:
    from mtpot.potential import MTP

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# Of xx yy zz yz xz xy among the nine components of the virial.
_PLACES = np.array([0, 4, 8, 5, 2, 1])


class Grades(NamedTuple):
    """Extrapolation grades of a structure: of its sites, shape [n] or None, and its own."""

    sites: Floats | None
    frame: float


@dataclass(frozen=True)
class RowWeights:
    """What the rows of a structure of N atoms are multiplied with; zero leaves them out.

    Attributes
    ----------
    energy
        Of the row of the energy, divided by N^(scaling / 2).
    force
        Of the 3N rows of the forces.
    stress
        Of the six rows of the virial, divided by N^(scaling / 2).
    site
        Of the N rows of the sites.
    scaling
        0, 1 or 2.

    MLIP-3 computes the same, but that it leaves out the weight of sites, and the weight and the
    division of the energy where there are rows of forces or of the virial, too.

    Raises
    ------
    InputError
        A weight is negative or no number, or all are zero, or the scaling is another.
    """

    energy: float = 0.0
    force: float = 0.0
    stress: float = 0.0
    site: float = 0.0
    scaling: int = 2

    def __post_init__(self) -> None:
        if not all(weight >= 0.0 and math.isfinite(weight) for weight in self.kinds):
            raise InputError(f"weights of rows must be positive numbers or zero, not {self.kinds}")
        if not any(self.kinds):
            raise InputError("all weights of rows are zero: an active set needs rows")
        if self.scaling not in (0, 1, 2):
            raise InputError(f"the scaling of rows must be 0, 1 or 2, not {self.scaling!r}")

    @property
    def kinds(self) -> tuple[float, float, float, float]:
        """Weights of energy, forces, virial and sites."""
        return self.energy, self.force, self.stress, self.site

    @property
    def mode(self) -> Literal["nbh", "cfg", "weighted"]:
        """Neighborhood mode, with sites alone, configuration mode, with the energy, or another."""
        if self.kinds == (0.0, 0.0, 0.0, 1.0):
            return "nbh"
        return "cfg" if self.kinds == (1.0, 0.0, 0.0, 0.0) else "weighted"

    def equations(self, atoms: int) -> Integers:
        """Return MLIP's number of each row of a structure: 0 its energy, 1 to 3N its forces, ...

        Then come the nine components of the virial, of which the six different ones have rows,
        and the sites.
        """
        first_site = 1 + 3 * atoms + 9
        numbers = (
            np.zeros(1, np.int64),
            np.arange(1, 1 + 3 * atoms),
            1 + 3 * atoms + _PLACES,
            np.arange(first_site, first_site + atoms),
        )
        return np.concatenate([n for n, w in zip(numbers, self.kinds, strict=True) if w])


NEIGHBORHOODS = RowWeights(site=1.0)
CONFIGURATIONS = RowWeights(energy=1.0)


def rows_named(name: str) -> RowWeights:
    """Return the rows that settings name: "nbh", "cfg", or weights, "energy=1,force=0.01".

    Raises
    ------
    InputError
        It is none of them, or `RowWeights` refuses the weights.
    """
    if name in ("nbh", "cfg"):
        return NEIGHBORHOODS if name == "nbh" else CONFIGURATIONS
    kinds = [field.name for field in fields(RowWeights)]
    pairs = [pair.partition("=") for pair in name.split(",")]
    if not all(kind.strip() in kinds and number.strip() for kind, _, number in pairs):
        raise InputError(
            f"{name!r}: expected nbh, cfg, none, or weights of rows such as "
            f"energy=1,force=0.01 (of {', '.join(kinds)})"
        )
    try:
        given = {kind.strip(): float(number) for kind, _, number in pairs}
    except ValueError as error:
        raise InputError(f"{name!r}: {error}") from error
    return RowWeights(**given)  # type: ignore[arg-type]  # the scaling is checked to be 0, 1 or 2


def weights_of(selection: _core.Selection) -> RowWeights:
    """Which rows an active set holds."""
    return RowWeights(*selection.weights, scaling=selection.weight_scaling)


class Rows:
    """Makes the weighted rows of structures."""

    def __init__(self, potential: MTP, weights: RowWeights) -> None:
        self.weights = weights
        self._design = _core.Design(potential.core)

    def __call__(self, neighborhoods: _core.Neighborhoods, threads: int) -> Floats:
        """Return the rows in the order of `RowWeights.equations`, shape [rows, parameters]."""
        weights, atoms = self.weights, neighborhoods.atom_count
        scale = max(atoms, 1) ** (weights.scaling / 2)
        parts: list[Floats] = []
        sites = (
            self._design.rows(neighborhoods, threads) if weights.energy or weights.site else None
        )
        if sites is not None and weights.energy:
            parts.append(weights.energy / scale * sites.sum(axis=0, keepdims=True))
        if weights.force or weights.stress:
            tangents = self._design.tangents(neighborhoods)[0]
            parts.append(weights.force * tangents[1:-6] if weights.force else tangents[:0])
            parts.append(weights.stress / scale * tangents[-6:] if weights.stress else tangents[:0])
        if sites is not None and weights.site:
            parts.append(weights.site * sites if weights.site != 1.0 else sites)
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


class Grader:
    """Grades with a potential's active set.

    Raises
    ------
    InputError
        If the potential has none.
    """

    def __init__(self, potential: MTP) -> None:
        selection = require_selection(potential)
        self._weights = weights_of(selection)
        self._active_set = selection.active_set
        self._rows = Rows(potential, self._weights)
        self._sites = _core.Grader(potential.core, selection.active_set)
        self._design = _core.Design(potential.core)

    def grade(self, neighborhoods: _core.Neighborhoods, threads: int) -> Grades:
        """Grade one structure."""
        if self._weights.mode == "nbh":
            return _of_sites(self._sites.grades(neighborhoods, threads))
        grades = self._active_set.grade(self._rows(neighborhoods, threads))
        sites = grades[-neighborhoods.atom_count :] if self._weights.site else None
        return Grades(sites, _largest(grades))

    def list_evaluator(self, evaluator: _core.Evaluator) -> _core.ListEvaluator:
        """Return an evaluator of lists that grades in the same pass, for `read`.

        Raises
        ------
        InputError
            The active set holds rows of forces or stresses, which the pass does not make.
        """
        if self._weights.mode == "nbh":
            return _core.ListEvaluator(evaluator, grader=self._sites)
        if self._weights.mode == "cfg":
            return _core.ListEvaluator(evaluator, design=self._design)
        raise InputError(
            "the active set has weights of its own, and simulations grade with sites (nbh) or "
            "configurations (cfg) alone: mlp grade takes it; select anew for simulations"
        )

    def read(self, sites: Floats | None, row: Floats | None, atoms: int) -> Grades:
        """Grades of a structure from what the evaluator of `list_evaluator` returned."""
        if sites is not None:
            return _of_sites(sites)
        assert row is not None
        mean = row[None, :] / max(atoms, 1) ** (self._weights.scaling / 2)
        return Grades(None, float(self._active_set.grade(mean)[0]))


def _of_sites(grades: Floats) -> Grades:
    return Grades(grades, _largest(grades))


def _largest(grades: Floats) -> float:
    return float(grades.max(initial=0.0))


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
