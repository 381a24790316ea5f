"""What a label must be to be believed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mtpot.active.labelers.common import LabelError
from mtpot.errors import InputError
from mtpot.train.parsers import number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ase import Atoms

MAX_FORCE = 50.0
"""eV/angstrom: a force above it is no use to a potential, if it is one at all."""
MAX_ENERGY = 1e6
"""eV an atom, more than that of all electrons of uranium."""
MAX_STRESS = 5.0
"""eV/angstrom^3, 800 GPa."""
MAX_SUM = 0.1
"""eV/angstrom an atom: forces on all atoms add up to nothing."""


def force_limit(table: Mapping[str, Any]) -> float:
    """Return `max_force` of the table [label], eV/angstrom.

    Raises
    ------
    InputError
        It is not a positive number.
    """
    value = table.get("max_force", MAX_FORCE)
    try:
        return float(number(0.0, open_low=True)(value))
    except ValueError as error:
        raise InputError(f"[label] max-force = {value!r}: {error}") from error


def sound_label(atoms: Atoms, labeled: Atoms, table: Mapping[str, Any]) -> None:
    """Refuse results that cannot be those of the structure.

    Raises
    ------
    LabelError
        A number is missing, not finite, too large (`max_force` of the table [label]; by default 50
        eV/angstrom), forces do not add up to zero, or the structure is another.
    """
    if len(labeled) != len(atoms) or (labeled.numbers != atoms.numbers).any():
        raise LabelError("the results are those of another structure")
    results = labeled.calc.results
    for name, shape in (("energy", ()), ("forces", (len(atoms), 3))):
        _check_numbers(results.get(name), name, shape)
    if abs(results["energy"]) > MAX_ENERGY * len(atoms):
        raise LabelError(f"an energy of {results['energy']:.4g} eV cannot be")
    forces = np.asarray(results["forces"])
    most, limit = np.abs(forces).max(), force_limit(table)
    if most > limit:
        raise LabelError(f"a force of {most:.4g} eV/angstrom is more than max-force, {limit:g}")
    net = np.abs(forces.sum(axis=0)).max() / len(atoms)
    if net > MAX_SUM:
        raise LabelError(f"the forces do not add up to zero: {net:.3g} eV/angstrom an atom is left")
    if "stress" in results:
        _check_numbers(results["stress"], "stress", (6,))
        largest = np.abs(results["stress"]).max()
        if largest > MAX_STRESS:
            raise LabelError(f"a stress of {largest:.3g} eV/angstrom^3 cannot be")


def _check_numbers(value: Any, name: str, shape: tuple[int, ...]) -> None:
    if value is None:
        raise LabelError(f"the calculation gave no {name}")
    try:
        array = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        raise LabelError(f"the {name} is not made of numbers") from None
    if array.shape != shape:
        raise LabelError(f"the {name} has shape {array.shape}, not {shape}")
    if not np.isfinite(array).all():
        raise LabelError(f"the {name} is not finite")
