"""Equilibrium and elasticity of crystals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from ase import units
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS

from mtpot.errors import InputError, NumericalError
from mtpot.stress import has_stress

if TYPE_CHECKING:
    from ase import Atoms
    from ase.calculators.calculator import Calculator
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

FORCE = 1e-5
"""eV/angstrom: largest force in a structure that counts as relaxed."""

STEPS = 500

# Tensors of a unit strain in each component, xx yy zz yz xz xy; a shear counts twice.
_STRAINS = np.zeros((6, 3, 3))
for _k, (_a, _b) in enumerate(((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))):
    _STRAINS[_k, _a, _b] += 0.5
    _STRAINS[_k, _b, _a] += 0.5


def relaxed(
    atoms: Atoms, calculator: Calculator, *, cell: bool = True, force: float = FORCE
) -> Atoms:
    """Return a copy of a structure in equilibrium, with its calculator.

    Constraints of the structure hold; if the cell relaxes, fixed atoms move with it.

    Parameters
    ----------
    atoms
        Where the relaxation starts.
    calculator
        Gives energy, forces and, for a cell, stress.
    cell
        Whether the cell relaxes, too.
    force
        Largest force that remains, in eV/angstrom; for the cell, stress times volume per atom.

    Raises
    ------
    InputError
        If a cell is to relax that has no volume or no periodicity.
    NumericalError
        If it finds no equilibrium.
    """
    result: Atoms = atoms.copy()
    result.calc = calculator
    if cell:
        _check_periodic(atoms)
    target: Any = FrechetCellFilter(result) if cell else result
    if not BFGS(target, logfile=None).run(fmax=force, steps=STEPS):
        raise NumericalError(
            f"no equilibrium to {force:g} eV/angstrom within {STEPS} steps: start from a structure "
            "nearer to it, or allow larger forces"
        )
    return result


def elastic_constants(
    atoms: Atoms,
    calculator: Calculator,
    *,
    strain: float = 2e-3,
    relax_cell: bool = True,
    force: float = FORCE,
) -> Floats:
    """Elastic constants at zero temperature, atoms relaxed in every strained cell.

    C_ij = d stress_i / d strain_j, by central differences.

    Parameters
    ----------
    atoms
        A crystal, periodic in all directions, without constraints.
    calculator
        Gives energy, forces and stress.
    strain
        Of the differences.
    relax_cell
        Whether to take the constants at the equilibrium of the calculator rather than in the cell
        as it is.
    force
        Largest force in a relaxed structure, in eV/angstrom.

    Returns
    -------
    Symmetric matrix in GPa, shape [6, 6]; xx yy zz yz xz xy.

    Raises
    ------
    InputError
        If the structure is not periodic in all directions or has constraints, or `strain` is not
        positive.
    NumericalError
        If a relaxation finds no equilibrium.
    """
    if not np.all(atoms.pbc):
        raise InputError("elastic constants are those of a crystal: periodic in all directions")
    if atoms.constraints:
        raise InputError(
            "elastic constants are those of atoms that relax freely: take the constraints off by "
            "atoms.set_constraint()"
        )
    if not strain > 0.0:
        raise InputError(f"strain must be positive, not {strain}")
    start = relaxed(atoms, calculator, cell=relax_cell, force=force)

    def stress(tensor: Floats) -> Floats:
        strained = start.copy()
        strained.set_cell(start.cell.array @ (np.eye(3) + tensor), scale_atoms=True)
        found = relaxed(strained, calculator, cell=False, force=force)
        return np.asarray(found.get_stress())

    columns = [
        (stress(strain * unit) - stress(-strain * unit)) / (2.0 * strain) for unit in _STRAINS
    ]
    matrix = np.array(columns) / units.GPa
    return np.asarray(0.5 * (matrix + matrix.T))


def bulk_modulus(constants: Floats) -> float:
    """Voigt's average of the bulk modulus, of elastic constants [6, 6]; in their unit."""
    return float(constants[:3, :3].mean())


def _check_periodic(atoms: Atoms) -> None:
    if not has_stress(atoms.cell.array, atoms.pbc):
        raise InputError("a cell can relax if it is periodic and has a volume: set cell and pbc")
