"""Cross-validation over frames, from the normal equations of every fold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mtpot.errors import InputError
from mtpot.train.centered import Centered

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mtpot.train.loss import NormalEquations, Problem

Floats = NDArray[np.float64]

RIDGES = np.logspace(-12.0, -3.0, 19)


def choose_ridge(problem: Problem, parameters: Floats) -> float:
    """Return the ridge of `RIDGES` with the least held-out loss at the radial functions given.

    Raises
    ------
    InputError
        The problem has fewer than two folds.
    """

    def path(equations: NormalEquations) -> Floats:
        centered = Centered.of(equations, problem.species_count)
        return centered.change(centered.ridge_path(RIDGES))

    parts = fold_equations(problem, problem.without_coefficients(parameters))
    return float(RIDGES[best(held_out_losses(parts, path))])


def fold_equations(problem: Problem, parameters: Floats) -> list[NormalEquations]:
    """Set up normal equations of the linear parameters, one for the frames of each fold.

    Raises
    ------
    InputError
        The problem has fewer than two folds.
    """
    if len(problem.folds) < 2:
        raise InputError(
            "cross-validation needs at least two frames that differ, or two trajectories or groups "
            "with --split-by: add data, or split by frame"
        )
    return [
        problem.part(fold).normal_equations(parameters, linear_only=True) for fold in problem.folds
    ]


def held_out_losses(
    parts: Sequence[NormalEquations], path: Callable[[NormalEquations], Floats]
) -> Floats:
    """Loss of each fold with parameters from the other folds, shape [candidates, folds].

    Parameters
    ----------
    parts
        Normal equations of the folds, about one set of parameters.
    path
        Takes those of all folds but one and gives the changes of the parameters of every
        candidate, shape [candidates, parameters].
    """
    losses = []
    for held_out, part in enumerate(parts):
        others = [each for k, each in enumerate(parts) if k != held_out]
        rest = others[0]
        for each in others[1:]:
            rest += each
        losses.append([part.loss_after(change) for change in path(rest)])
    return np.array(losses).T


def best(losses: Floats) -> int:
    """Return the candidate of least held-out loss."""
    return int(losses.sum(axis=1).argmin())


def simplest(losses: Floats) -> int:
    """Return the first candidate that is as good as the best within one standard error.

    Candidates come simplest first. The error is that of the mean excess over the best, fold by
    fold: what all candidates find hard in a fold does not blur the comparison.
    """
    excess = losses - losses[best(losses)]
    error = excess.std(axis=1, ddof=1) / np.sqrt(losses.shape[1])
    return int(np.argmax(excess.mean(axis=1) <= error))
