"""Formation energies and their lower convex hull, for any number of elements."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from ase.data import atomic_numbers
from scipy.spatial import ConvexHull

from mtpot.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ase import Atoms
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Counts = NDArray[np.int64]

ON_HULL = 1e-6
"""eV/atom: what is no higher is on the hull."""
_UPRIGHT = 1e-9
"""Of a unit normal: a facet whose normal has no larger component down is a wall."""


def count_elements(structures: Iterable[Atoms], elements: Sequence[str]) -> Counts:
    """Count the atoms of each element in each structure; shape [n, elements]."""
    numbers = np.array([atomic_numbers[each] for each in elements])
    rows = [(atoms.numbers[:, None] == numbers).sum(axis=0) for atoms in structures]
    return np.array(rows, dtype=np.int64).reshape(-1, len(elements))


def without_pure(counts: Counts, elements: Sequence[str]) -> list[str]:
    """Return the elements of which there is no structure without others."""
    pure = (counts == counts.sum(axis=1, keepdims=True)).any(axis=0)
    return [element for element, known in zip(elements, pure, strict=True) if not known]


def formation_energies(counts: Counts, energies: Floats, elements: Sequence[str]) -> Floats:
    """Return energies per atom above the pure elements, eV; 0 for the lowest of these.

    Parameters
    ----------
    counts
        Atoms of each element, shape [n, elements].
    energies
        Of the whole cells, eV; shape [n].
    elements
        Symbols, for the message.

    Raises
    ------
    InputError
        There is no structure of a pure element; names it.
    """
    atoms = counts.sum(axis=1)
    references = []
    for place, element in enumerate(elements):
        pure = counts[:, place] == atoms
        if not pure.any():
            raise InputError(
                f"there is no structure of pure {element}, to which formation energies refer: add "
                "one or more to the candidates, in the lattices that it may have"
            )
        references.append((energies[pure] / atoms[pure]).min())
    formation: Floats = (energies - counts @ np.array(references)) / atoms
    return formation


def energies_above_hull(counts: Counts, formation: Floats) -> Floats:
    """Return how far structures are above the hull of all of them, eV/atom, at least 0.

    A structure on the hull decomposes into no others. The hull at a composition is the highest of
    the planes of its lower facets, by convexity (Barber et al., ACM Trans. Math. Softw. 22 (1996)
    469, find them).

    Parameters
    ----------
    counts
        Atoms of each element, shape [n, elements]; with a structure of each pure element.
    formation
        As `formation_energies` returns them.
    """
    fractions = counts[:, 1:] / counts.sum(axis=1, keepdims=True)
    heights = np.full(len(formation), -np.inf)
    for slopes, height in _lower_facets(fractions, formation):
        np.maximum(heights, fractions @ slopes + height, out=heights)
    above: Floats = np.maximum(formation - heights, 0.0)
    return above


def _lower_facets(fractions: Floats, formation: Floats) -> Iterable[tuple[Floats, float]]:
    """Yield slopes and height at the origin of each; `fractions` are without the first element."""
    dimension = fractions.shape[1]
    if not dimension:
        return [(np.zeros(0), 0.0)]
    corners = np.vstack([np.zeros(dimension), np.eye(dimension)])
    # Corners at 0 and above make a body with a volume, whatever lies below them.
    points = [(corners, np.zeros(len(corners))), (corners, np.ones(len(corners)))]
    points.append((fractions[formation < 0.0], formation[formation < 0.0]))
    hull = ConvexHull(np.vstack([np.column_stack(each) for each in points]))
    lower = hull.equations[hull.equations[:, -2] < -_UPRIGHT]
    return [(each[:-2] / -each[-2], each[-1] / -each[-2]) for each in lower]
