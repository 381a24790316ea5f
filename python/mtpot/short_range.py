"""Atoms closer than any data: radii of the repulsive core, and curves of dimers.

docs/short_range.md says what a core and a clamped basis do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mtpot import _core
from mtpot.elements import covalent_radius
from mtpot.errors import InputError

if TYPE_CHECKING:
    from mtpot.potential import MTP

Floats = NDArray[np.float64]
Outer = float | Literal["auto"] | Mapping[tuple[str, str], float]
"""Outer radius of a core: of all pairs, by covalent radii, or of each pair of elements."""

CONTACT = 0.7
"""Share of the sum of covalent radii below which atoms collide rather than bond."""

INNER = 0.8
"""Inner radius as a share of the outer one."""


WALL = 20.0
"""Height that keeps atoms of a simulation apart, eV."""

LEAST_DEPTH = 0.5
"""Of a hole that is worth a warning, eV: what hot atoms do not bring along."""


def core_radii(species: Sequence[str], cutoff: float, outer: Outer = "auto") -> Floats:
    """Inner and outer radii of a core, shape [species, species, 2], angstrom.

    Parameters
    ----------
    species
        Element symbols.
    cutoff
        Of the potential, angstrom: no radius exceeds it.
    outer
        A number; numbers by pairs of symbols, in either order; or "auto": 0.7 times the sum of
        covalent radii, also for pairs that a mapping leaves out.

    Raises
    ------
    InputError
        If an element has no covalent radius and needs one, or a pair is none of the species.
    """
    given = outer if isinstance(outer, Mapping) else {}
    for pair in given:
        if len(pair) != 2 or not set(pair) <= set(species):
            raise InputError(
                f"{'-'.join(pair)} is no pair of the species {', '.join(species)}: "
                "leave out its outer radius"
            )

    def radius(a: str, b: str) -> float:
        if isinstance(outer, (int, float)):
            return float(outer)
        found = given.get((a, b), given.get((b, a)))
        if found is not None:
            return float(found)
        return min(CONTACT * (covalent_radius(a) + covalent_radius(b)), cutoff)

    outers = np.array([[radius(a, b) for b in species] for a in species])
    return np.stack([INNER * outers, outers], axis=-1)


def dimer_curve(potential: MTP, a: str, b: str, distances: ArrayLike) -> Floats:
    """Energies of two atoms alone in space, relative to their energies far apart.

    Below the shortest distance of the training data they should rise all the way: a hole there
    is where atoms of a hot simulation end.

    Parameters
    ----------
    potential
        Trained.
    a, b
        Elements of the potential.
    distances
        Angstrom, shape [n], of more than 1e-6.

    Returns
    -------
    Energies in eV, shape [n].

    Raises
    ------
    InputError
        If the potential lacks an element or is untrained.
    NumericalError
        If a distance is too short or not finite.
    """
    for symbol in (a, b):
        if symbol not in potential.species:
            known = ", ".join(potential.species) or "nameless"
            raise InputError(f"the potential has no {symbol}: its species are {known}")
    lengths = np.atleast_1d(np.asarray(distances, dtype=np.float64)).ravel()
    count = len(lengths)
    first, second = np.arange(count), np.arange(count, 2 * count)
    types = np.repeat([potential.species.index(symbol) for symbol in (a, b)], count)
    vectors = np.outer(np.concatenate([lengths, -lengths]), [1.0, 0.0, 0.0])
    dimers = _core.Neighborhoods(
        types.astype(np.int32),
        np.concatenate([first, second]),
        np.concatenate([second, first]),
        vectors,
    )
    energies, _, _ = _core.Evaluator(potential.core).evaluate(dimers, 1)
    return energies[first] + energies[second] - _free_energies(potential, types, count)


def find_holes(potential: MTP, shortest: ArrayLike) -> list[str]:
    """Name the pairs of elements that attract each other where no data are.

    Looked at are two atoms alone in space, closer than the data and than a bond, up to the wall
    that hot atoms do not climb.

    Parameters
    ----------
    potential
        Trained.
    shortest
        Distances of the data, shape [species, species], angstrom; inf for pairs without.

    Returns
    -------
    A line for each hole that is deeper than 0.5 eV.
    """
    species, found = potential.species, []
    for i, j in zip(*np.triu_indices(len(species)), strict=True):
        bond = _bond(species[i], species[j])
        edge = min(float(np.asarray(shortest)[i, j]), bond, potential.cutoff)
        distances = np.linspace(0.2 * edge, edge, 200)
        inward = dimer_curve(potential, species[i], species[j], distances)[::-1]
        inward -= inward[0]
        walls = np.flatnonzero(inward > WALL)
        within_reach = inward[: walls[0]] if len(walls) else inward
        deepest = int(within_reach.argmin())
        if within_reach[deepest] < -LEAST_DEPTH:
            found.append(
                f"{species[i]} and {species[j]} alone in space fall into a hole of "
                f"{-within_reach[deepest]:.3g} eV at {distances[::-1][deepest]:.2f} angstrom, "
                "closer than any data"
            )
    return found


def _bond(a: str, b: str) -> float:
    """Sum of covalent radii, angstrom; inf where an element has none."""
    try:
        return covalent_radius(a) + covalent_radius(b)
    except InputError:
        return np.inf


def _free_energies(potential: MTP, types: NDArray[np.int64], count: int) -> Floats:
    """Energies of the pairs of atoms without neighbors, shape [count]."""
    core = potential.core
    first = core.species_count**2 * core.radial_function_count * core.radial_size
    alone: Floats = core.parameters[first:][types]
    return alone[:count] + alone[count:]
