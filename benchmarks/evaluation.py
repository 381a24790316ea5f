"""Time of forces inside the engine, without and with grades: python benchmarks/evaluation.py.

From neighbor lists, as simulations have them, and from the vectors of all pairs, as structures are
graded one by one; all four take turns.

With --members 8, what a committee of so many costs, instead of grades. With potential files as
arguments, the times of these beside each other, of one species each and of one cutoff, to which
the crystal is scaled.

864 atoms of a distorted fcc crystal with 42 neighbors inside 5 angstrom, one thread, double
precision; the neighbor list stands outside the timing. Medians of 30 runs after a warm-up, of the
processor's time; the parameters are random, as the time does not depend on them.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import TYPE_CHECKING

import numpy as np
from ase.build import bulk

from contenders import ALUMINUM, random_potential
from mtpot import MTP, _core
from mtpot.neighbors import neighborhoods
from mtpot.spread import deviation_evaluators
from mtpot.verlet import Frame, VerletList

if TYPE_CHECKING:
    from collections.abc import Callable

    from ase import Atoms

RUNS = 30


def row(level: int, atoms: Atoms) -> str:
    """Measure one level and return its line of the table."""
    made = random_potential(level)
    frame = Frame(atoms.positions, atoms.cell.array, atoms.pbc)
    found = VerletList(made.cutoff, skin=0.0)
    found.update(np.zeros(len(atoms), np.int32), frame)
    active = _core.ActiveSet(len(made.parameters))
    around = neighborhoods(made, ["Al"] * len(atoms), *frame)
    active.select(_core.Design(made.core).rows(around), 1.001)
    evaluator, grader = _core.Evaluator(made.core), _core.Grader(made.core, active)
    alone, together = _core.ListEvaluator(evaluator), _core.ListEvaluator(evaluator, grader)
    arrays = found.lists, found.positions, found.types
    work: list[Callable[[], object]] = [
        lambda: alone.evaluate(*arrays, threads=1),
        lambda: together.evaluate(*arrays, threads=1),
        lambda: evaluator.evaluate(around, 1),
        lambda: grader.grades(around, 1),
    ]
    times = [[seconds(each) for each in work] for _ in range(RUNS + 1)]
    columns = [statistics.median(column) for column in zip(*times[1:], strict=True)]
    neighbors = found.lists.entry_count / len(atoms)
    cells = " | ".join(f"{1e6 * column / len(atoms):.2f}" for column in columns)
    ratios = f"{columns[1] / columns[0]:.2f} | {columns[3] / columns[2]:.2f}"
    return f"| {level} | {neighbors:.1f} | {cells} | {ratios} |"


def committee_row(level: int, members: int, atoms: Atoms) -> str:
    """Measure one level without and with members, which take turns."""
    made = random_potential(level)
    linear = made.parameters[-len(made.core.scalars) - 1 :]
    factors = 1.0 + 0.01 * np.random.default_rng(0).normal(size=(members, len(linear)))
    committee = made.with_members(linear * factors)
    found = VerletList(made.cutoff, skin=0.0)
    found.update(
        np.zeros(len(atoms), np.int32), Frame(atoms.positions, atoms.cell.array, atoms.pbc)
    )
    arrays = found.lists, found.positions, found.types
    alone, together = (
        _core.ListEvaluator(_core.Evaluator(each.core)) for each in (made, committee)
    )
    deviations = [
        _core.ListEvaluator(each) for each in deviation_evaluators(committee.core, "mixed")
    ]
    work: list[Callable[[], object]] = [
        lambda: alone.evaluate(*arrays, threads=1),
        lambda: together.evaluate(*arrays, threads=1),
        lambda: [each.evaluate(*arrays, threads=1) for each in deviations],
    ]
    times = [[seconds(each) for each in work] for _ in range(RUNS + 1)]
    one, pass_of_all, forces = (
        statistics.median(column) for column in zip(*times[1:], strict=True)
    )
    scale = 1e6 / len(atoms)
    ratios = f"{pass_of_all / one:.2f} | {(pass_of_all + forces) / one:.1f}"
    return f"| {level} | {scale * one:.2f} | {scale * pass_of_all:.2f} | {ratios} |"


def seconds(work: Callable[[], object]) -> float:
    """Time of one call."""
    start = time.process_time()
    work()
    return time.process_time() - start


def crystal(symbol: str, cutoff: float) -> Atoms:
    """Distorted fcc with 42 neighbors inside the cutoff."""
    atoms = bulk(symbol, "fcc", a=0.81 * cutoff, cubic=True) * (6, 6, 6)
    atoms.rattle(0.01, seed=0)
    return atoms


def compare(paths: list[str]) -> None:
    """Print the times of potential files, which take turns, and how much faster than the first."""
    loaded = [MTP.load(path) for path in paths]
    atoms = crystal(loaded[0].species[0], loaded[0].cutoff)
    symbols = atoms.get_chemical_symbols()
    found = neighborhoods(loaded[0], symbols, atoms.positions, atoms.cell.array, pbc=True)
    evaluators = [_core.Evaluator(each.core) for each in loaded]
    times = [[timed(each, found) for each in evaluators] for _ in range(RUNS + 1)]
    medians = [1e6 * statistics.median(column) for column in zip(*times[1:], strict=True)]
    print("| potential | scalars | energies and forces | times faster |\n|---|---:|---:|---:|")
    for path, each, median in zip(paths, loaded, medians, strict=True):
        cells = f"{len(each.core.scalars)} | {median / len(atoms):.2f} | {medians[0] / median:.2f}"
        print(f"| {path} | {cells} |")


def timed(evaluator: _core.Evaluator, found: _core.Neighborhoods) -> float:
    """Seconds of one evaluation, after one that brings its data into the caches."""
    evaluator.evaluate(found, 1)
    start = time.perf_counter()
    evaluator.evaluate(found, 1)
    return time.perf_counter() - start


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("files", nargs="*", metavar="FILE", help="potentials to compare instead")
    parser.add_argument("--members", type=int, help="cost of a committee of so many instead")
    arguments = parser.parse_args()
    if arguments.files:
        compare(arguments.files)
        return
    atoms = ALUMINUM.atoms(edge=6)
    print(f"instruction set: {_core.simd_name()}; microseconds per atom\n")
    if arguments.members:
        print("| level | alone | with members | ratio | ratio with their forces |")
        print("|---:|---:|---:|---:|---:|")
        for level in (12, 16, 20, 24):
            print(committee_row(level, arguments.members, atoms), flush=True)
        return
    print(
        "| level | neighbors | lists: forces | with grades | pairs: forces | grades alone "
        "| with grades / forces | grades alone / forces |"
    )
    print("|---:|---:|---:|---:|---:|---:|---:|---:|")
    for level in (8, 12, 16, 20, 24):
        print(row(level, atoms), flush=True)


if __name__ == "__main__":
    main()
