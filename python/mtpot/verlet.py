"""Neighbor lists that last while atoms move: L. Verlet, Phys. Rev. 159 (1967) 98."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mtpot.neighbors import image_lists

if TYPE_CHECKING:
    from mtpot import _core

Floats = NDArray[np.float64]
Integers = NDArray[np.int32]


class Frame(NamedTuple):
    """Positions [n, 3] in a cell (rows) with its periodic directions; angstrom."""

    positions: Floats
    cell: Floats
    pbc: NDArray[np.bool_]


class VerletList:
    """Atoms and the images of their neighbors, placed anew for each frame and seldom searched for.

    Lists reach `cutoff + skin`, and serve while no pair outside them can have come within the
    cutoff. A frame unlike the one before it (the first one, or one of many different structures)
    gets lists without a skin, as these cost less. What is computed from the lists does not depend
    on their history, not in the last bit.

    Attributes
    ----------
    lists
        The neighbors of each atom, images included.
    positions, types
        Of atoms, then images: shapes [n + images, 3] and [n + images].
    """

    def __init__(self, cutoff: float, skin: float) -> None:
        self._cutoff = cutoff
        self._skin = skin
        self._built: Frame | None = None  # the frame that was searched, None if there is none
        self._reach = 0.0  # of the lists
        self._last: Frame | None = None  # a view of `positions`
        self.lists: _core.ImageLists
        self.positions: Floats
        self.types: Integers

    def update(self, types: Integers, frame: Frame) -> None:
        """Take over a frame with the types of its atoms.

        Raises
        ------
        InputError, NumericalError
            As `mtpot.neighbors.neighborhoods`.
        """
        if not self._within(self._built, frame, self._reach):
            similar = self._within(self._last, frame, self._cutoff + self._skin)
            self._built = None
            self._search(frame, self._cutoff + (self._skin if similar else 0.0))
        self._place(types, frame)

    def _within(self, old: Frame | None, new: Frame, reach: float) -> bool:
        return old is not None and closest_stranger(old, new, reach) >= self._cutoff

    def _search(self, frame: Frame, reach: float) -> None:
        self.lists = image_lists(*frame, reach)
        self._owners, self._shifts = self.lists.owners, self.lists.shifts
        count = len(frame.positions) + len(self._owners)
        self.positions, self.types = np.empty((count, 3)), np.empty(count, np.int32)
        self._built = Frame(frame.positions.copy(), frame.cell.copy(), frame.pbc.copy())
        self._reach = reach
        self._last = None

    def _place(self, types: Integers, frame: Frame) -> None:
        atoms = len(frame.positions)
        if self._last is None or (self._last.cell != frame.cell).any():
            # Not a matrix product, whose last bits would depend on the number of images.
            self._offsets = sum(self._shifts[:, k : k + 1] * frame.cell[k] for k in range(3))
            self._last = Frame(self.positions[:atoms], frame.cell.copy(), frame.pbc.copy())
        self.positions[:atoms] = frame.positions
        self.types[:atoms] = types
        images = self.positions[atoms:]
        np.take(frame.positions, self._owners, axis=0, out=images, mode="clip")
        images += self._offsets
        np.take(types, self._owners, out=self.types[atoms:], mode="clip")


def closest_stranger(old: Frame, new: Frame, reach: float) -> float:
    """Return how close two atoms may be in `new` that were farther apart than `reach` in `old`.

    With F the affine map between the cells and u = r_new - r_old F what it does not explain, the
    vector of a pair is d_new = d_old F + u_j - u_i, so |d_new| >= s |d_old| - 2 max |u| with the
    smallest singular value s of F. Minus infinity if the frames cannot be compared; not a number
    if `new` is not finite.
    """
    if len(old.positions) != len(new.positions) or (old.pbc != new.pbc).any():
        return -np.inf
    smallest, moved = 1.0, old.positions
    if (old.cell != new.cell).any():
        if not np.isfinite(new.cell).all():
            return np.nan
        affine = affine_map(old, new)
        smallest, moved = np.linalg.svd(affine, compute_uv=False).min(), old.positions @ affine
    u = new.positions - moved
    return float(smallest * reach - 2.0 * np.sqrt(np.einsum("ij,ij->i", u, u).max(initial=0.0)))


def affine_map(old: Frame, new: Frame) -> Floats:
    """Return the F nearest to one with H_old F = H_new, H being the periodic cell vectors."""
    before, after = old.cell[old.pbc], new.cell[old.pbc]
    change: Floats = np.linalg.pinv(before) @ (after - before)
    return np.eye(3) + change
