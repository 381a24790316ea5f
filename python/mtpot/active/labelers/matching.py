"""Whether the output of a program is that of a structure, and which of its atoms is which."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from ase.geometry import get_distances

if TYPE_CHECKING:
    from ase import Atoms
    from numpy.typing import NDArray

_MOVED = 1e-3
"""Angstrom; an output whose atoms lie elsewhere is of another structure."""
_STRETCHED = 1e-2
"""Angstrom; programs print cells with fewer digits."""


def order_in(found: Atoms, atoms: Atoms, may_turn: bool = False) -> NDArray[np.intp] | None:
    """Return for each atom its index in an output; None if that is of another structure.

    Programs sort atoms by element and wrap them into the cell. One that may turn a molecule must
    give its forces along the axes of its input.
    """
    if sorted(found.numbers) != sorted(atoms.numbers):
        return None
    if found.pbc.any() and np.abs(found.cell - atoms.cell)[atoms.pbc].max(initial=0.0) > _STRETCHED:
        return None
    _, distances = get_distances(atoms.positions, found.positions, cell=atoms.cell, pbc=atoms.pbc)
    order = distances.argmin(axis=1)
    places = np.arange(len(atoms))
    near = bool(distances[places, order].max() < _MOVED)
    if near and len(set(order)) == len(atoms) and (found.numbers[order] == atoms.numbers).all():
        return np.asarray(order)
    return places if may_turn and _is_turned(found, atoms) else None


def _is_turned(found: Atoms, atoms: Atoms) -> bool:
    """Whether it is the same molecule in another orientation, atom by atom."""
    if atoms.pbc.any() or (found.numbers != atoms.numbers).any():
        return False
    difference = found.get_all_distances() - atoms.get_all_distances()
    return bool(np.abs(difference).max() < _MOVED)
