"""Time and memory of pair_style mtp: python benchmarks/lammps.py.

fcc with 42 neighbors inside 5 angstrom (54 in the lists, skin 1 angstrom), random parameters, as
the time does not depend on them. What is compared runs in turn, five times; medians are printed.
All of it takes about two minutes; the million atoms at the end take half a gigabyte.
"""

from __future__ import annotations

import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from mtpot import MTP, _core, potential_path
from mtpot.active.select import build_selection
from mtpot.data.frame import Frame
from mtpot.neighbors import neighborhoods

BIN = Path(sys.executable).parent
ROUNDS = 5
CUTOFF = 5.0

FCC = """
units metal
lattice fcc 4.05
region box block 0 {cells} 0 {cells} 0 {cells}
create_box 1 box
create_atoms 1 box
mass 1 26.98
displace_atoms all random 0.01 0.01 0.01 1
neighbor 1.0 bin
pair_style {style}
pair_coeff * * Al
timestep 0.0001
fix 1 all nve
thermo 100000
run {steps}
write_dump all custom end.dump id x y z modify sort id format float %.17g
"""

SILICON = """
units metal
lattice diamond 5.43
region box block 0 50 0 50 0 50
create_box 1 box
create_atoms 1 box
mass 1 28.0855
pair_style mtp {potential}
pair_coeff * * Si
velocity all create 600 1
fix 1 all nve
run 20
"""


def lmp(folder: Path, script: str, ranks: int = 1) -> str:
    """Run LAMMPS and return what it printed."""
    (folder / "in").write_text(script)
    line = [str(BIN / "lmp"), "-in", "in", "-log", "none"]
    if ranks > 1:
        line = [str(BIN / "mpirun"), "-np", str(ranks), *line]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        line, cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout


def number(pattern: str, text: str) -> float:
    """Return the number that a pattern captures."""
    found = re.search(pattern, text)
    if found is None:
        raise SystemExit(text)
    return float(found[1])


def loop_time(folder: Path, cells: int, style: str, steps: int, ranks: int = 1) -> float:
    """Seconds a step."""
    text = lmp(folder, FCC.format(cells=cells, style=style, steps=steps), ranks)
    return number(r"Loop time of (\S+)", text) / steps


def pair_time(folder: Path, cells: int, style: str, steps: int) -> float:
    """Seconds a step inside the pair style."""
    text = lmp(folder, FCC.format(cells=cells, style=style, steps=steps))
    return number(r"Pair +\| (\S+)", text) / steps


def random_potential(level: int, folder: Path) -> MTP:
    """Every scalar in use, energies small; with an active set of a few crystals."""
    made = MTP.new(level, ["Al"], CUTOFF)
    made.parameters = 1e-3 * np.random.default_rng(0).normal(size=len(made.parameters))
    made.save(folder / f"{level}.mtp")
    rng = np.random.default_rng(1)
    cell = 8.1 * np.eye(3)
    frames = [
        Frame(
            symbols=("Al",) * 32,
            positions=rng.uniform(size=(32, 3)) @ cell,
            cell=cell,
            pbc=np.ones(3, bool),
            energy=0.0,
        )
        for _ in range(10)
    ]
    MTP(made.core, build_selection(made, frames, "nbh")).save(folder / f"{level}.almtp")
    return made


def engine_time(folder: Path, potential: MTP, cells: int) -> float:
    """Seconds of the engine alone, forces included, for the atoms where LAMMPS has left them."""
    positions = np.loadtxt(folder / "end.dump", skiprows=9)[:, 1:]
    cell = 4.05 * cells * np.eye(3)
    found = neighborhoods(potential, ["Al"] * len(positions), positions, cell, pbc=True)
    evaluator = _core.Evaluator(potential.core)
    times = []
    for _ in range(20):
        start = time.perf_counter()
        evaluator.evaluate(found, 1)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def compare_styles(folder: Path) -> None:
    """Engine, pair style, and pair style with grades in every step, at 4,000 atoms."""
    cells, scale = 10, 1e6 / 4000
    print("microseconds per atom and step, 4,000 atoms, one core\n")
    print("| level | engine | mtp, pair | overhead | mtp | mtp/extrapolation | ratio |")
    print("|---:|---:|---:|---:|---:|---:|---:|")
    for level in (8, 12, 16, 20):
        potential = random_potential(level, folder)
        rows = []
        for _ in range(ROUNDS):
            pair = pair_time(folder, cells, f"mtp {level}.mtp", 50)
            engine = engine_time(folder, potential, cells)
            plain = loop_time(folder, cells, f"mtp {level}.mtp", 50)
            graded = loop_time(folder, cells, f"mtp/extrapolation {level}.almtp every 1", 50)
            rows.append((engine, pair, pair / engine - 1, plain, graded, graded / plain))
        engine, pair, overhead, plain, graded, ratio = np.median(rows, axis=0)
        print(
            f"| {level} | {scale * engine:.2f} | {scale * pair:.2f} | {100 * overhead:.0f} % "
            f"| {scale * plain:.2f} | {scale * graded:.2f} | {ratio:.2f} |",
            flush=True,
        )


def compare_ranks(folder: Path) -> None:
    """Two ranks against one, and threads of one rank."""
    for level in (12, 16):
        rows = []
        for _ in range(ROUNDS):
            one, two = (loop_time(folder, 20, f"mtp {level}.mtp", 20, n) for n in (1, 2))
            threads = loop_time(folder, 20, f"mtp {level}.mtp threads 2", 20)
            rows.append((one / two, one / threads))
        ranks, threads = np.median(rows, axis=0)
        print(
            f"\nlevel {level}, 32,000 atoms: 2 ranks {ranks:.2f} times as fast as 1, "
            f"2 threads {threads:.2f} times"
        )


def many_atoms(folder: Path) -> None:
    """Measure a million atoms of silicon at level 12, and the memory they take."""
    source = MTP.load(potential_path("silicon"))
    made = MTP.new(12, ["Si"], source.cutoff)
    made.parameters = 1e-3 * np.random.default_rng(0).normal(size=len(made.parameters))
    made.save(folder / "si.mtp")
    text = lmp(folder, SILICON.format(potential="si.mtp"))
    step = number(r"Loop time of (\S+)", text) / 20
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024**2
    print(
        f"\nsilicon, 1,000,000 atoms, level 12, one rank: {step:.2f} s a step, "
        f"{memory:.2f} GiB resident at most"
    )


def main() -> None:
    """Print everything."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        compare_styles(folder)
        compare_ranks(folder)
        many_atoms(folder)


if __name__ == "__main__":
    main()
