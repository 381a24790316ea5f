"""Time of energies and forces inside the engine: python benchmarks/evaluation.py.

864 atoms of a distorted fcc crystal with 42 neighbors inside 5 angstrom, one thread, double
precision; the neighbor list stands outside the timing. Medians of 30 runs after a warm-up; the
parameters are random, as the time does not depend on them.
"""

from __future__ import annotations

import statistics
import time

import numpy as np
from ase.build import bulk

from mtpot import MTP, _core
from mtpot.neighbors import neighborhoods

CUTOFF = 5.0
RUNS = 30


def potential(level: int) -> MTP:
    """Random parameters with every scalar in use."""
    made = MTP.new(level, ["Al"], CUTOFF)
    made.parameters = np.random.default_rng(0).normal(size=len(made.parameters))
    return made


def seconds(level: int, crystal: tuple[list[str], np.ndarray, np.ndarray]) -> tuple[float, float]:
    """Median time of one evaluation, and the number of neighbors per atom."""
    made = potential(level)
    found = neighborhoods(made, *crystal, pbc=True)
    evaluator = _core.Evaluator(made.core)
    times = []
    for _ in range(RUNS + 1):
        start = time.perf_counter()
        evaluator.evaluate(found, 1)
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:]), found.pair_count / found.atom_count


def main() -> None:
    """Print the table."""
    atoms = bulk("Al", a=4.05, cubic=True) * (6, 6, 6)
    atoms.rattle(0.01, seed=0)
    crystal = (atoms.get_chemical_symbols(), atoms.positions, atoms.cell.array)
    print(f"instruction set: {_core.simd_name()}\n")
    print("| level | neighbors | µs/atom |\n|---:|---:|---:|")
    for level in (8, 12, 16, 20, 24):
        time_taken, neighbors = seconds(level, crystal)
        print(f"| {level} | {neighbors:.1f} | {1e6 * time_taken / len(atoms):.2f} |", flush=True)


if __name__ == "__main__":
    main()
