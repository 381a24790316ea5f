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


class PairTally:
    """Counts pairs of atoms nearer than a cutoff (angstrom), frame by frame."""

    def __init__(self, species: Sequence[str], cutoff: float) -> None:
        size = len(species)
        self._species, self._cutoff, self._atoms = species, cutoff, 0
        self._counts = np.zeros((size * size, BINS), dtype=np.int64)
        self._shortest = np.full(size * size, np.inf)

    def add(self, frame: Frame) -> None:
        """Go through the pairs of a frame, each counted once.

        Raises
        ------
        InputError, NumericalError
            The frame is not sound or has an element beside the species.
        """
        self._atoms += len(frame)
        pairs, distances = pair_distances(frame, self._cutoff)
        types = np.sort(species_types(self._species, frame.symbols)[pairs], axis=1)
        codes = types @ [len(self._species), 1]
        places = np.minimum((distances * (BINS / self._cutoff)).astype(np.int64), BINS - 1)
        found = np.bincount(codes * BINS + places, minlength=self._counts.size)
        self._counts += found.reshape(self._counts.shape)
        for code in np.unique(codes):
            self._shortest[code] = min(self._shortest[code], distances[codes == code].min())

    def statistics(self) -> PairStatistics:
        """Return what has been counted so far."""
        names = [(a, b) for a in self._species for b in self._species]
        counts, codes = self._counts, _sorted_codes(len(self._species))
        return PairStatistics(
            edges=np.linspace(0.0, self._cutoff, BINS + 1),
            counts={names[k]: counts[k].astype(float) for k in codes},
            shortest={names[k]: float(self._shortest[k]) for k in codes if counts[k].any()},
            neighbors=2.0 * float(counts.sum()) / max(self._atoms, 1),
        )


def pair_statistics(
    frames: Iterable[Frame], species: Sequence[str], cutoff: float
) -> PairStatistics:
    """Count the pairs of all frames; raises as `PairTally.add`."""
    tally = PairTally(species, cutoff)
    for frame in frames:
        tally.add(frame)
    return tally.statistics()


def _sorted_codes(size: int) -> list[int]:
    return [a * size + b for a in range(size) for b in range(a, size)]
