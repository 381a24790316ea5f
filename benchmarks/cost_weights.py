"""Fit the weights of the cost model, cpp/src/cost.cpp, to times of this processor.

  python benchmarks/cost_weights.py

Times whole evaluations of templates of levels 4 to 20 and parts of them, one thread, and prints
the weights that meet them best. Takes half a minute; nothing else should run.
"""

from __future__ import annotations

import itertools
import time

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from contenders import ALUMINUM, CUTOFF, random_potential
from mtpot import _core
from mtpot.verlet import Frame, VerletList

NEIGHBORS = 42.0
SKIN = 1.0
RUNS = 40
LEVELS = range(4, 21, 2)
PARTS = [
    {"level": level, "max_nu": nu, "max_mu": mu}
    for level, nu, mu in itertools.product((12, 16, 20), (1, 2, 3, 4), (0, 1, 2, 4))
]
OTHERS = [
    *({"level": level, "max_factors": most} for level in (12, 16) for most in (2, 3)),
    *({"level": 12, "radial_size": size} for size in (4, 12, 16)),
]

Floats = NDArray[np.float64]


def sizes(core: _core.Potential) -> list[float]:
    """One, K (R + 9.7) and components of every pair, and operations of the graph.

    Beside its R polynomials, a radial function takes the time of 9.7 of them.
    """
    orders = core.basics[:, 1:].sum(axis=1)
    functions = range(core.radial_function_count)
    highest = [int(orders[core.basics[:, 0] == mu].max()) for mu in functions]
    pair = [1.0, len(highest) * (core.radial_size + 9.7), sum((nu + 1) ** 2 for nu in highest)]
    # The operations without neighbors are those of the graph.
    graph = 0.5 * _core.cost(core, 0.0).floating_point_operations
    return [*(NEIGHBORS * each for each in pair), graph]


def measure(cores: list[_core.Potential]) -> Floats:
    """Nanoseconds per atom, the least of runs in which the potentials take turns."""
    atoms = ALUMINUM.atoms(edge=5)
    found = VerletList(CUTOFF, skin=SKIN)
    found.update(
        np.zeros(len(atoms), np.int32), Frame(atoms.positions, atoms.cell.array, atoms.pbc)
    )
    evaluators = [_core.ListEvaluator(_core.Evaluator(core)) for core in cores]
    times = np.zeros((RUNS, len(cores)))
    for row in times:
        for k, evaluator in enumerate(evaluators):
            start = time.perf_counter()
            evaluator.evaluate(found.lists, found.positions, found.types, threads=1)
            row[k] = time.perf_counter() - start
    return 1e9 * times.min(axis=0) / len(atoms)


def main() -> None:
    """Print the weights."""
    cases = [*({"level": level} for level in LEVELS), *PARTS, *OTHERS]
    cores = [random_potential(**case).core for case in cases]
    matrix = np.array([sizes(core) for core in cores])
    times = measure(cores)
    weights, _ = nnls(matrix / times[:, None], np.ones(len(times)))
    misfit = matrix @ weights / times - 1.0
    names = ("pair", "K (R + 9.7)", "component", "graph")
    for name, weight in zip(names, weights, strict=True):
        print(f"{name:12} {weight:.4f} ns")
    rms, most = np.sqrt(np.mean(misfit**2)), np.abs(misfit).max()
    print(f"{len(cases)} potentials, misfit {100 * rms:.1f} % (rms), at most {100 * most:.1f} %")


if __name__ == "__main__":
    main()
