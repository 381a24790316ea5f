"""Checks that every potential should pass, for ours and for yours: any ASE calculator will do.

    from mtpot.testing import check_forces, check_invariance, check_virial

    check_forces(atoms, calculator)      # forces are minus the gradient of the energy
    check_virial(atoms, calculator)      # stress is the derivative of the energy in the strain
    check_invariance(atoms, calculator)  # shift, rotation, order of atoms, inversion

Each returns the error it found and raises AssertionError above its tolerance. Errors are relative
to the largest component expected, or to a floor where all of them are nearly zero.

A potential with a cutoff is smooth only up to it: choose structures without a pair whose distance
lies within `step` of the cutoff, or the numerical derivative, not the potential, is at fault.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from mtpot.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ase import Atoms
    from ase.calculators.calculator import Calculator
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["Invariance", "check_forces", "check_invariance", "check_virial"]

# eV, eV/angstrom, eV/angstrom^3: below, errors are no longer relative.
ENERGY_FLOOR, FORCE_FLOOR, STRESS_FLOOR = 1e-2, 1e-2, 1e-4

# xx yy zz yz xz xy, ASE's order.
_VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))


@dataclass(frozen=True, slots=True)
class Invariance:
    """Relative change of energy and forces, whichever is larger, under each operation."""

    translation: float
    rotation: float
    permutation: float
    inversion: float


def check_forces(
    atoms: Atoms,
    calculator: Calculator | None = None,
    *,
    tolerance: float = 7e-9,
    step: float = 0.02,
) -> float:
    """Compare the forces with Richardson-extrapolated differences of the energy.

    The default tolerance is grade A of OpenKIM's verification check.

    Parameters
    ----------
    atoms
        Any structure; it is not changed.
    calculator
        What to check; ``atoms.calc`` if left out.
    tolerance
        Largest error that passes.
    step
        Largest displacement, angstrom.

    Returns
    -------
    Largest error of a force component over the largest force component.

    Raises
    ------
    AssertionError
        If the error exceeds the tolerance; the message names the atom.
    """
    moved, energy = _prepare(atoms, calculator)
    forces = _forces(moved)
    expected = np.empty_like(forces)
    for index in np.ndindex(*forces.shape):
        expected[index] = -_derivative(_displaced_energy(moved, index, energy), step)
    error = _relative(forces, expected, FORCE_FLOOR)
    atom, axis = np.unravel_index(np.abs(forces - expected).argmax(), forces.shape)
    _require(error, tolerance, f"forces, worst at atom {atom} along {'xyz'[axis]}")
    return error


def check_virial(
    atoms: Atoms,
    calculator: Calculator | None = None,
    *,
    tolerance: float = 1e-6,
    step: float = 0.005,
) -> float:
    """Compare all six components of the stress with differences of the energy under strain.

    The reference is (1/V) dE/d(strain), so that the sign is checked too.

    Parameters
    ----------
    atoms
        A structure with a cell of nonzero volume; it is not changed.
    calculator
        What to check; ``atoms.calc`` if left out.
    tolerance
        Largest error that passes.
    step
        Largest strain.

    Returns
    -------
    Largest error of a component over the largest component.

    Raises
    ------
    AssertionError
        If the error exceeds the tolerance; the message names the component.
    """
    moved, energy = _prepare(atoms, calculator)
    stress = np.asarray(moved.calc.get_property("stress", moved), float)
    volume = abs(np.linalg.det(moved.cell.array))
    expected = np.array(
        [_derivative(_strained_energy(moved, pair, energy), step) / volume for pair in _VOIGT]
    )
    error = _relative(stress, expected, STRESS_FLOOR)
    worst = ("xx", "yy", "zz", "yz", "xz", "xy")[int(np.abs(stress - expected).argmax())]
    _require(error, tolerance, f"stress, worst in {worst}")
    return error


def check_invariance(
    atoms: Atoms,
    calculator: Calculator | None = None,
    *,
    tolerance: float = 1e-10,
    seed: int = 0,
) -> Invariance:
    """Shift, rotate, reorder and invert a structure: the energy stays, the forces go along.

    Parameters
    ----------
    atoms
        Any structure; it is not changed.
    calculator
        What to check; ``atoms.calc`` if left out.
    tolerance
        Largest error that passes.
    seed
        Of the random shift, rotation and order.

    Returns
    -------
    The error of each operation.

    Raises
    ------
    AssertionError
        If an error exceeds the tolerance; the message names the operation.
    """
    original, energy = _prepare(atoms, calculator)
    reference = energy(original), _forces(original)
    positions, identity = original.positions, np.eye(3)
    rng = np.random.default_rng(seed)
    rotation, order = _random_rotation(rng), rng.permutation(len(original))

    def change(moved: Atoms, turn: Floats, rows: Any) -> float:
        moved.calc = original.calc
        expected = reference[1][rows] @ turn
        return max(
            _relative(energy(moved), reference[0], ENERGY_FLOOR),
            _relative(_forces(moved), expected, FORCE_FLOOR),
        )

    errors = Invariance(
        translation=change(_moved(original, positions + rng.normal(size=3)), identity, slice(None)),
        rotation=change(_turned(original, rotation), rotation, slice(None)),
        permutation=change(original[order], identity, order),
        # A lattice is its own inverse: the cell stays.
        inversion=change(_moved(original, -positions), -identity, slice(None)),
    )
    for name, error in zip(Invariance.__slots__, astuple(errors), strict=True):
        _require(error, tolerance, f"energy or forces under {name}")
    return errors


def _prepare(atoms: Atoms, calculator: Calculator | None) -> tuple[Atoms, Callable[[Atoms], float]]:
    """Return a copy that carries the calculator, and the energy as a function of a structure."""
    chosen = calculator if calculator is not None else atoms.calc
    if chosen is None:
        raise InputError("no calculator: pass one, or set atoms.calc")
    copy = _moved(atoms, atoms.positions)
    copy.calc = chosen
    return copy, lambda structure: float(chosen.get_property("energy", structure))


def _forces(atoms: Atoms) -> Floats:
    return np.array(atoms.calc.get_property("forces", atoms), float)


def _moved(atoms: Atoms, positions: Floats, cell: Floats | None = None) -> Atoms:
    """Return a copy with everything else kept: charges, magnetic moments, info."""
    untyped: Any = atoms
    copy = untyped.copy()
    copy.positions = positions
    if cell is not None:
        copy.set_cell(cell, scale_atoms=False)
    return cast("Atoms", copy)


def _displaced_energy(
    atoms: Atoms, index: tuple[int, ...], energy: Callable[[Atoms], float]
) -> Callable[[float], float]:
    def value(displacement: float) -> float:
        positions = atoms.positions.copy()
        positions[index] += displacement
        return energy(_moved(atoms, positions))

    return value


def _strained_energy(
    atoms: Atoms, pair: tuple[int, int], energy: Callable[[Atoms], float]
) -> Callable[[float], float]:
    def value(amount: float) -> float:
        deformation = np.eye(3)
        # Half on each side of the diagonal: a shear counts once in Voigt notation.
        deformation[pair] += amount / 2
        deformation[pair[::-1]] += amount / 2
        return energy(_turned(atoms, deformation))

    return value


def _derivative(function: Callable[[float], float], step: float, halvings: int = 4) -> float:
    """Differentiate at zero by Romberg's table of central differences.

    The entry that differs least from its neighbors is taken: the coarse ones suffer from
    truncation, the fine ones from rounding.
    """
    previous: list[float] = []
    best, change = np.nan, np.inf
    for row in range(halvings + 1):
        width = step / 2**row
        current = [(function(width) - function(-width)) / (2 * width)]
        for order, coarse in enumerate(previous, start=1):
            current.append(current[-1] + (current[-1] - coarse) / (4**order - 1))
            difference = max(abs(current[-1] - current[-2]), abs(current[-1] - coarse))
            if difference < change:
                best, change = current[-1], difference
        previous = current
    return best


def _random_rotation(rng: np.random.Generator) -> Floats:
    """Return a proper rotation, for row vectors."""
    q, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    return np.asarray(q * np.sign(np.linalg.det(q)))


def _turned(atoms: Atoms, matrix: Floats) -> Atoms:
    return _moved(atoms, atoms.positions @ matrix, atoms.cell.array @ matrix)


def _relative(value: float | Floats, expected: float | Floats, floor: float) -> float:
    scale = max(floor, float(np.max(np.abs(expected))))
    return float(np.max(np.abs(np.subtract(value, expected)))) / scale


def _require(error: float, tolerance: float, what: str) -> None:
    # Written so that a NaN fails.
    if not error <= tolerance:
        raise AssertionError(f"{what}: relative error {error:.1e}, tolerance {tolerance:.1e}")
