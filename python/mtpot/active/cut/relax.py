"""Relaxing the padding of a small cell around neighborhoods that stay as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from ase.constraints import FixAtoms
from ase.geometry import find_mic
from ase.optimize import FIRE

from mtpot.active.cut.surroundings import INSIDE
from mtpot.calculator import MTPCalculator
from mtpot.neighbors import pair_distances

if TYPE_CHECKING:
    from ase import Atoms

    from mtpot.active.cut.surroundings import Floats
    from mtpot.potential import MTP

STEPS = 60
FORCE = 0.05
"""eV/angstrom on padding, below which it is relaxed."""

_LOST = 2.0  # times the smallest grade so far: the forces lead away from what is known
_PATIENCE = 15  # steps without a smaller grade
_STEP = 0.05  # angstrom, the longest: far from equilibrium, forces are large and unreliable


class Held(NamedTuple):
    """The first atoms of a cell: as many sites, and as many that must not move."""

    sites: int
    core: int


class _Outside:
    """A constraint of ASE: padding does not enter the spheres around the sites."""

    def __init__(self, held: Held, cutoff: float) -> None:
        self._held = held
        self._cutoff = cutoff

    def adjust_positions(self, atoms: Atoms, positions: Floats) -> None:
        """Move what has entered back to the surface."""
        padding = positions[self._held.core :]
        for site in positions[: self._held.sites]:
            vectors, distances = find_mic(padding - site, atoms.cell, atoms.pbc)
            inside = distances < self._cutoff
            outward = (self._cutoff + INSIDE) / distances[inside] - 1.0
            padding[inside] += outward[:, None] * vectors[inside]

    def adjust_forces(self, atoms: Atoms, forces: Floats) -> None:
        """Leave the forces: they may point inward."""


def relax_padding(
    atoms: Atoms, potential: MTP, held: Held, min_distance: float, threads: int
) -> Atoms:
    """Follow the potential's forces to where the padding extrapolates least.

    Forces of sites that extrapolate are not to be trusted, so it is not the end of the path that
    counts, but the structure on it of the smallest grade, in which no atoms are too close. The
    path ends when grades rise to twice that, or 15 steps have not lowered it.

    Parameters
    ----------
    atoms, held
        The cell; what is held comes first in it.
    min_distance
        Angstrom.

    Returns
    -------
    `atoms` itself if nothing is better.
    """
    moving = atoms.copy()
    moving.calc = MTPCalculator(potential, threads=threads or None)
    moving.set_constraint([FixAtoms(indices=range(held.core)), _Outside(held, potential.cutoff)])
    grade, best, since = np.inf, atoms.positions, 0
    for _ in FIRE(moving, logfile=None, maxstep=_STEP).irun(fmax=FORCE, steps=STEPS):
        now = float(moving.calc.results["grades"][held.sites :].max(initial=0.0))
        since += 1
        if now < (1.0 - 1e-6) * grade and _is_sound(moving, held, potential.cutoff, min_distance):
            grade, best, since = now, moving.positions.copy(), 0
        if now > _LOST * grade or since > _PATIENCE:
            break
    if np.array_equal(best, atoms.positions):
        return atoms
    relaxed: Atoms = atoms.copy()
    relaxed.positions = best
    return relaxed


def _is_sound(atoms: Atoms, held: Held, cutoff: float, min_distance: float) -> bool:
    """Whether no atoms are too close, and no padding is inside a neighborhood."""
    pairs, distances = pair_distances(atoms, cutoff)
    low, high = pairs.min(axis=1), pairs.max(axis=1)
    entered = (low < held.sites) & (high >= held.core)
    return not entered.any() and float(distances.min(initial=cutoff)) >= min_distance


def shortest_distance(atoms: Atoms, reach: float) -> float:
    """Shortest distance in angstrom; `reach` if none is shorter."""
    return float(pair_distances(atoms, reach)[1].min(initial=reach))
