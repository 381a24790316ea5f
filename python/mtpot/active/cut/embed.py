"""The atoms of a small cell: the neighborhoods as they are, and padding that fits to itself."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms
from scipy.spatial import cKDTree

from mtpot.active.cut.cells import reduced_cell
from mtpot.active.cut.surroundings import INSIDE, heights
from mtpot.neighbors import complete_cell, pair_distances

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from mtpot.active.cut.cells import Edge
    from mtpot.active.cut.surroundings import Floats, Integers, View

VACUUM = 10.0
"""Angstrom, or the cutoff if that is more: between surfaces, as programs for electrons need it."""

_ALIKE = 0.3  # of the least distance: as near, atoms are two images of one, moved by heat
_ROUNDING = 1e-6  # angstrom
_RIM = 0.05  # weight of atoms half a least distance outside of a face
_INSIDE = 0.95  # weight of atoms as far inside
_OVERFLOW = 500.0  # exponent of a weight that is nothing


@dataclass(frozen=True)
class Embedded:
    """A small periodic cell with some neighborhoods.

    Attributes
    ----------
    index
        Atom of the large structure that each is, shape [n]: first the sites, then the other atoms
        of their neighborhoods, then padding.
    positions, cell
        Angstrom.
    core
        How many atoms belong to the neighborhoods.
    misfit
        Atoms that had to go, though they were no second image of one that stayed, and atoms too
        many or too few of each species, against the density around.
    """

    index: Integers
    positions: Floats
    cell: Floats
    core: int
    misfit: float

    def atoms(self, symbols: Sequence[str]) -> Atoms:
        """Return them with elements; `symbols` are those of the large structure."""
        chosen = [symbols[i] for i in self.index]
        return Atoms(chosen, positions=self.positions, cell=self.cell, pbc=True)


def with_vacuum(atoms: Atoms, cutoff: float) -> Atoms:
    """Return a copy that is periodic in all directions, without labels, its atoms where they were.

    Directions without periodicity get vacuum.
    """
    cell, pbc = complete_cell(atoms.cell.array, atoms.pbc), np.array(atoms.pbc)
    for k in np.flatnonzero(~pbc):
        cell[k] *= np.ptp(atoms.positions @ cell[k]) + max(cutoff, VACUUM)  # a unit vector before
    symbols = atoms.get_chemical_symbols()
    return Atoms(symbols, positions=atoms.positions, cell=cell, pbc=True)


@dataclass(frozen=True)
class _Window:
    """Atoms of a cell and of a rim around it, the ones to keep first."""

    index: Integers
    vectors: Floats
    weights: Floats  # 1 inside, 0.5 at a face, 0 far outside
    sites: int
    core: NDArray[np.bool_]
    due: Floats  # atoms of each type, by the weights


def embed(
    view: View, points: Floats, edges: Sequence[Edge], min_distance: float
) -> Embedded | None:
    """Fill a cell with the atoms around some sites.

    These are the atoms nearer to the sites than to any image of them, and those up to half a
    distance farther. Of two that are then too close, the one farther outside goes, but never one
    of a neighborhood: the two images of one atom of a hot crystal become one again, and other
    faces close without a gap.

    Parameters
    ----------
    view, points
        The structure around the middle of the sites, and vectors from there to each, [m, 3].
    edges
        The cell, in which the neighborhoods do not overlap with their images.
    min_distance
        Angstrom: no two atoms are closer.

    Returns
    -------
    None if atoms of the neighborhoods would come too close to each other.
    """
    large = view.large
    window = _look(view, points, edges, min_distance)
    cell, positions = _closed(window.vectors, edges, large.cutoff)
    pairs, distances = pair_distances(Atoms(positions=positions, cell=cell, pbc=True), large.cutoff)
    kept = _without_rivals(window, pairs, distances, min_distance)
    if kept is None:
        return None
    lost = _lost(pairs, distances, kept, min_distance)
    types = large.types[window.index]
    _drop_surplus(window, types, kept)
    excess = np.bincount(types[kept], minlength=len(window.due)) - window.due
    misfit = lost + float(np.abs(excess).sum())
    core = int(np.count_nonzero(window.core & kept))
    return Embedded(window.index[kept], positions[kept], cell, core, misfit)


def _look(view: View, points: Floats, edges: Sequence[Edge], min_distance: float) -> _Window:
    """Take the atoms that are nearer to the sites than to any image of them, and a rim."""
    large, reduced = view.large, reduced_cell(edges)
    farthest = float(np.linalg.norm(points, axis=1).max())
    radius = 0.5 * float(np.linalg.norm(reduced)) + farthest + min_distance
    index, vectors = view.within(radius)
    weights = _weights(vectors, points, edges, 2.0 * large.cutoff * min_distance / 3.0)
    distances, nearest = cKDTree(_images(points, edges, large.cutoff)).query(vectors)
    core = (distances < large.cutoff + INSIDE) & (weights > 0.0)
    is_site = core & (distances < _ROUNDING)
    order = np.lexsort([-weights, nearest % len(points) * is_site, ~core, ~is_site])
    order = order[(weights > _RIM)[order] | core[order]]
    sites = int(np.count_nonzero(is_site))
    due = np.bincount(large.types[index], weights).astype(np.float64)
    return _Window(index[order], vectors[order], weights[order], sites, core[order], due)


def _weights(vectors: Floats, points: Floats, edges: Sequence[Edge], softness: float) -> Floats:
    """Share of an atom among its images: exp(-d^2 / softness) by the distance d to the sites.

    The weights of all images add up to 1. Zero beyond the window of an open edge.
    """
    cell = np.array([edge.vector for edge in edges])
    closed = np.array([not edge.open for edge in edges])
    # Of reduced vectors, no farther multiples bound the region that is nearest to a point.
    shifts = np.array(list(product(*(range(-c, c + 1) for c in closed.astype(int)))))
    images = vectors[:, None] + shifts @ reduced_cell(edges)
    squares = cKDTree(points).query(images)[0] ** 2
    here = cKDTree(points).query(vectors)[0] ** 2
    outside = (np.abs(vectors @ np.linalg.inv(cell))[:, ~closed] > 0.5).any(axis=1)
    exponents = np.minimum((here[:, None] - squares) / softness, _OVERFLOW)
    weights: Floats = np.where(outside, 0.0, 1.0 / np.exp(exponents).sum(axis=1))
    return weights


def _images(points: Floats, edges: Sequence[Edge], cutoff: float) -> Floats:
    """Points and their images along exact periods as far as the cutoff; [images x points, 3]."""
    cell = np.array([edge.vector for edge in edges])
    reach = [
        int(np.ceil(cutoff / height)) + 1 if edge.exact else 0
        for edge, height in zip(edges, heights(cell), strict=True)
    ]
    shifts = np.array(list(product(*(range(-n, n + 1) for n in reach)))) @ cell
    images: Floats = (shifts[:, None] + points[None]).reshape(-1, 3)
    return images


def _closed(vectors: Floats, edges: Sequence[Edge], cutoff: float) -> tuple[Floats, Floats]:
    """Cell and positions of a window's atoms: vacuum along open edges, all moved to the middle."""
    cell = np.array([edge.vector for edge in edges])
    middle = np.zeros(3)
    for k in (k for k, edge in enumerate(edges) if edge.open):
        normal = cell[k] / np.linalg.norm(cell[k])
        along = vectors @ normal
        cell[k] = (np.ptp(along) + max(cutoff, VACUUM)) * normal
        middle += 0.5 * (along.min() + along.max()) * normal
    cell = reduced_cell([edge._replace(vector=v) for edge, v in zip(edges, cell, strict=True)])
    return cell, vectors - middle + 0.5 * cell.sum(axis=0)


def _without_rivals(
    window: _Window, pairs: Integers, distances: Floats, min_distance: float
) -> NDArray[np.bool_] | None:
    """Which atoms stay, so that none are too close and no padding is inside a neighborhood."""
    kept = np.ones(len(window.index), dtype=np.bool_)
    pairs = np.sort(pairs, axis=1)
    near_site = (pairs[:, 0] < window.sites) & ~window.core[pairs[:, 1]]
    rivals = (distances < min_distance) | near_site
    for number in np.flatnonzero(rivals)[np.lexsort(pairs[rivals].T)]:
        first, second = pairs[number]
        if not kept[first]:
            continue
        if first == second or (window.core[second] and distances[number] > _ROUNDING):
            return None
        kept[second] = False
    return kept


def _drop_surplus(window: _Window, types: NDArray[np.int32], kept: NDArray[np.bool_]) -> None:
    """Do without atoms of the rim, if there are more than are due, of species in excess first."""
    rim = np.flatnonzero(kept & ~window.core & (window.weights < _INSIDE))
    for _ in range(int(np.rint(np.count_nonzero(kept) - window.due.sum()))):
        excess = np.bincount(types[kept], minlength=len(window.due)) - window.due
        left = rim[kept[rim]]
        if not len(left):
            return
        kept[left[np.lexsort([-left, -np.rint(excess[types[left]])])[0]]] = False


def _lost(pairs: Integers, distances: Floats, kept: NDArray[np.bool_], min_distance: float) -> int:
    """Count the atoms that went, but for second images of ones that stayed."""
    first, second = np.sort(pairs, axis=1).T
    imaged = np.zeros(len(kept), dtype=np.bool_)
    imaged[second[(distances < _ALIKE * min_distance) & kept[first]]] = True
    return int(np.count_nonzero(~kept & ~imaged))
