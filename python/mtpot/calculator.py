"""The potential as an ASE calculator."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from ase.calculators.calculator import Calculator, all_changes
from ase.data import atomic_numbers
from ase.outputs import Properties, all_outputs

from mtpot import _core
from mtpot.errors import InputError, NumericalError, UncalibratedWarning
from mtpot.grading import Grader
from mtpot.intervals import UNCALIBRATED
from mtpot.neighbors import refuse_coincidence, species_types
from mtpot.potential import MTP
from mtpot.spread import deviation_evaluators, energy_spread, root_mean_square
from mtpot.stress import has_stress, voigt_stress
from mtpot.verlet import Frame, VerletList

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    from ase import Atoms
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

PRECISIONS = ("double", "mixed")

SPREADS = ("energy_std", "energies_std", "forces_std")
"""Properties of a potential with members."""

SKIN = 1.5
"""Angstrom: of 0.5 to 2, the fastest for molecular dynamics of a metal at 300 and 1000 K."""


class MTPCalculator(Calculator):
    """Energies, forces, stresses and extrapolation grades of a moment tensor potential.

    >>> atoms.calc = MTPCalculator("silicon.mtp")
    >>> atoms.get_potential_energy()

    Parameters
    ----------
    potential
        An `MTP` or the path of a potential file that names its elements.
    precision
        "double", the precision of all arithmetic, or "mixed": single precision from the vectors
        between neighbors to their forces, which double precision adds up. Mixed is 1.3 to 1.9
        times as fast and rounds the forces between neighbors to some 1e-6 of their size, which
        leaves 1e-6 to 1e-5 eV/angstrom in a solid: not for phonons or relaxations below 1e-4.
        With an active set everything is in double precision, since every calculation gives
        grades; so are potentials with moments of a rank above 10.
    threads
        OpenMP threads; None takes as many as OpenMP would. Results depend on it to rounding only.
    skin
        How much farther than the cutoff neighbor lists reach, in angstrom, once a structure is
        followed from step to step: a larger one is searched less often and costs more in each
        step. Results do not depend on it.

    Results are in ASE's units: `energy`, `free_energy`, `energies` (per atom), `forces`, and
    `stress` for a structure with a periodic direction and a volume. With an active set also
    `grade`, the extrapolation grade of the structure, and in neighborhood mode `grades`, those
    of the atoms: below 2 the potential interpolates, above 10 its forces cannot be trusted.

    With members (`mlp train --ensemble`) also `energy_std`, the standard deviation of the energy,
    and `energies_std`, the spread of the site energies, which the same pass gives; and, if they
    are asked for by `get_property("forces_std")`, those of the force components, shape [n, 3],
    which take a pass of half the cost for every member. If the potential is calibrated,
    `energy_std` and `forces_std` are the errors to expect, else the mere spread of the members.

    Raises
    ------
    InputError
        For a potential without element names or parameters, an element that the potential lacks,
        or positions and cells that are not finite.

    Warns
    -----
    UserWarning
        For a potential that is slower than others of its size, as `mlp info` says, too.
    UncalibratedWarning
        For members that are not calibrated: `energy_std` and `forces_std` are no errors to expect.
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
        skin: float = SKIN,
    ) -> None:
        super().__init__()
        if precision not in PRECISIONS:
            raise InputError(f"precision must be 'double' or 'mixed', not {precision!r}")
        if threads is not None and not (isinstance(threads, int) and threads > 0):
            raise InputError(f"threads must be a positive integer or None, not {threads!r}")
        if not (isinstance(skin, (int, float, np.integer, np.floating)) and 0.0 <= skin < np.inf):
            raise InputError(f"skin must be a distance in angstrom, not {skin!r}")
        self.potential = potential if isinstance(potential, MTP) else MTP.load(potential)
        if not self.potential.species:
            raise InputError(
                "the potential names no elements: give them, MTP.load(path, species=['Al', 'Ni'])"
            )
        unknown = [s for s in self.potential.species if s not in atomic_numbers]
        if unknown:
            raise InputError(f"{', '.join(unknown)}: no element that ASE knows")
        self._precision = precision
        self._threads = threads or 0
        self._skin = float(skin)
        self._core: _core.Potential | None = None
        self._refresh()
        if not self._couples_pairs:
            warnings.warn(_core.NO_PAIR_COUPLINGS, stacklevel=2)
        if len(self.potential.core.members) and not self.potential.intervals:
            warnings.warn(UNCALIBRATED, UncalibratedWarning, stacklevel=2)

    def _refresh(self) -> None:
        """Compile the potential again if its parameters have changed since the last time."""
        if self._core is self.potential.core:
            return
        self._core = self.potential.core
        evaluator = _core.Evaluator(self._core, self._precision)
        self._couples_pairs = evaluator.couples_pairs
        self._grader = Grader(self.potential) if self.potential.selection else None
        self._evaluator = (
            self._grader.list_evaluator(evaluator)
            if self._grader
            else _core.ListEvaluator(evaluator)
        )
        self._members: list[_core.ListEvaluator] | None = None
        self.implemented_properties = [
            *MTPCalculator.implemented_properties,
            *(SPREADS if len(self._core.members) else ()),
        ]
        self._list = VerletList(self.potential.cutoff, self._skin)
        self._types = np.full(max(atomic_numbers.values()) + 1, -1, np.int32)
        self._types[[atomic_numbers[s] for s in self.potential.species]] = range(
            len(self.potential.species)
        )
        self.reset()

    @property
    def precision(self) -> str:
        """As it was made with; the other two settings are fixed, too."""
        return self._precision

    def set(self, **settings: Any) -> dict[str, Any]:
        """Refuse: precision, threads and skin are fixed when a calculator is made."""
        if settings:
            raise InputError(f"make another MTPCalculator to change its {', '.join(settings)}")
        return {}

    def __reduce__(self) -> tuple[type[MTPCalculator], tuple[MTP, str, int | None, float]]:
        """Travel between processes, and be copied, without results."""
        return MTPCalculator, (self.potential, self._precision, self._threads or None, self._skin)

    def check_state(self, atoms: Atoms, tol: float = 0.0) -> list[str]:  # noqa: ARG002
        """Name what has changed since the last calculation, by whatever little it is.

        ASE asks several times a step, and comparing with a tolerance would cost it a sixth of
        the forces' time. Charges and magnetic moments play no part.
        """
        self._refresh()
        if self.atoms is None:
            return list(all_changes)
        old, new = self.atoms, atoms
        same = {
            "positions": np.array_equal(old.positions, new.positions),
            "numbers": np.array_equal(old.numbers, new.numbers),
            "cell": np.array_equal(old.cell.array, new.cell.array),
            "pbc": np.array_equal(old.pbc, new.pbc),
        }
        return [name for name, unchanged in same.items() if not unchanged]

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = all_changes,  # noqa: ARG002
    ) -> None:
        """Fill `results` for a structure; every property but `forces_std` comes from one pass."""
        if atoms is not None:
            self.atoms = atoms.copy()
        self._refresh()
        self.results = {}
        structure = self.atoms
        assert structure is not None
        energies, forces, virial, sites, row, deviations = self._evaluate(structure)
        energy = float(energies.sum())
        results: dict[str, Any] = {
            "energy": energy,
            "free_energy": energy,
            "energies": energies,
            "forces": forces,
        }
        if has_stress(structure.cell.array, structure.pbc):
            results["stress"] = voigt_stress(virial, structure.cell.array)
        if self._grader:
            grades = self._grader.read(sites, row, len(structure))
            results["grade"] = grades.frame
            if grades.sites is not None:
                results["grades"] = grades.sites
        if deviations is not None:
            results |= self._spreads(deviations, "forces_std" in properties)
        self.results = results

    def _spreads(self, deviations: Floats, with_forces: bool) -> dict[str, Any]:
        """Take standard deviations of how far the members are from the potential, [n, members]."""
        intervals = self.potential.intervals
        energy, sites = energy_spread(deviations)
        if intervals:
            energy = intervals.energy_sigma(energy, len(sites))
        found: dict[str, Any] = {"energy_std": energy, "energies_std": sites}
        if with_forces:
            forces = self._force_spread()
            found["forces_std"] = intervals.forces.sigma(forces) if intervals else forces
        return found

    def _force_spread(self) -> Floats:
        """Spread of the forces in the structure that was evaluated last."""
        if self._members is None:
            evaluators = deviation_evaluators(self.potential.core, "mixed")
            self._members = [_core.ListEvaluator(each) for each in evaluators]
        arrays = self._list.lists, self._list.positions, self._list.types
        forces = [each.evaluate(*arrays, self._threads)[1] for each in self._members]
        return root_mean_square(np.stack(forces))

    def _evaluate(self, structure: Atoms) -> _core.ListResults:
        frame = Frame(structure.positions, structure.cell.array, structure.pbc)
        self._list.update(self._types_of(structure), frame)
        try:
            return self._evaluator.evaluate(
                self._list.lists, self._list.positions, self._list.types, self._threads
            )
        except NumericalError:
            refuse_coincidence(*frame)
            raise

    def export_properties(self) -> Properties:
        """Results in the form that ASE passes on; grades are none of the properties it knows."""
        return Properties({k: v for k, v in self.results.items() if k in all_outputs})

    def _types_of(self, atoms: Atoms) -> NDArray[np.int32]:
        types: NDArray[np.int32] = self._types[atoms.numbers]
        if (types < 0).any():
            species_types(self.potential.species, atoms.get_chemical_symbols())
        return types
