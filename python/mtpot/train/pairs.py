"""How near to each other the atoms of a data set come, species by species."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING

import numpy as np

from mtpot.neighbors import pair_distances, species_types

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mtpot.data.frame import Floats, Frame

BINS = 120

Pair = tuple[str, str]


def species_pairs(species: Sequence[str]) -> list[Pair]:
    """Unordered pairs of species, those of equal ones included."""
    return list(combinations_with_replacement(species, 2))


@dataclass(frozen=True, slots=True, eq=False)
class PairStatistics:
    """Distances below a cutoff in a set of frames.

    Attributes
    ----------
    edges
        Of the bins of distance, angstrom, shape [bins + 1].
    counts
        Pairs in each bin, shape [bins], for every pair of species in `species_pairs`.
    shortest
        Angstrom; only pairs of species that occur.
    neighbors
        Mean number of neighbors of an atom.
    """

    edges: Floats
    counts: dict[Pair, Floats]
    shortest: dict[Pair, float]
    neighbors: float


def pair_statistics(
    frames: Iterable[Frame], species: Sequence[str], cutoff: float
) -> PairStatistics:
    """Go through all pairs of atoms nearer than the cutoff (angstrom), each counted once.

    Raises
    ------
    InputError, NumericalError
        A frame is not sound or has an element beside the species.
    """
    size = len(species)
    counts = np.zeros((size * size, BINS), dtype=np.int64)
    shortest = np.full(size * size, np.inf)
    atoms = 0
    for frame in frames:
        atoms += len(frame)
        pairs, distances = pair_distances(frame, cutoff)
        types = np.sort(species_types(species, frame.symbols)[pairs], axis=1)
        codes = types @ [size, 1]
        places = np.minimum((distances * (BINS / cutoff)).astype(np.int64), BINS - 1)
        counts += np.bincount(codes * BINS + places, minlength=counts.size).reshape(counts.shape)
        for code in np.unique(codes):
            shortest[code] = min(shortest[code], distances[codes == code].min())
    names = [(a, b) for a in species for b in species]
    return PairStatistics(
        edges=np.linspace(0.0, cutoff, BINS + 1),
        counts={names[k]: counts[k].astype(float) for k in _sorted_codes(size)},
        shortest={names[k]: float(shortest[k]) for k in _sorted_codes(size) if counts[k].any()},
        neighbors=2.0 * float(counts.sum()) / max(atoms, 1),
    )


def _sorted_codes(size: int) -> list[int]:
    return [a * size + b for a in range(size) for b in range(a, size)]
