"""The box as LAMMPS takes it, made of an ASE cell, and the way back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ase import Atoms

Floats = NDArray[np.float64]
Integers = NDArray[np.int32]

MARGIN = 1.0
"""Angstrom from the outermost atoms to the end of the box where it is not periodic."""

ROUNDING = 1e-12
"""Relative to a cell's vectors: tilts of less are none."""


class Box:
    """The cell as LAMMPS takes it, and the way back.

    With vectors as rows, LAMMPS' are `vectors` = `integers` @ cell @ `rotation`: lower triangular
    and little tilted. A vector without periodicity is replaced by one at right angles to all
    others, long enough for the atoms.
    """

    def __init__(self, atoms: Atoms) -> None:
        self.pbc = atoms.pbc.copy()
        self._cell = atoms.cell.array.copy()
        orthogonal, triangular = np.linalg.qr(_completed(self._cell, self.pbc).T)
        signs = np.where(triangular.diagonal() < 0, -1.0, 1.0)
        self._rotation = orthogonal * signs
        self._integers = np.eye(3)
        self.vectors = _without_rounding(triangular.T * signs)
        self._reduce()
        self._positions = self.turned(atoms.positions)
        self._enclose()
        fractions = (self._positions - self._low) @ np.linalg.inv(self.vectors)
        self.inside = self._positions - (np.floor(fractions) * self.pbc) @ self.vectors
        self._images = np.zeros_like(self.inside)

    def settle(self, inside: Floats, images: Integers) -> None:
        """Learn where LAMMPS put the atoms: those on a boundary it may move, and not say so."""
        moved = (self._positions - inside) @ np.linalg.inv(self.vectors)
        self._images = np.rint(moved) * self.pbc - images

    def _reduce(self) -> None:
        """Tilt by less than half a box, without other directions for the vectors of the box."""
        for row, column in ((1, 0), (2, 1), (2, 0)):
            tilt = self.vectors[row, column] / self.vectors[column, column]
            if abs(tilt) > 0.5 + ROUNDING:
                self.vectors[row] -= round(tilt) * self.vectors[column]
                self._integers[row] -= round(tilt) * self._integers[column]

    def _enclose(self) -> None:
        """Let the box reach around the atoms where it is not periodic."""
        self._low = np.where(self.pbc, 0.0, self._positions.min(axis=0) - MARGIN)
        high = self._positions.max(axis=0) + MARGIN
        for k in np.flatnonzero(~self.pbc):
            self.vectors[k, k] = high[k] - self._low[k]

    @property
    def region(self) -> str:
        """The box as a region of LAMMPS."""
        high = self._low + self.vectors.diagonal()
        bounds = [each for pair in zip(self._low, high, strict=True) for each in pair]
        tilts = [self.vectors[1, 0], self.vectors[2, 0], self.vectors[2, 1]]
        numbers = [*bounds, *tilts] if any(tilts) else bounds
        return f"{'prism' if any(tilts) else 'block'} {' '.join(f'{n:.17g}' for n in numbers)}"

    def turned(self, vectors: Floats) -> Floats:
        """Turn vectors of ASE's frame, shape [n, 3], into LAMMPS'."""
        turned: Floats = vectors @ self._rotation
        return turned

    def turned_back(self, vectors: Floats) -> Floats:
        """Turn vectors of LAMMPS' frame, shape [n, 3], into ASE's."""
        turned: Floats = vectors @ self._rotation.T
        return turned

    def tensor_back(self, tensor: Sequence[Sequence[float]]) -> Floats:
        """Turn a tensor of LAMMPS' frame, shape [3, 3], into ASE's."""
        turned: Floats = self._rotation @ tensor @ self._rotation.T
        return turned

    def positions_of(
        self, inside: Floats, images: Integers, low: Floats, vectors: Floats
    ) -> Floats:
        """Positions in ASE's frame, unwrapped, of those in a box that may have changed."""
        origin = low * self.pbc  # a box that changes does so around its middle
        return self.turned_back(inside - origin + (images + self._images) @ vectors)

    def cell_of(self, vectors: Floats) -> Floats:
        """Cell in ASE's frame for a box that may have changed."""
        restored = np.rint(np.linalg.inv(self._integers)) @ self.turned_back(vectors)
        cell: Floats = np.where(self.pbc[:, None], restored, self._cell)
        return cell


def _completed(cell: Floats, pbc: NDArray[np.bool_]) -> Floats:
    """Replace vectors without periodicity by unit vectors at right angles to all others.

    Where the periodic vectors lie along axes, these lie along the other axes.
    """
    if pbc.all() or not pbc.any():
        return cell if pbc.all() else np.eye(3)
    vectors = cell.copy()
    missing = int(pbc.argmin())
    if pbc.sum() == 1:
        first = int(pbc.argmax())
        second, missing = (first + 1) % 3, (first + 2) % 3
        vectors[second] = _across(cell[first], (second, missing))
    normal = np.cross(vectors[(missing + 1) % 3], vectors[(missing + 2) % 3])
    vectors[missing] = normal / np.linalg.norm(normal)
    return vectors


def _across(vector: Floats, axes: tuple[int, int]) -> Floats:
    """Return a unit vector at right angles to a vector, near the first axis not along it."""
    along = vector / np.linalg.norm(vector)
    axis = next(each for each in axes if abs(along[each]) < 0.9)
    across: Floats = np.eye(3)[axis] - along[axis] * along
    return across / np.linalg.norm(across)


def _without_rounding(vectors: Floats) -> Floats:
    """Make an orthogonal cell exactly so; LAMMPS has no tilt along walls."""
    lower = np.tril(vectors)
    lower[abs(lower) < ROUNDING * abs(lower).max()] = 0.0
    return lower
