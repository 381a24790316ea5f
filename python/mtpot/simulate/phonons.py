"""Phonons by finite displacements in a supercell."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from ase import units

from mtpot.errors import InputError

if TYPE_CHECKING:
    from ase import Atoms
    from ase.calculators.calculator import Calculator
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

_TIE = 1e-4  # angstrom: images at distances that differ by less are equally near


def phonon_frequencies(
    atoms: Atoms,
    calculator: Calculator,
    wave_vectors: ArrayLike,
    *,
    repeat: tuple[int, int, int] = (4, 4, 4),
    displacement: float = 0.01,
) -> Floats:
    """Frequencies of harmonic vibrations around a structure.

    Force constants are central differences of the forces in a supercell, with sums over all atoms
    set to zero; between atoms that have several nearest images they are shared among these. All
    atoms vibrate: constraints do not hold.

    Parameters
    ----------
    atoms
        The unit cell, in equilibrium (see `relaxed`).
    calculator
        Gives forces.
    wave_vectors
        In units of the reciprocal cell vectors, shape [k, 3].
    repeat
        The supercell; its edges should be twice the cutoff of a potential.
    displacement
        In angstrom.

    Returns
    -------
    In THz, ascending, shape [k, 3 n]; imaginary ones are negative.

    Raises
    ------
    InputError
        If the wave vectors have another shape, the structure is not periodic, or `repeat` or
        `displacement` is not positive.
    """
    vectors = np.atleast_2d(np.asarray(wave_vectors, dtype=np.float64))
    if vectors.ndim != 2 or vectors.shape[1] != 3:
        raise InputError(f"wave vectors have the shape [k, 3], not {list(vectors.shape)}")
    if not np.all(atoms.pbc):
        raise InputError("phonons are those of a crystal: periodic in all directions")
    if min(repeat) < 1:
        raise InputError(f"repeat must be 1 or more in all directions, not {repeat}")
    if not displacement > 0.0:
        raise InputError(f"displacement must be positive, not {displacement}")
    supercell = atoms.repeat(repeat)
    supercell.set_constraint()  # a fixed atom would have no forces
    supercell.calc = calculator
    constants = _force_constants(supercell, len(atoms), displacement)
    phases = _phases(atoms, supercell, vectors)
    roots = np.sqrt(atoms.get_masses())
    return np.array([_frequencies(constants, each, roots) for each in phases])


def _force_constants(supercell: Atoms, count: int, displacement: float) -> Floats:
    """-dF / du of the first `count` atoms, shape [count, 3, atoms, 3], eV/angstrom^2."""
    constants = np.empty((count, 3, len(supercell), 3))
    home = supercell.positions.copy()
    for atom, axis in product(range(count), range(3)):
        forces = []
        for step in (displacement, -displacement):
            supercell.positions = home
            supercell.positions[atom, axis] += step
            forces.append(supercell.get_forces())
        constants[atom, axis] = (forces[1] - forces[0]) / (2.0 * displacement)
    supercell.positions = home
    for atom in range(count):
        constants[atom, :, atom] -= constants[atom].sum(axis=1)
    return constants


def _phases(atoms: Atoms, supercell: Atoms, vectors: Floats) -> NDArray[np.complex128]:
    """Mean of exp(2 pi i q d) over the nearest images of each pair, [k, count, atoms]."""
    shifts = np.array(list(product((-1, 0, 1), repeat=3))) @ supercell.cell.array
    found = np.empty((len(vectors), len(atoms), len(supercell)), np.complex128)
    to_fractions = np.linalg.inv(atoms.cell.array)
    folded = supercell.get_scaled_positions(wrap=True) @ supercell.cell.array
    for first in range(len(atoms)):
        images = folded - folded[first] + shifts[:, None]
        distances = np.linalg.norm(images, axis=2)
        nearest = distances < distances.min(axis=0) + _TIE
        for k, vector in enumerate(vectors):
            waves = np.exp(2j * np.pi * (images @ to_fractions @ vector))
            found[k, first] = (waves * nearest).sum(axis=0) / nearest.sum(axis=0)
    return found


def _frequencies(constants: Floats, phases: NDArray[np.complex128], roots: Floats) -> Floats:
    """Square roots of the eigenvalues of the dynamical matrix, in THz."""
    count = len(roots)
    cells = (constants * phases[:, None, :, None]).reshape(count, 3, -1, count, 3)
    matrix = cells.sum(axis=2) / (roots[:, None, None, None] * roots[None, None, :, None])
    matrix = matrix.reshape(3 * count, 3 * count)
    values = np.linalg.eigvalsh(0.5 * (matrix + matrix.conj().T))
    angular = np.sign(values) * np.sqrt(np.abs(values))
    return np.asarray(angular * 1e3 * units.fs / (2.0 * np.pi))
