"""Molecular dynamics in LAMMPS, by the pair style that grades every step."""

from __future__ import annotations

from contextlib import chdir, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from ase.io import iread, write

from mtpot.active.explorers.common import CANDIDATES, TRAJECTORY, Exploration, Watch, thinned
from mtpot.active.explorers.dynamics import Conditions, conditions, heated
from mtpot.errors import InputError
from mtpot.lammps import LammpsError, Simulation
from mtpot.lammps import start as start_lammps
from mtpot.lammps.launch import words_of
from mtpot.potential import MTP
from mtpot.train.option import about
from mtpot.train.parsers import parse_path

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ase import Atoms

GRADES = "grades.txt"
BAR = 1e4
"""Of a GPa."""
_MOST = 1000
"""Candidates of one exploration that are kept, evenly chosen."""

_DUMPED = "snapshots.dump"
_DUMP = """
dump mtpot_snapshots all custom {every} snapshots.dump id type element x y z vx vy vz
dump_modify mtpot_snapshots sort id element {elements}
"""

_WATCH = """
compute mtpot_largest all pair mtp/extrapolation
variable mtpot_step equal step
variable mtpot_grade equal c_mtpot_largest[1]
fix mtpot_watch all print {every} "${{mtpot_step}} ${{mtpot_grade}}" &
    file grades.txt screen no title ""
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Lammps(Conditions):
    """NVT, NPT, heating and cooling, or an input file of the user's."""

    input: Path | None = field(
        default=None,
        metadata=about(
            "explore",
            "input file of your own: it has `pair_style ${pair}` and reads ${data} (by read_data); "
            "there are ${temperature}, ${pressure} (bar) and ${seed} besides",
            parse_path,
            "FILE",
            '"in.melt"',
        ),
    )

    def check(self) -> None:
        """Refuse a missing input file, and a LAMMPS that is not there."""
        if self.input is not None and not self.input.exists():
            raise InputError(f"[[explore]] lammps: input {self.input}: no such file")
        if self.input is not None and "${pair}" not in self.input.read_text(errors="replace"):
            raise InputError(
                f"[[explore]] lammps: input {self.input}: nothing is graded without "
                "`pair_style ${pair}`"
            )
        if self.input is None:
            self.check_sense("[[explore]] lammps")
        start_lammps().close()

    def variants(self) -> list[tuple[str, Mapping[str, Any]]]:
        """One for each temperature and pressure."""
        return conditions(self)

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
        ended: Literal["complete", "break"] = "complete"
        with chdir(folder):
            try:
                if file is None:
                    self._run(atoms, potential, pair, variant, seed)
                else:
                    self._run_input(file, atoms, potential, pair, variant, seed)
            except LammpsError as error:
                if "exceeds the break threshold" not in str(error):
                    raise
                ended = "break"
            _convert_dump()
        return self._found(ended, folder, atoms)

    def _run(
        self, atoms: Atoms, potential: Path, pair: str, variant: Mapping[str, Any], seed: int
    ) -> None:
        """Run the ensemble in a box of the atoms."""
        arguments = ["-log", "log.lammps"]
        with Simulation(
            atoms, potential, extrapolation=True, options=pair, arguments=arguments
        ) as simulation:
            simulation.command(f"timestep {1e-3 * self.timestep!r}")
            simulation.command(_WATCH.format(every=self.every))
            simulation.command(self._ensemble(atoms, variant, seed))
            if self.interval:
                elements = " ".join(MTP.load(potential).species)
                simulation.command(_DUMP.format(every=self.interval, elements=elements))
            simulation.command(f"run {self.steps}")

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
        pressure, shape = BAR * variant["pressure"], _shape(atoms)
        return (
            f"fix mtpot_ensemble all npt temp {first!r} {last!r} {damping!r} "
            f"{shape} {pressure!r} {pressure!r} {10 * damping!r}"
        )

    def _run_input(  # noqa: PLR0913, PLR0917 - a task has as many parts
        self,
        file: Path,
        atoms: Atoms,
        potential: Path,
        pair: str,
        variant: Mapping[str, Any],
        seed: int,
    ) -> None:
        """Run the user's file with its variables."""
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
            try:
                instance.file(str(file))
            finally:  # also when the upper threshold has ended it
                step, length = (instance.extract_global(name) for name in ("ntimestep", "dt"))
                grade = instance.extract_pair("extrapolation_max")
                if grade is not None:
                    steps = round(step * length / (1e-3 * self.timestep))
                    Path(GRADES).write_text(f"{steps} {grade!r}\n")

    def _found(
        self, ended: Literal["complete", "break"], folder: Path, start: Atoms
    ) -> Exploration:
        """Read what LAMMPS has written."""
        candidates = _thin_candidates(folder / CANDIDATES, start)
        steps, grades = _grades(folder / GRADES)
        if not grades and not candidates:
            raise InputError("no grade was looked at: does the input have `pair_style ${pair}`?")
        for atoms in candidates:
            grades.append((int(atoms.info["step"]), float(atoms.info["grade"])))
        series = sorted({(1e-3 * self.timestep * step, grade) for step, grade in grades})
        last = steps if ended == "complete" else max((step for step, _ in grades), default=0)
        return Exploration(
            ended=ended,
            steps=last,
            picoseconds=1e-3 * self.timestep * last,
            largest=max((grade for _, grade in series), default=0.0),
            candidates=len(candidates),
            grades=thinned(series),
        )


def _convert_dump() -> None:
    """Bring the snapshots of LAMMPS into the format of all other files of the folder."""
    if Path(_DUMPED).exists():
        write(TRAJECTORY, list(iread(_DUMPED, format="lammps-dump-text")), format="extxyz")
        Path(_DUMPED).unlink()


def _shape(atoms: Atoms) -> str:
    """How a box may change: its angles only if they are not all right."""
    angles = atoms.cell.angles()
    return "aniso" if np.abs(angles - 90.0).max() < 1e-6 else "tri"


def _grades(path: Path) -> tuple[int, list[tuple[int, float]]]:
    """Return the last step, and step and grade of every look."""
    pairs = []
    if path.exists():
        for line in path.read_text().splitlines():
            if line.strip():  # the title is an empty line
                step, grade = line.split()
                pairs.append((int(float(step)), float(grade)))
    return (pairs[-1][0] if pairs else 0), pairs


def _thin_candidates(path: Path, start: Atoms) -> list[Atoms]:
    """Keep evenly chosen candidates, the last one among them, in the file; return them."""
    images = list(iread(path, format="extxyz")) if path.exists() else []
    if len(images) > _MOST:
        images = [images[k] for k in np.linspace(0, len(images) - 1, _MOST).round().astype(int)]
    for image in images:
        complete(image, start)
    if images:
        write(path, images, format="extxyz")
    return images


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
