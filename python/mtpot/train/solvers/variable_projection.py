"""Variable projection with Levenberg-Marquardt.

Energies, forces and virials are linear in the species energies and in xi, which are solved for
exactly at every step; only the radial coefficients c are nonlinear (Golub & Pereyra, Inverse
Problems 19 (2003) R1). A step solves the joint normal equations of all parameters, with columns
scaled to unit norm and damping on c alone; Nielsen's rule adapts the damping to how well the
quadratic model has foretold the loss.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mtpot.errors import NumericalError
from mtpot.train.solvers.common import Floats, Options, Report, Result

if TYPE_CHECKING:
    from mtpot.train.loss import NormalEquations, Problem

FIRST_DAMPING = 1e-2
LARGEST_DAMPING = 1e8
PATIENCE = 3  # steps in a row that gain little before it stops


@dataclass(frozen=True, slots=True)
class _Point:
    parameters: Floats
    loss: float


def minimize(problem: Problem, start: Floats, options: Options, report: Report) -> Result:
    """Minimize the loss from a start.

    Parameters
    ----------
    problem
        The loss and its normal equations.
    start
        Parameters, radial | linear; of the linear ones only the species energies matter, as the
        offset that rounding sees.
    options
        When to stop, and the ridge.
    report
        Called after the first linear solve (step 0) and after every accepted step.

    Raises
    ------
    NumericalError
        If the start has no finite loss.
    """
    best = _project(problem, start, options.ridge)
    if best is None:
        raise NumericalError(
            "the loss is not finite at the start: look for absurd labels or distances in the "
            "data (mlp evaluate shows the errors), or try another seed"
        )
    report(0, best.loss, best.parameters)
    damping, growth, idle, steps = FIRST_DAMPING, 2.0, 0, 0
    equations = problem.normal_equations(best.parameters, linear_only=False)
    while steps < options.max_steps and idle < PATIENCE and damping < LARGEST_DAMPING:
        change = _step(equations, problem.radial_count, damping, options.ridge)
        foretold = equations.loss - equations.loss_after(change)
        trial = _project(problem, best.parameters + change, options.ridge)
        if trial is None or trial.loss >= best.loss:
            damping, growth = damping * growth, growth * 2.0
            continue
        gain = best.loss - trial.loss
        ratio = gain / foretold if foretold > 0.0 else 0.0
        damping, growth = damping * max(0.1, 1.0 - (2.0 * ratio - 1.0) ** 3), 2.0
        idle = idle + 1 if gain < options.tolerance * best.loss else 0
        best, steps = trial, steps + 1
        report(steps, best.loss, best.parameters)
        equations = problem.normal_equations(best.parameters, linear_only=False)
    return Result(best.parameters, best.loss, steps)


def _project(problem: Problem, parameters: Floats, ridge: float) -> _Point | None:
    """Solve for the linear parameters at fixed radial ones; None if that is not finite."""
    equations = problem.normal_equations(parameters, linear_only=True)
    if not equations.finite:
        return None
    linear = parameters[problem.radial_count :]
    change = _solve(equations, np.full(len(linear), ridge), -ridge_pull(equations, linear, ridge))
    projected = parameters.copy()
    projected[problem.radial_count :] += change
    loss = equations.loss_after(change)
    return _Point(projected, loss) if np.isfinite(loss) else None


def ridge_pull(equations: NormalEquations, linear: Floats, ridge: float) -> Floats:
    """Gradient of the ridge, which pulls the linear parameters themselves towards zero."""
    return ridge * np.diag(equations.matrix) * linear


def _step(equations: NormalEquations, radial_count: int, damping: float, ridge: float) -> Floats:
    diagonal = np.full(len(equations.gradient), ridge)
    diagonal[:radial_count] = damping
    return _solve(equations, diagonal, np.zeros(len(diagonal)))


def _solve(equations: NormalEquations, diagonal: Floats, pull: Floats) -> Floats:
    """Solve (S H S + diagonal) S^-1 x = S (g + pull), where S scales the columns to unit norm."""
    norms = np.sqrt(np.diag(equations.matrix))
    scale = np.where(norms > 0.0, 1.0 / np.where(norms > 0.0, norms, 1.0), 0.0)
    matrix = equations.matrix * np.outer(scale, scale)
    # A column without any derivative (a species that no frame has) keeps its parameter.
    matrix[np.diag_indices_from(matrix)] += np.where(norms > 0.0, diagonal, 1.0)
    solution: Floats = scale * np.linalg.solve(matrix, scale * (equations.gradient + pull))
    return solution
