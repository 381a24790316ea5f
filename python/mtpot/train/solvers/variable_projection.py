"""Variable projection with Levenberg-Marquardt.

Energies, forces and virials are linear in the species energies and in xi, which are solved for
exactly at every step; only the radial coefficients c are nonlinear (Golub & Pereyra, Inverse
Problems 19 (2003) R1). A step solves the joint normal equations of all parameters, with columns
scaled to unit norm and damping on c alone; Nielsen's rule adapts the damping to how well the
quadratic model has foretold the loss.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from mtpot.errors import NumericalError
from mtpot.train.solvers.common import (
    SMALLEST_RIDGE,
    Floats,
    Mark,
    Options,
    Report,
    Result,
    Stop,
    number_of,
)

if TYPE_CHECKING:
    from mtpot.train.loss import NormalEquations, Problem

FIRST_DAMPING = 1e-2
LARGEST_DAMPING = 1e8
PATIENCE = 3  # steps in a row that gain little before it stops


@dataclass(frozen=True, slots=True)
class _Point:
    """Parameters and the normal equations there, whose loss is that of the residuals."""

    parameters: Floats
    equations: NormalEquations

    @property
    def loss(self) -> float:
        return self.equations.loss


def minimize(problem: Problem, start: Floats, options: Options, report: Report) -> Result:
    """Minimize the loss from a start.

    Parameters
    ----------
    problem
        The loss and its normal equations.
    start
        Parameters, radial | linear. The ridge pulls the coefficients of the scalars towards zero.
        Species energies are free, so that the zero of energy does not matter; what the frames do
        not tell of them is as in the start.
    options
        When to stop, and the ridge.
    report
        Called after the first linear solve (step 0) and after every accepted step.

    Raises
    ------
    NumericalError
        If the start has no finite loss.
    """
    solver = _Solver(problem, start, options)
    if options.resumed:
        best, search = solver.taken_up(options.resumed), _Search(**options.resumed.memory)
    else:
        best, search = solver.first(start), _Search()
        report(0, best.loss, best.parameters, asdict(search))
    stop: Stop = "converged"
    try:
        while search.idle < PATIENCE and search.damping < LARGEST_DAMPING:
            if search.steps >= options.max_steps:
                stop = "max-steps"
                break
            change = solver.step(best.equations, search.damping)
            foretold = best.loss - best.equations.loss_after(change)
            trial = solver.accepted(best.parameters + change, best.loss)
            if trial is None:
                search = search.rejected()
                continue
            gain = best.loss - trial.loss
            ratio = gain / foretold if foretold > 0.0 else 0.0
            search = search.accepted(ratio, gain < options.tolerance * best.loss)
            best = trial
            report(int(search.steps), best.loss, best.parameters, asdict(search))
    except KeyboardInterrupt:
        stop = "interrupted"
    return Result(best.parameters, best.loss, int(search.steps), stop)


@dataclass(frozen=True, slots=True)
class _Search:
    """Damping and by what it grows when a step is rejected; steps in a row with little gain; steps.

    Numbers that a checkpoint keeps, hence all of one type.
    """

    damping: float = FIRST_DAMPING
    growth: float = 2.0
    idle: float = 0
    steps: float = 0

    def rejected(self) -> _Search:
        return replace(self, damping=self.damping * self.growth, growth=self.growth * 2.0)

    def accepted(self, ratio: float, little: bool) -> _Search:
        """After a step that gained `ratio` of what was foretold; `little` if that is nothing."""
        return _Search(
            self.damping * max(0.1, 1.0 - (2.0 * ratio - 1.0) ** 3),
            2.0,
            self.idle + 1 if little else 0,
            self.steps + 1,
        )


class _Solver:
    """The linear algebra of a step."""

    def __init__(self, problem: Problem, start: Floats, options: Options) -> None:
        self._problem = problem
        self._origin = problem.without_coefficients(start)[problem.radial_count :]
        ridge = number_of(options.ridge)
        self._ridge = np.full(len(self._origin), ridge)
        self._ridge[: problem.species_count] = min(ridge, SMALLEST_RIDGE)

    def first(self, start: Floats) -> _Point:
        """Solve for the linear parameters of the start.

        Raises
        ------
        NumericalError
            There is no finite loss.
        """
        point = self.accepted(start, np.inf)
        if point is None:
            raise NumericalError(
                "the loss is not finite at the start: look for absurd labels or distances in the "
                "data (mlp evaluate shows the errors), or try another seed"
            )
        return point

    def taken_up(self, mark: Mark) -> _Point:
        """Return the point of an earlier run; the same as it was there, bit for bit."""
        parameters = np.array(mark.parameters)
        return _Point(parameters, self._problem.normal_equations(parameters, linear_only=False))

    def accepted(self, parameters: Floats, below: float) -> _Point | None:
        """Solve for the linear parameters; None unless the loss then lies below a bound.

        The quadratic model tells early whether it may, at the cost of the linear columns alone;
        the residuals decide.
        """
        radial = self._problem.radial_count
        equations = self._problem.normal_equations(parameters, linear_only=True)
        if not equations.finite:
            return None
        pull = self._ridge * np.diag(equations.matrix) * (parameters[radial:] - self._origin)
        change = _solve(equations, self._ridge, -pull)
        if below < np.inf and not equations.loss_after(change) < below:
            return None
        projected = parameters.copy()
        projected[radial:] += change
        if not np.isfinite(projected).all():
            return None
        point = _Point(projected, self._problem.normal_equations(projected, linear_only=False))
        return point if point.equations.finite and point.loss < below else None

    def step(self, equations: NormalEquations, damping: float) -> Floats:
        """Change of all parameters by the damped joint normal equations."""
        diagonal = np.full(len(equations.gradient), damping)
        diagonal[self._problem.radial_count :] = self._ridge
        return _solve(equations, diagonal, np.zeros(len(diagonal)))


def _solve(equations: NormalEquations, diagonal: Floats, pull: Floats) -> Floats:
    """Solve (S H S + diagonal) S^-1 x = S (g + pull), where S scales the columns to unit norm.

    Columns of rounding noise keep their parameters.
    """
    scale = equations.column_scales()
    matrix = equations.matrix * np.outer(scale, scale)
    matrix[np.diag_indices_from(matrix)] += np.where(scale > 0.0, diagonal, 1.0)
    try:
        solution: Floats = scale * np.linalg.solve(matrix, scale * (equations.gradient + pull))
    except np.linalg.LinAlgError as error:
        raise NumericalError(
            "the normal equations are singular: give a larger ridge, such as 1e-10"
        ) from error
    return solution
