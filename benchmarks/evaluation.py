"""Time of forces inside the engine, without and with grades: python benchmarks/evaluation.py.

864 atoms of a distorted fcc crystal with 42 neighbors inside 5 angstrom, one thread, double
precision; the neighbor list stands outside the timing. Medians of 30 runs after a warm-up; the
parameters are random, as the time does not depend on them.
"""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

import numpy as np
from contenders import ALUMINUM, random_potential
from mtpot import _core
from mtpot.neighbors import neighborhoods
from mtpot.verlet import Frame, VerletList

if TYPE_CHECKING:
    from collections.abc import Callable

    from ase import Atoms

RUNS = 30


def median_time(work: Callable[[], object]) -> float:
    """Median over the runs, in seconds, after a warm-up."""
    times = []
    for _ in range(RUNS + 1):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def row(level: int, atoms: Atoms) -> str:
    """Measure one level and return its line of the table."""
    made = random_potential(level)
    frame = Frame(atoms.positions, atoms.cell.array, atoms.pbc)
    found = VerletList(made.cutoff, skin=0.0)
    found.update(np.zeros(len(atoms), np.int32), frame)
    active = _core.ActiveSet(len(made.parameters))
    rows = _core.Design(made.core).rows(neighborhoods(made, ["Al"] * len(atoms), *frame))
    active.select(rows, 1.001)
    evaluator, grader = _core.Evaluator(made.core), _core.Grader(made.core, active)

    def time_of(evaluator: _core.ListEvaluator) -> float:
        arrays = found.lists, found.positions, found.types
        return median_time(lambda: evaluator.evaluate(*arrays, threads=1))

    forces = time_of(_core.ListEvaluator(evaluator))
    grades = time_of(_core.ListEvaluator(evaluator, grader))
    scale = 1e6 / len(atoms)
    neighbors = found.lists.entry_count / len(atoms)
    return f"| {level} | {neighbors:.1f} | {scale * forces:.2f} | {scale * grades:.2f} |"


def main() -> None:
    """Print the table."""
    atoms = ALUMINUM.atoms(edge=6)
    print(f"instruction set: {_core.simd_name()}; microseconds per atom\n")
    print("| level | neighbors | energies and forces | with grades |\n|---:|---:|---:|---:|")
    for level in (8, 12, 16, 20, 24):
        print(row(level, atoms), flush=True)


if __name__ == "__main__":
    main()
