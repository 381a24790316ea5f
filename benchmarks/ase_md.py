"""Molecular dynamics through ASE, beside motep's calculator: python benchmarks/ase_md.py.

864 atoms of fcc aluminum, 42 neighbors inside 5 angstrom, velocity Verlet with steps of 2 fs, all
included, one thread; processor time, which other programs disturb least. The potential is trained
on ASE's EMT, so that the crystal is one. The programs run in turn from the same state; medians of
five rounds are printed. Needs motep (pip install motep) and takes a minute or two.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"  # read when the libraries below start

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import motep.calculator
import numpy as np
from ase import units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.io import write
from ase.md.verlet import VelocityVerlet
from motep.io.mlip.mtp import read_mtp

from mtpot import MTPCalculator

if TYPE_CHECKING:
    from ase import Atoms
    from ase.calculators.calculator import Calculator

ROUNDS = 5
LATTICE = 4.05  # angstrom
STEPS = {"mtpot": 300, "motep": 10}


def train(level: int, folder: Path) -> Path:
    """Train on strained and rattled cells of 32 atoms."""
    rng = np.random.default_rng(0)
    frames = []
    for seed in range(40):
        atoms = bulk("Al", a=LATTICE * rng.uniform(0.97, 1.03), cubic=True) * (2, 2, 2)
        atoms.rattle(rng.uniform(0.05, 0.3), seed=seed)
        atoms.calc = EMT()
        atoms.get_forces()
        frames.append(atoms)
    write(folder / "emt.xyz", frames)
    line = ["train", "--data", "emt.xyz", "--species", "Al", "--level", str(level), "--cutoff"]
    line += ["5.0", "--active-set", "none", "--output", f"level{level}"]
    subprocess.run([Path(sys.executable).parent / "mlp", *line], cwd=folder, check=True)
    return folder / f"level{level}" / "potential.mtp"


def crystal(temperature: float) -> Atoms:
    """Make a crystal that will have this temperature (K) once it has come to equilibrium."""
    atoms = bulk("Al", a=LATTICE, cubic=True) * (6, 6, 6)
    variance = 2 * units.kB * temperature / atoms.get_masses()[:, None]
    atoms.set_velocities(np.sqrt(variance) * np.random.default_rng(1).normal(size=(len(atoms), 3)))
    return atoms


def calculator(program: str, path: Path) -> Calculator:
    """Make the calculator of a program."""
    if program == "mtpot":
        return MTPCalculator(path, threads=1)
    data = read_mtp(path)
    data.species = [13]
    return motep.calculator.MTP(data, engine="cext")


def step_time(start: Atoms, calculator: Calculator, steps: int) -> float:
    """Microseconds per atom and step, behind two steps in which lists and memory come to be."""
    atoms = start.copy()
    atoms.calc = calculator
    dynamics = VelocityVerlet(atoms, 2 * units.fs)
    dynamics.run(2)
    begin = time.process_time()
    dynamics.run(steps)
    return (time.process_time() - begin) * 1e6 / (steps * len(atoms))


def row(level: int, temperature: float, path: Path) -> str:
    """Measure both programs and return a line of the table."""
    start = crystal(temperature)
    start.calc = MTPCalculator(path)
    VelocityVerlet(start, 2 * units.fs).run(100)
    calculators = {program: calculator(program, path) for program in STEPS}
    times: dict[str, list[float]] = {program: [] for program in STEPS}
    for _ in range(ROUNDS):
        for program, steps in STEPS.items():
            times[program].append(step_time(start, calculators[program], steps))
    ours, theirs = (statistics.median(times[program]) for program in ("mtpot", "motep"))
    return f"| {level} | {temperature:.0f} | {ours:.2f} | {theirs:.1f} | {theirs / ours:.1f} |"


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as name:
        paths = {level: train(level, Path(name)) for level in (8, 12, 16)}
        print("\nmicroseconds per atom and step, 864 atoms, one thread\n")
        print("| level | K | mtpot | motep | ratio |\n|---:|---:|---:|---:|---:|")
        for level, path in paths.items():
            for temperature in (300.0, 1000.0):
                print(row(level, temperature, path), flush=True)


if __name__ == "__main__":
    main()
