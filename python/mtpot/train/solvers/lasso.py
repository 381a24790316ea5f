"""The LASSO: columns enter one after the other as its penalty on sum |x| is lowered."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from mtpot.train.solvers.regression import Estimate, Regression, regression
from mtpot.train.solvers.scikit import few_rows, lasso_path
from mtpot.train.solvers.sparse import CANDIDATES, sparse_estimates

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mtpot.train.centered import Centered, Integers
    from mtpot.train.solvers.common import Floats

SMALLEST = 1e-6  # penalty, relative to that at which all coefficients are zero
MOST_SWEEPS = 2000


@regression
def lasso(task: Regression) -> Iterator[Estimate]:
    """Least squares in columns that the LASSO chooses."""
    largest = np.abs(task.centered.vector).max(initial=0.0)
    penalties = np.geomspace(1.0, SMALLEST, CANDIDATES) * largest
    features = task.options.features

    def supports(centered: Centered) -> list[Integers]:
        path = _path(centered, penalties)
        if features is None:
            return [np.flatnonzero(each) for each in path]
        # Several may enter between two penalties: the largest of them, then.
        enough = np.count_nonzero(path, axis=1) >= features
        sizes = np.abs(path[int(np.argmax(enough)) if enough.any() else -1])
        return [np.sort(np.argsort(sizes)[-features:])]

    yield from sparse_estimates(task, supports)


def _path(centered: Centered, penalties: Floats) -> Floats:
    """Coefficients for each penalty a of |y - Z x|^2 / 2 + a sum |x|; [penalties, columns]."""
    matrix, labels = few_rows(centered)
    with warnings.catch_warnings():
        # Coordinates of nearly dependent columns converge slowly; which of them enter is clear
        # long before, and their values are fitted anew.
        warnings.simplefilter("ignore")
        _, paths, _ = lasso_path(
            matrix,
            labels,
            alphas=penalties / len(labels),
            precompute=centered.matrix,
            Xy=centered.vector,
            max_iter=MOST_SWEEPS,
        )
    found: Floats = paths.T
    return found
