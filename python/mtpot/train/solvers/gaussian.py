"""Least squares and ridge regression of the linear coefficients."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from mtpot.train.cross_validation import RIDGES, best, held_out_losses
from mtpot.train.prior import DECAYS, level_widths
from mtpot.train.solvers.regression import Estimate, Regression, regression

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mtpot.train.loss import NormalEquations
    from mtpot.train.solvers.common import Floats


@regression
def least_squares(task: Regression) -> Iterator[Estimate]:
    """Least squares, with the ridge of the options."""
    centered = task.centered
    yield Estimate(centered.change(centered.solve(task.ridge)), task.chosen)


@regression
def ridge(task: Regression) -> Iterator[Estimate]:
    """Ridge regression, its ridge, and with a prior by level its decay, by cross-validation."""
    decays = DECAYS if task.options.prior == "level" else DECAYS[:1]
    losses = [held_out_losses(task.parts, partial(_path, task, decay)) for decay in decays]
    decay, k = np.unravel_index(best(np.concatenate(losses)), (len(decays), len(RIDGES)))
    chosen = {"ridge": float(RIDGES[k])}
    if task.options.prior == "level":
        chosen["decay"] = float(decays[decay])
    yield Estimate(_path(task, decays[decay], task.equations)[k], chosen)


def _path(task: Regression, decay: float, equations: NormalEquations) -> Floats:
    """Solutions for each ridge with one decay of the prior's width."""
    widths = level_widths(task.problem.potential, decay)
    centered = task.center(equations).with_widths(widths)
    return centered.change(centered.ridge_path(RIDGES))
