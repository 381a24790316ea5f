"""Regressions whose hyperparameters maximize the evidence, the probability of the labels.

The labels' noise is taken as independent, with the variances that the weights of the loss stand
for, up to a factor that is found. MacKay, Neural Comput. 4 (1992) 415; Tipping, J. Mach. Learn.
Res. 1 (2001) 211.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mtpot.train.prior import DECAYS, level_widths
from mtpot.train.solvers.regression import Estimate, Regression, regression
from mtpot.train.solvers.scikit import ARDRegression, BayesianRidge, few_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mtpot.train.centered import Centered
    from mtpot.train.solvers.common import Floats

MOST_ITERATIONS = 300  # each of the relevance determination costs a diagonalization
CONVERGED = 1e-4  # sum of changes of coefficients in standard units
IRRELEVANT = 1e8  # inverse prior variance in standard units above which a coefficient is zero


@regression
def bayesian_ridge(task: Regression) -> Iterator[Estimate]:
    """Ridge regression; the ridge, and with a prior by level its decay, by the evidence."""
    by_level = task.options.prior == "level"
    fits = [_RidgeFit(task, decay) for decay in (DECAYS if by_level else DECAYS[:1])]
    best = max(fits, key=lambda fit: fit.log_evidence)
    chosen = {"ridge": best.ridge} | ({"decay": best.decay} if by_level else {})
    yield Estimate(best.change, chosen)


@regression
def ard(task: Regression) -> Iterator[Estimate]:
    """Automatic relevance determination."""
    standard = _Standard(task.centered, task.problem.row_count)
    model = ARDRegression(threshold_lambda=IRRELEVANT, **standard.arguments)
    model.fit(standard.matrix, standard.labels)
    yield Estimate(standard.change(model.coef_))


class _RidgeFit:
    """Bayesian ridge regression with one decay of the prior's width."""

    def __init__(self, task: Regression, decay: float) -> None:
        widths = level_widths(task.problem.potential, decay)
        rows = task.problem.row_count
        standard = _Standard(task.centered.with_widths(widths), rows)
        model = BayesianRidge(compute_score=True, **standard.arguments)
        model.fit(standard.matrix, standard.labels)
        self.decay = decay
        self.change = standard.change(model.coef_)
        self.ridge = float(model.lambda_ / model.alpha_) / rows
        self.log_evidence = float(model.scores_[-1])


class _Standard:
    """Few rows in place of all, in units where all columns and the labels have variance one."""

    def __init__(self, centered: Centered, rows: int) -> None:
        matrix, labels = few_rows(centered)
        self._centered = centered
        self._unit = np.sqrt(max(centered.square, np.finfo(float).tiny))
        self.matrix = np.sqrt(rows) * matrix
        self.labels = np.sqrt(rows) / self._unit * labels
        # A Gamma prior of this shape for the precision stands for the rows that are not there.
        missing = max(rows - len(labels), 0)
        self.arguments: dict[str, Any] = {
            "fit_intercept": False,
            "max_iter": MOST_ITERATIONS,
            "tol": CONVERGED,
            "alpha_1": missing / 2.0,
            "alpha_2": 0.0,
            "lambda_1": 0.0,
            "lambda_2": 0.0,
        }

    def change(self, coefficients: Floats) -> Floats:
        """Species energies and coefficients in their own units."""
        return self._centered.change(self._unit * coefficients)
