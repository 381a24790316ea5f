"""Candidates that have become the same structure, which one calculation serves."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mtpot.active.hull.candidates import Candidate

SAME_ENERGY = 1e-4
"""eV/atom."""
SAME_VOLUME = 1e-3
"""Of the volume."""


def twins_of(candidates: Sequence[Candidate]) -> list[list[Candidate]]:
    """Group candidates of one composition, energy and volume; the lowest of each comes first."""
    groups: list[list[Candidate]] = []
    for candidate in sorted(candidates, key=lambda each: (each.formation, each.number)):
        for group in groups:
            if _are_twins(group[0], candidate):
                group.append(candidate)
                break
        else:
            groups.append([candidate])
    return groups


def _are_twins(one: Candidate, other: Candidate) -> bool:
    formulas = {str(each.atoms.symbols.formula.reduce()[0]) for each in (one, other)}
    volumes = [each.atoms.cell.volume / len(each.atoms) for each in (one, other)]
    return (
        len(formulas) == 1
        and abs(one.formation - other.formation) < SAME_ENERGY
        and abs(volumes[0] / volumes[1] - 1.0) < SAME_VOLUME
    )
