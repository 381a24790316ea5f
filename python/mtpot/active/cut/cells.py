"""Small cells that hold some neighborhoods: which vectors they may have."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mtpot.active.cut.lattice import find_lattice
from mtpot.active.cut.surroundings import heights

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mtpot.active.cut.surroundings import Floats, Surroundings

_STRETCHES = np.geomspace(1.0, 1.8, 10)  # of the least lengths
_SPANNED = 0.02  # part of a vector outside the lattice's span, below which it is in it
_DEEP = 2.0  # least half heights between a site and the surface, for a cell that does not see it


class Edge(NamedTuple):
    """A cell vector, and what is at the faces that it connects.

    Attributes
    ----------
    vector
        Angstrom; of an open edge the window's, before the cell gets its vacuum.
    exact
        A period of the large structure: a shift by it changes nothing.
    matched
        Along the lattice: atoms at one face continue the structure at the other.
    open
        There is a surface and vacuum.
    """

    vector: Floats
    exact: bool = False
    matched: bool = False
    open: bool = False


def volume(edges: Sequence[Edge]) -> float:
    """Volume of a cell before it gets vacuum, angstrom^3."""
    return abs(float(np.linalg.det([edge.vector for edge in edges])))


class Place(NamedTuple):
    """Sites to put into one cell: their middle in the structure, and vectors to each, [m, 3]."""

    middle: Floats
    points: Floats

    @classmethod
    def of(cls, sites: Floats) -> Place:
        """Of places in the structure, shape [m, 3]."""
        middle: Floats = 0.5 * (sites.min(axis=0) + sites.max(axis=0))
        return cls(middle, sites - middle)

    def least_heights(self, normals: Floats, cutoff: float) -> Floats:
        """Distance between faces with these normals, that holds all the spheres; shape [3]."""
        spread: Floats = np.abs(self.points @ normals.T).max(axis=0)
        return 2.0 * (cutoff + spread)


class Cells:
    """Cells that a structure offers near a site: periods, lattice vectors, else boxes."""

    def __init__(self, large: Surroundings, site: Floats) -> None:
        self._large = large
        self._directions = large.cell / np.linalg.norm(large.cell, axis=1)[:, None]
        self._surface = [not large.pbc[k] and self._sees_surface(site, k) for k in range(3)]
        self._lattice = find_lattice(large, site, self._directions[self._surface])

    def offered(self, place: Place) -> Iterator[tuple[Edge, ...]]:
        """Cells with room for the neighborhoods: matched ones, the smallest first, then others."""
        cells = list(product(*(self._edges(place, k) for k in range(3))))
        vectors = np.array([[edge.vector for edge in cell] for cell in cells])
        volumes = np.abs(np.linalg.det(vectors))
        free = np.array([sum(not edge.matched for edge in cell) for cell in cells])
        for number in np.lexsort([volumes, free]):
            if volumes[number] > 1.0 and self._holds(cells[number], place):
                yield cells[number]

    def _holds(self, cell: Sequence[Edge], place: Place) -> bool:
        vectors = np.array([edge.vector for edge in cell])
        inverse = np.linalg.inv(vectors)
        normals = (inverse / np.linalg.norm(inverse, axis=0)).T
        enough = heights(vectors) >= place.least_heights(normals, self._large.cutoff) - 1e-6
        return all(e.exact or e.open or ok for e, ok in zip(cell, enough, strict=True))

    def _edges(self, place: Place, k: int) -> list[Edge]:
        """Vectors for one direction."""
        large = self._large
        normal = np.linalg.inv(large.cell)[:, k] * large.heights[k]
        least = float(place.least_heights(normal[None], large.cutoff)[0])
        if self._surface[k]:
            whole = 2.0 * self._farthest(place.middle, k) + 1e-3
            return [
                Edge(length * normal, open=True, matched=length == whole)
                for length in sorted({min(least, whole), whole})
            ]
        edges = []
        if large.pbc[k]:
            short = large.heights[k] <= least
            matched = short or self._snapped(large.cell[k]).matched
            edges = [Edge(large.cell[k], exact=True, matched=matched)]
            if short:
                return edges
        aslant = self._directions[k] / (self._directions[k] @ normal)
        directions = [aslant, normal]
        if len(self._lattice) == 3:
            directions.append(self._lattice[k] / heights(self._lattice)[k])
        for direction in directions:
            edges += [self._snapped(stretch * least * direction) for stretch in _STRETCHES]
        return _distinct(edges)

    def _snapped(self, vector: Floats) -> Edge:
        """Round to the nearest lattice vector, where the lattice spans it."""
        inverse = np.linalg.pinv(self._lattice)
        outside = vector - vector @ inverse @ self._lattice
        if np.linalg.norm(outside) > _SPANNED * np.linalg.norm(vector):
            return Edge(vector)
        return Edge(np.rint(vector @ inverse) @ self._lattice, matched=True)

    def _sees_surface(self, site: Floats, k: int) -> bool:
        first, last = self._depths(site, k)
        return min(first, last) < _DEEP * self._large.cutoff

    def _farthest(self, point: Floats, k: int) -> float:
        return max(self._depths(point, k))

    def _depths(self, point: Floats, k: int) -> tuple[float, float]:
        """Thickness of the structure on both sides of a point along a direction, angstrom."""
        along = float((point @ np.linalg.inv(self._large.cell))[k])
        low, high = self._large.open_ranges[:, k]
        height = float(self._large.heights[k])
        return (along - low) * height, (high - along) * height


def _distinct(edges: list[Edge]) -> list[Edge]:
    kept: dict[tuple[float, ...], Edge] = {}
    for edge in edges:
        kept.setdefault(tuple(np.round(edge.vector, 6) + 0.0), edge)
    return list(kept.values())
