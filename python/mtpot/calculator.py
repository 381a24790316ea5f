"""The potential as an ASE calculator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from ase.calculators.calculator import Calculator, all_changes
from ase.data import atomic_numbers
from ase.stress import full_3x3_to_voigt_6_stress

from mtpot import _core
from mtpot.errors import InputError
from mtpot.neighbors import from_types, species_types
from mtpot.potential import MTP

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    from ase import Atoms
    from numpy.typing import NDArray


class MTPCalculator(Calculator):
    """Energies, forces, stresses and extrapolation grades of a moment tensor potential.

    >>> atoms.calc = MTPCalculator("silicon.mtp")
    >>> atoms.get_potential_energy()

    Parameters
    ----------
    potential
        An `MTP` or the path of a potential file that names its elements.
    precision
        "double", the precision of all arithmetic.
    threads
        OpenMP threads; None takes as many as OpenMP would. Results do not depend on it.

    Results are in ASE's units: `energy`, `free_energy`, `energies` (per atom), `forces`, and
    `stress` for a structure with periodicity in three directions. With an active set also
    `grade`, the extrapolation grade of the structure, and in neighborhood mode `grades`, those
    of the atoms: below 2 the potential interpolates, above 10 its forces cannot be trusted.

    Raises
    ------
    InputError
        For a potential without element names or parameters, an element that the potential lacks,
        or positions and cells that are not finite.
    """

    implemented_properties = [  # noqa: RUF012 - ASE declares it so
        "energy",
        "free_energy",
        "energies",
        "forces",
        "stress",
    ]

    def __init__(
        self,
        potential: MTP | str | PathLike[str],
        precision: str = "double",
        threads: int | None = None,
    ) -> None:
        super().__init__()
        if precision != "double":
            raise InputError(f"precision must be 'double', not {precision!r}")
        if threads is not None and not (isinstance(threads, int) and threads > 0):
            raise InputError(f"threads must be a positive integer or None, not {threads!r}")
        self.potential = potential if isinstance(potential, MTP) else MTP.load(potential)
        if not self.potential.species:
            raise InputError(
                "the potential names no elements: give them, MTP.load(path, species=['Al', 'Ni'])"
            )
        self._threads = threads or 0
        self._core: _core.Potential | None = None
        self._refresh()

    def _refresh(self) -> None:
        """Compile the potential again if its parameters have changed since the last time."""
        if self._core is self.potential.core:
            return
        self._core = self.potential.core
        self._evaluator = _core.Evaluator(self._core)
        self._grader = _Grader(self.potential) if self.potential.selection else None
        self._types = np.full(max(atomic_numbers.values()) + 1, -1, np.int32)
        self._types[[atomic_numbers[s] for s in self.potential.species]] = range(
            len(self.potential.species)
        )
        self.reset()

    def check_state(self, atoms: Atoms, tol: float = 1e-15) -> list[str]:
        """Name what has changed since the last calculation, also the potential's parameters."""
        self._refresh()
        changes: list[str] = super().check_state(atoms, tol)
        return changes

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        """Fill `results` for a structure; every property comes from one pass."""
        super().calculate(atoms, list(properties), list(system_changes))
        self._refresh()
        self.results = {}
        structure = self.atoms
        assert structure is not None
        neighborhoods = from_types(
            self._types_of(structure),
            structure.positions,
            structure.cell.array,
            structure.pbc,
            self.potential.cutoff,
        )
        energies, forces, virial = self._evaluator.evaluate(neighborhoods, self._threads)
        energy = float(energies.sum())
        results: dict[str, Any] = {
            "energy": energy,
            "free_energy": energy,
            "energies": energies,
            "forces": forces,
        }
        if structure.pbc.all():
            symmetric = -0.5 * (virial + virial.T) / structure.get_volume()
            results["stress"] = full_3x3_to_voigt_6_stress(symmetric)
        if self._grader:
            results |= self._grader.grade(neighborhoods, self._threads)
        self.results = results

    def _types_of(self, atoms: Atoms) -> NDArray[np.int32]:
        types: NDArray[np.int32] = self._types[atoms.numbers]
        if (types < 0).any():
            species_types(self.potential.species, atoms.get_chemical_symbols())
        return types


class _Grader:
    """Extrapolation grades with the potential's active set."""

    def __init__(self, potential: MTP) -> None:
        self._design = _core.Design(potential.core)
        assert potential.selection is not None
        self._per_site = potential.selection.per_site
        self._weight_scaling = potential.selection.weight_scaling
        self._active_set = potential.selection.active_set

    def grade(self, neighborhoods: _core.Neighborhoods, threads: int) -> dict[str, Any]:
        rows = self._design.rows(neighborhoods, threads)
        if self._per_site:
            grades = self._active_set.grade(rows)
            return {"grades": grades, "grade": float(grades.max(initial=0.0))}
        atoms = max(1, len(rows))
        row = rows.sum(axis=0, keepdims=True) / atoms ** (self._weight_scaling / 2)
        return {"grade": float(self._active_set.grade(row)[0])}
