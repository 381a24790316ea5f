"""From positions and a cell to the engine's neighborhoods, by the vesin library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from vesin import NeighborList

from mtpot import _core
from mtpot.errors import InputError, NumericalError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from mtpot.potential import MTP


LARGEST_EXTENT = 2000.0
"""Cutoffs between the outermost atoms along a direction without periodicity."""

FARTHEST = 1e9
"""Angstrom from the origin; beyond, positions in a cell lose their digits."""

_NEAR = 0.1
"""Angstrom: far above the distance of coinciding atoms, far below any other."""


class Structure(Protocol):
    """Atoms in a cell, as `mtpot.data.Frame` has them."""

    @property
    def symbols(self) -> tuple[str, ...]:
        """Element symbol of each atom."""

    @property
    def positions(self) -> NDArray[np.float64]:
        """Angstrom, shape [n, 3]."""

    @property
    def cell(self) -> NDArray[np.float64]:
        """Cell vectors as rows, angstrom."""

    @property
    def pbc(self) -> NDArray[np.bool_]:
        """Periodic along each cell vector."""


def species_types(species: Sequence[str], symbols: Sequence[str]) -> NDArray[np.int32]:
    """Type (position in `species`) of each atom, shape [n].

    Raises
    ------
    InputError
        If an element is not among the species; the message names it.
    """
    elements, inverse = np.unique(np.asarray(symbols, dtype=str), return_inverse=True)
    missing = sorted(set(elements) - set(species))
    if missing:
        raise InputError(
            f"the potential has no {', '.join(missing)}: its species are {', '.join(species)}"
        )
    table = np.array([list(species).index(element) for element in elements], dtype=np.int32)
    return table[inverse] if len(elements) else np.zeros(0, np.int32)


def neighborhoods(
    potential: MTP, symbols: Sequence[str], positions: ArrayLike, cell: ArrayLike, pbc: ArrayLike
) -> _core.Neighborhoods:
    """All atoms of a structure as centers, with their neighbors inside the cutoff.

    Parameters
    ----------
    potential
        Gives the species and the cutoff.
    symbols
        Element of each of the n atoms.
    positions, cell
        Angstrom, shapes [n, 3] and [3, 3]; any cell, smaller than the cutoff and skewed too.
    pbc
        Periodic along each cell vector, shape [3].

    Raises
    ------
    InputError
        For an element that the potential lacks, numbers that are not finite, or a periodic
        direction without extent.
    NumericalError
        If two atoms are less than 1e-6 angstrom apart, or the structure has flown apart.
    """
    types = species_types(potential.species, symbols)
    return from_types(types, positions, cell, pbc, potential.cutoff)


def from_types(
    types: NDArray[np.int32], positions: ArrayLike, cell: ArrayLike, pbc: ArrayLike, cutoff: float
) -> _core.Neighborhoods:
    """Like `neighborhoods`, for types that are known already."""
    search = _Search(positions, cell, pbc)
    if len(search.positions) == 0:
        none = np.zeros(0, np.int64)
        return _core.Neighborhoods(types, none, none, np.zeros((0, 3)))
    finder = NeighborList(cutoff=cutoff, full_list=True)  # owns the arrays that it returns
    unsigned, vectors = search.run(finder, "PD")
    pairs = unsigned.view(np.int64)
    _refuse_coincidence(pairs, vectors)
    return _core.Neighborhoods(types, pairs[:, 0], pairs[:, 1], vectors)


def image_lists(
    positions: ArrayLike, cell: ArrayLike, pbc: ArrayLike, reach: float
) -> _core.ImageLists:
    """Full lists of all neighbors nearer than `reach`; raises as `neighborhoods`."""
    search = _Search(positions, cell, pbc)
    count = len(search.positions)
    if count == 0:
        return _core.ImageLists(0, np.zeros((0, 2), np.int64), np.zeros((0, 3), np.int32))
    finder = NeighborList(cutoff=reach, full_list=False)  # owns the arrays that it returns
    pairs, shifts = search.run(finder, "PS")
    return _core.ImageLists(count, pairs.view(np.int64), shifts)


def refuse_coincidence(positions: ArrayLike, cell: ArrayLike, pbc: ArrayLike) -> None:
    """Raise a NumericalError that names two atoms at one place, if there are any."""
    search = _Search(positions, cell, pbc)
    finder = NeighborList(cutoff=_NEAR, full_list=False)
    unsigned, vectors = search.run(finder, "PD")
    _refuse_coincidence(unsigned.view(np.int64), vectors)


class _Search:
    """A structure in the form that vesin takes, checked for what vesin does not survive."""

    def __init__(self, positions: ArrayLike, cell: ArrayLike, pbc: ArrayLike) -> None:
        self.positions = np.ascontiguousarray(positions, dtype=np.float64)
        self.pbc = np.broadcast_to(np.asarray(pbc, dtype=bool), (3,))
        finite = np.isfinite(self.positions).all(axis=1)
        if not finite.all():
            atom = int(np.argmin(finite))
            raise InputError(f"the position of atom {atom} is not finite: {self.positions[atom]}")
        self.cell = complete_cell(np.asarray(cell, dtype=np.float64), self.pbc)

    def run(self, finder: NeighborList, quantities: str) -> tuple[Any, ...]:
        self._refuse_explosion(finder.cutoff)
        found: tuple[Any, ...] = finder.compute(
            self.positions, self.cell, self.pbc, quantities, copy=False
        )
        return found

    def _refuse_explosion(self, cutoff: float) -> None:
        """Refuse what takes the search forever: the vectors without period have unit length."""
        along = self.positions @ self.cell[~self.pbc].T
        extent = np.ptp(along, axis=0).max(initial=0.0) if len(along) else 0.0
        farthest = np.abs(self.positions).max(initial=0.0)
        if extent > LARGEST_EXTENT * cutoff or farthest > FARTHEST:
            raise NumericalError(
                f"the structure has flown apart: atoms lie {max(extent, farthest):.3g} angstrom "
                "away"
            )


def complete_cell(cell: NDArray[np.float64], pbc: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Replace the cell vectors of directions without periodicity so that the cell spans space.

    A vector that no image uses may point anywhere; orthogonal to the periodic ones it can never
    make the cell singular.
    """
    if cell.shape != (3, 3) or not np.isfinite(cell).all():
        raise InputError(f"the cell must be 3 x 3 finite numbers, not {cell.tolist()}")
    periodic = cell[pbc]
    if len(periodic):
        _, extents, axes = np.linalg.svd(periodic)
        lengths = np.linalg.norm(periodic, axis=1)
        if extents.min() <= 1e-10 * max(1.0, lengths.max()):
            raise InputError("the periodic cell vectors span no volume")
    else:
        axes = np.eye(3)
    completed = cell.copy()
    completed[~pbc] = axes[len(periodic) :]
    return completed


def _refuse_coincidence(pairs: NDArray[np.int64], vectors: NDArray[np.float64]) -> None:
    squared = np.einsum("ij,ij->i", vectors, vectors)
    if len(squared) and squared.min() < 1e-12:
        first, second = pairs[int(np.argmin(squared))]
        raise NumericalError(f"atoms {first} and {second} are less than 1e-6 angstrom apart")


def pair_distances(
    structure: Structure, cutoff: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Pairs of atoms nearer than the cutoff, each once: indexes [m, 2] and distances [m].

    Raises
    ------
    InputError, NumericalError
        The structure is not sound, as in `neighborhoods`.
    """
    finder = NeighborList(cutoff=cutoff, full_list=False)  # owns the arrays that it returns
    search = _Search(structure.positions, structure.cell, structure.pbc)
    if len(search.positions) == 0:
        return np.zeros((0, 2), np.int64), np.zeros(0)
    pairs, distances = search.run(finder, "Pd")
    return pairs.astype(np.int64), distances.copy()


def shortest_distance(frames: Iterable[Structure], cutoff: float) -> float:
    """Shortest distance between two atoms in any of the structures, in angstrom.

    Raises
    ------
    InputError
        If no two atoms are closer than the cutoff.
    """
    shortest = np.inf
    for frame in frames:
        _, distances = pair_distances(frame, cutoff)
        shortest = min(shortest, float(distances.min(initial=np.inf)))
    if not np.isfinite(shortest):
        raise InputError(f"no two atoms are closer than the cutoff of {cutoff} angstrom")
    return shortest


def shortest_distances(
    frames: Iterable[Structure], species: Sequence[str], cutoff: float
) -> NDArray[np.float64]:
    """Shortest distances by pairs of species, angstrom, symmetric; inf where beyond the cutoff."""
    count = len(species)
    shortest = np.full((count, count), np.inf)
    for frame in frames:
        types = species_types(species, frame.symbols)
        pairs, distances = pair_distances(frame, cutoff)
        np.minimum.at(shortest, (types[pairs[:, 0]], types[pairs[:, 1]]), distances)
    both: NDArray[np.float64] = np.minimum(shortest, shortest.T)
    return both
