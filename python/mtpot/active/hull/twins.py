"""Candidates that have become the same structure, which one calculation serves."""

from __future__ import annotations

from collections import defaultdict, deque
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mtpot.active.hull.candidates import Candidate

    Composition = tuple[tuple[int, int], ...]

SAME_ENERGY = 1e-4
"""eV/atom."""
SAME_VOLUME = 1e-3
"""Of the volume."""


def twins_of(candidates: Sequence[Candidate]) -> list[list[Candidate]]:
    """Group candidates of one composition, energy and volume; the lowest of each comes first."""
    groups: list[list[Candidate]] = []
    # By composition: volume and group of those whose lowest energy is near that of what comes next.
    near: defaultdict[Composition, deque[tuple[float, list[Candidate]]]] = defaultdict(deque)
    for candidate in sorted(candidates, key=lambda each: (each.formation, each.number)):
        lately = near[_composition(candidate)]
        while lately and candidate.formation - lately[0][1][0].formation >= SAME_ENERGY:
            lately.popleft()
        own = candidate.atoms.cell.volume / len(candidate.atoms)
        for volume, group in lately:
            if abs(volume / own - 1.0) < SAME_VOLUME:
                group.append(candidate)
                break
        else:
            groups.append([candidate])
            lately.append((own, groups[-1]))
    return groups


def _composition(candidate: Candidate) -> Composition:
    """Atomic numbers and how many of each, without a common divisor."""
    numbers, counts = np.unique(candidate.atoms.numbers, return_counts=True)
    counts //= np.gcd.reduce(counts)
    return tuple(zip(numbers.tolist(), counts.tolist(), strict=True))
