"""Small cells that hold some neighborhoods: which vectors they may have."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from ase.geometry import minkowski_reduce

from mtpot.active.cut.lattice import find_lattice
from mtpot.active.cut.surroundings import INSIDE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from mtpot.active.cut.surroundings import Floats, Integers, Surroundings

_BLOCK = 128  # cells looked at together
_LENGTHS = 8  # tried along a direction
_STRETCH = 1.7  # of the least length, the most that is tried
_SPANNED = 0.02  # part of a vector outside the lattice's span, below which it is in it
_DEEP = 2.0  # cutoffs between a site and the surface, for a cell that does not see it
_IMAGES = np.array([n for n in product(range(-2, 3), repeat=3) if n > (0, 0, 0)])  # one of +-n
_NEAREST = np.array([n for n in product(range(-1, 2), repeat=3) if n > (0, 0, 0)])


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


def reduced_cell(edges: Sequence[Edge]) -> Floats:
    """Return the shortest vectors of the same lattice, open edges as they are; shape [3, 3]."""
    cell = np.array([edge.vector for edge in edges])
    reduced: Floats = minkowski_reduce(cell, [not edge.open for edge in edges])[0]
    return reduced


class Place(NamedTuple):
    """Sites to put into one cell: their middle in the structure, and vectors to each, [m, 3]."""

    middle: Floats
    points: Floats

    @classmethod
    def of(cls, sites: Floats) -> Place:
        """Of places in the structure, shape [m, 3]."""
        middle: Floats = 0.5 * (sites.min(axis=0) + sites.max(axis=0))
        return cls(middle, sites - middle)

    def spread(self, direction: Floats) -> float:
        """How far the sites are apart along a unit vector."""
        return float(np.ptp(self.points @ direction))


class Cells:
    """Cells that a structure offers near a site: periods, lattice vectors, else any."""

    def __init__(self, large: Surroundings, site: Floats) -> None:
        self._large = large
        self._directions = large.cell / np.linalg.norm(large.cell, axis=1)[:, None]
        self._surface = [not large.pbc[k] and self._sees_surface(site, k) for k in range(3)]
        self._lattice = find_lattice(large, site, self._directions[self._surface])

    def offered(self, place: Place) -> Iterator[tuple[Edge, ...]]:
        """Cells in which the neighborhoods do not overlap with their images.

        Those with the most edges along the lattice come first, among them the smallest. Of cells
        of one shape, which crystals offer many, only the first.
        """
        edges = [self._edges(place, k) for k in range(3)]
        numbers = np.indices([len(each) for each in edges]).reshape(3, -1).T
        vectors = np.stack([_column(edges, numbers, k, "vector") for k in range(3)], axis=1)
        exempt = _exempt(edges, numbers, _NEAREST)
        apart = np.linalg.norm(_NEAREST @ vectors, axis=2)
        possible = (apart > 2.0 * self._large.cutoff - INSIDE) | exempt
        volumes = np.abs(np.linalg.det(vectors))
        matched = [_column(edges, numbers, k, "matched") for k in range(3)]
        free = 3 - np.sum(matched, axis=0)
        chosen = np.flatnonzero(possible.all(axis=1) & (volumes > 1.0))
        chosen = chosen[np.lexsort([volumes[chosen], free[chosen]])]
        seen = set()
        for start in range(0, len(chosen), _BLOCK):
            block = chosen[start : start + _BLOCK]
            room = self._have_room(vectors[block], _exempt(edges, numbers[block], _IMAGES), place)
            for number in block[room]:
                shape = free[number], *np.round(np.sort(apart[number]), 3)
                if shape not in seen:
                    seen.add(shape)
                    yield tuple(edges[k][numbers[number, k]] for k in range(3))

    def _have_room(
        self, cells: Floats, exempt: NDArray[np.bool_], place: Place
    ) -> NDArray[np.bool_]:
        """Whether in n cells all images of two sites are two cutoffs apart, but exempt ones."""
        between = (place.points[:, None] - place.points[None]).reshape(-1, 3)
        apart = np.linalg.norm((_IMAGES @ cells)[:, :, None] + between, axis=3).min(axis=2)
        room: NDArray[np.bool_] = ((apart > 2.0 * self._large.cutoff - INSIDE) | exempt).all(axis=1)
        return room

    def _edges(self, place: Place, k: int) -> list[Edge]:
        """Vectors for one direction."""
        large, least = self._large, 2.0 * self._large.cutoff
        direction = self._directions[k]
        if self._surface[k]:
            whole = 2.0 * self._farthest(place.middle, k) + 1e-3
            lengths = sorted({min(least + place.spread(direction), whole), whole})
            return [Edge(n * direction, open=True, matched=n == whole) for n in lengths]
        edges = []
        if large.pbc[k]:
            short = large.heights[k] < least
            matched = short or self._snapped(large.cell[k]).matched
            edges = [Edge(large.cell[k], exact=True, matched=matched)]
            if short:
                return edges
        for direction in self._tried_directions(k):
            longest = _STRETCH * (least + place.spread(direction))
            for length in np.geomspace(least, longest, _LENGTHS):
                edges.append(self._snapped(length * direction))
        return _distinct(edges)

    def _tried_directions(self, k: int) -> list[Floats]:
        """List unit vectors: of the structure's cell, a box, the lattice, and a close packing."""
        box = np.linalg.qr(self._directions.T)[0].T
        directions = [self._directions[k], box[k]]
        if len(self._lattice) == 3:
            directions.append(self._lattice[k] / np.linalg.norm(self._lattice[k]))
        if not any(self._surface):
            directions.append((box[k] + box[(k + 1) % 3]) / np.sqrt(2.0))
        return directions

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


def _column(edges: Sequence[Sequence[Edge]], numbers: Integers, k: int, name: str) -> NDArray[Any]:
    """One attribute of the edges of many cells in direction k."""
    values: NDArray[Any] = np.array([getattr(edge, name) for edge in edges[k]])[numbers[:, k]]
    return values


def _exempt(
    edges: Sequence[Sequence[Edge]], numbers: Integers, images: Integers
) -> NDArray[np.bool_]:
    """Images across vacuum, and along exact periods alone: of m images in n cells, [n, m]."""
    exact, vacuum = (
        np.stack([_column(edges, numbers, k, name) for k in range(3)], axis=1)[:, None]
        for name in ("exact", "open")
    )
    shifted = images[None] != 0
    exempt: NDArray[np.bool_] = (shifted & vacuum).any(axis=2) | (~shifted | exact).all(axis=2)
    return exempt


def _distinct(edges: list[Edge]) -> list[Edge]:
    kept: dict[tuple[float, ...], Edge] = {}
    for edge in edges:
        kept.setdefault(tuple(np.round(edge.vector, 6) + 0.0), edge)
    return list(kept.values())
