"""A structure of any size, seen from a point in it: which atoms and images lie around."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mtpot import _core
from mtpot.neighbors import complete_cell, species_types

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ase import Atoms

    from mtpot.potential import MTP

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

INSIDE = 1e-9
"""Angstrom: points as near as this are one."""


@dataclass(frozen=True)
class Surroundings:
    """A large structure in the form that cutting needs.

    Attributes
    ----------
    types, positions
        Type and place of each of the n atoms; angstrom, shape [n, 3].
    cell, pbc
        Cell vectors as rows; those of open directions are orthogonal to the periodic ones. A
        periodic direction with a gap of at least the cutoff is open: nothing acts across it.
    cutoff
        Of the potential, angstrom.
    """

    types: NDArray[np.int32]
    positions: Floats
    cell: Floats
    pbc: NDArray[np.bool_]
    cutoff: float

    @classmethod
    def of(cls, atoms: Atoms, potential: MTP) -> Surroundings:
        """Take over a structure.

        Raises
        ------
        InputError
            If the potential lacks one of its elements or the cell is not sound.
        """
        types = species_types(potential.species, atoms.get_chemical_symbols())
        positions, pbc = atoms.positions.copy(), np.array(atoms.pbc)
        cell = complete_cell(atoms.cell.array, pbc)
        fractions = positions @ np.linalg.inv(cell)
        for k in np.flatnonzero(pbc):
            shifts = _across_gap(fractions[:, k], potential.cutoff / heights(cell)[k])
            if shifts is not None:
                positions += shifts[:, None] * cell[k]
                pbc[k] = False
        return cls(types, positions, complete_cell(cell, pbc), pbc, potential.cutoff)

    @cached_property
    def fractions(self) -> Floats:
        """Coordinates in the cell, shape [n, 3]."""
        fractions: Floats = self.positions @ np.linalg.inv(self.cell)
        return fractions

    @cached_property
    def heights(self) -> Floats:
        """Distances between opposite faces of the cell, shape [3]."""
        return heights(self.cell)

    @cached_property
    def open_ranges(self) -> Floats:
        """Where the first and last atoms lie along each cell vector, in its units, [2, 3]."""
        return np.stack([self.fractions.min(axis=0), self.fractions.max(axis=0)])

    def around(self, center: Floats, radius: float) -> tuple[Integers, Floats]:
        """Atoms and images no farther than `radius` from a point.

        Returns
        -------
        Index of the atom, shape [m], and the vector to it from the center, [m, 3].
        """
        fractions = self.fractions - center @ np.linalg.inv(self.cell)
        found = np.arange(len(fractions))
        shifts = np.zeros((len(found), 3))
        for k, reach in enumerate(radius / self.heights + INSIDE):
            along = fractions[found, k]
            first, last = np.ceil(-reach - along), np.floor(reach - along)
            if not self.pbc[k]:
                first, last = np.zeros_like(first), np.where(np.abs(along) <= reach, 0.0, -1.0)
            counts = np.maximum(last - first + 1, 0).astype(np.int64)
            origin = np.repeat(np.arange(len(found)), counts)
            number = np.arange(len(origin)) - np.repeat(np.cumsum(counts) - counts, counts)
            found, shifts = found[origin], shifts[origin]
            shifts[:, k] = first[origin] + number
        vectors = self.positions[found] - center + shifts @ self.cell
        near = np.einsum("ij,ij->i", vectors, vectors) <= radius**2
        return found[near], vectors[near]

    def nearest(self, site: int, other: int) -> Floats:
        """Vector from an atom to the nearest image of another, but for very skewed cells."""
        shifts = -np.rint(self.fractions[other] - self.fractions[site]) * self.pbc
        vector: Floats = self.positions[other] - self.positions[site] + shifts @ self.cell
        return vector

    def neighborhood(self, site: int) -> tuple[Integers, Floats]:
        """Atoms within the cutoff of one, itself first: indexes [m] and vectors [m, 3]."""
        index, vectors = self.around(self.positions[site], self.cutoff)
        order = np.argsort(np.linalg.norm(vectors, axis=1), kind="stable")
        return index[order], vectors[order]

    def row(self, design: _core.Design, site: int) -> Floats:
        """Row b_i of one atom, shape [parameters], at a cost that does not grow with the others."""
        index, vectors = self.neighborhood(site)
        neighbors = np.arange(1, len(index))
        alone = _core.Neighborhoods(
            self.types[index], np.zeros_like(neighbors), neighbors, vectors[1:]
        )
        row: Floats = design.rows(alone, 1)[0]
        return row


def least_neighborhood(atoms: Atoms, repeat: Sequence[int], cutoff: float) -> int:
    """Count the atoms of the smallest neighborhood in a repeated structure: no cell has fewer.

    Those within the cutoff (angstrom) of the site itself, and it, but none for its images.
    """
    enough = np.ceil(2.0 * cutoff / heights(complete_cell(atoms.cell.array, np.array(atoms.pbc))))
    large = atoms.repeat(np.minimum(repeat, 1 + enough.astype(int)))
    pbc = np.array(large.pbc)
    cell = complete_cell(large.cell.array, pbc)
    types = np.zeros(len(large), np.int32)
    surroundings = Surroundings(types, large.positions, cell, pbc, cutoff)
    return min(len(set(surroundings.neighborhood(site)[0])) for site in range(len(atoms)))


class View:
    """What lies around one point of a structure, searched once for many radii."""

    def __init__(self, large: Surroundings, center: Floats) -> None:
        self.large = large
        self.center = center
        self._radius = 0.0
        self._found = np.zeros(0, np.int64), np.zeros((0, 3))

    def within(self, radius: float) -> tuple[Integers, Floats]:
        """Atoms and images no farther than `radius`, as `Surroundings.around`."""
        if radius > self._radius:
            self._radius = 1.2 * radius
            self._found = self.large.around(self.center, self._radius)
        index, vectors = self._found
        near = np.einsum("ij,ij->i", vectors, vectors) <= radius**2
        return index[near], vectors[near]


def heights(cell: Floats) -> Floats:
    """Distances between opposite faces of a cell, shape [3]."""
    distances: Floats = 1.0 / np.linalg.norm(np.linalg.inv(cell), axis=0)
    return distances


def _across_gap(fractions: Floats, width: float) -> Floats | None:
    """Cells to move each atom by, so that all lie on one side of the widest gap.

    None if no gap between layers of atoms is as wide.
    """
    wrapped = np.sort(fractions % 1.0)
    gaps = np.diff(wrapped, append=wrapped[0] + 1.0)
    widest = int(np.argmax(gaps))
    if gaps[widest] < width:
        return None
    last = wrapped[widest]  # the atoms up to here come after those beyond the gap
    wraps: Floats = -np.floor(fractions) + (fractions % 1.0 <= last)
    return wraps
