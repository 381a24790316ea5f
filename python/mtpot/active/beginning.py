"""The first structures of a run: those that it begins with, and copies out of place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ase import Atoms


def disturbed(
    atoms: Atoms, count: int, displacement: float, strain: float, rng: np.random.Generator
) -> Iterator[Atoms]:
    """Make copies with normal displacements and symmetric strains, growing from copy to copy.

    The k-th of n has k/n of the given standard deviations: dynamics begins with the small ones.
    Directions without periodicity are not strained.

    Parameters
    ----------
    atoms
        The structure; its results are dropped.
    count
        Number of copies.
    displacement
        Largest standard deviation of a coordinate, angstrom.
    strain
        Largest standard deviation of a component of the strain.
    """
    for number in range(1, count + 1):
        share = number / count
        copy = atoms.copy()
        copy.calc = None
        copy.set_velocities(np.zeros((len(atoms), 3)))
        noise = rng.normal(scale=share * strain, size=(3, 3))
        free = np.outer(atoms.pbc, atoms.pbc)
        matrix = np.eye(3) + np.where(free, 0.5 * (noise + noise.T), 0.0)
        copy.set_cell(atoms.cell.array @ matrix, scale_atoms=True)
        copy.positions += rng.normal(scale=share * displacement, size=copy.positions.shape)
        yield copy
