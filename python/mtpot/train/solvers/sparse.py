"""Potentials with few coefficients: a path of supports, and a choice on it.

A method gives a sequence of supports, sparsest first: sets of columns that it would keep. The
coefficients of each are then fitted by least squares in its columns alone, since the penalties
that find a good set also shrink what they keep (Meinshausen, Comput. Stat. Data Anal. 52 (2007)
374). Without a number of features the support is the sparsest whose held-out loss in
cross-validation over frames is that of the best within a standard error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mtpot.train.cross_validation import held_out_losses, simplest
from mtpot.train.solvers.regression import Estimate, Regression, regression

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mtpot.train.centered import Centered, Integers
    from mtpot.train.loss import NormalEquations
    from mtpot.train.solvers.common import Floats

    Supports = Callable[[Centered], list[Integers]]

CANDIDATES = 60  # supports on a path
BATCH = 20  # a twentieth of the columns goes between two inversions
CONSIDERED = 4  # as many columns as these batches can go in one


@regression
def elimination(task: Regression) -> Iterator[Estimate]:
    """Recursive feature elimination."""
    columns = len(task.centered.vector)
    sizes = np.unique(np.geomspace(1, max(columns, 1), CANDIDATES).round().astype(int))
    if task.options.features is not None:
        sizes = np.array([min(task.options.features, columns)])
    yield from sparse_estimates(task, lambda part: _eliminate(part, task.ridge, sizes))


def sparse_estimates(task: Regression, supports: Supports) -> Iterator[Estimate]:
    """Yield the least-squares fit in the one support there is, or in that of cross-validation."""
    centered = task.centered
    found = supports(centered)
    chosen = found[0]
    if len(found) > 1:

        def path(equations: NormalEquations) -> Floats:
            part = task.center(equations)
            fits = [part.solve(task.ridge, each) for each in supports(part)]
            return part.change(np.array(fits))

        chosen = found[simplest(held_out_losses(task.parts, path))]
    change = centered.change(centered.solve(task.ridge, chosen))
    yield Estimate(change, task.chosen | {"features": len(chosen)})


def _eliminate(centered: Centered, ridge: float, sizes: Integers) -> list[Integers]:
    """Supports of ascending sizes; each time the column goes that the loss needs least.

    Without column k the loss rises by x_k^2 / (H^-1)_kk when all others adjust. Frames without
    some of the columns, as a fold may be, have all they can give as supports of larger sizes: the
    k-th support has the k-th size in every fold.
    """
    order = _order(centered, ridge, int(sizes[0]))
    return [np.sort(order[:size]) for size in sizes]


def _order(centered: Centered, ridge: float, fewest: int) -> Integers:
    """Columns, the last to go first; the first `fewest` stay and are in no order."""
    alive = np.arange(len(centered.vector))
    gone: list[int] = []
    while len(alive) > fewest:
        matrix = centered.matrix[np.ix_(alive, alive)]
        matrix[np.diag_indices_from(matrix)] += ridge
        inverse = np.asarray(np.linalg.inv(matrix), dtype=np.float64)
        values = inverse @ centered.vector[alive]
        count = min(max(1, len(alive) // BATCH), len(alive) - fewest)
        removed = _weakest(inverse, values, count)
        gone.extend(alive[removed].tolist())
        alive = np.delete(alive, removed)
    return np.concatenate([alive, np.array(gone[::-1], dtype=np.int64)])


def _weakest(inverse: Floats, values: Floats, count: int) -> list[int]:
    """Positions of the columns to go next, in this order, from H^-1 and the coefficients.

    Each that goes changes the other rises; this is followed among the columns that can be next.
    """
    rises = values**2 / np.diag(inverse)
    candidates = np.sort(np.argsort(rises, kind="stable")[: CONSIDERED * count])
    inverse, values = inverse[np.ix_(candidates, candidates)], values[candidates]
    alive = np.ones(len(candidates), dtype=bool)
    removed: list[int] = []
    for _ in range(count):
        rises = np.full(len(candidates), np.inf)
        rises[alive] = values[alive] ** 2 / np.diag(inverse)[alive]
        worst = int(rises.argmin())
        column = inverse[:, worst] / inverse[worst, worst]
        values = values - column * values[worst]
        inverse -= np.outer(column, inverse[worst])
        alive[worst] = False
        removed.append(int(candidates[worst]))
    return removed
