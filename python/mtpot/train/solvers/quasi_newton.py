"""BFGS and L-BFGS (SciPy) in all parameters, from gradients of the loss.

Both know nothing of the problem but losses and gradients, so that the units of the parameters
decide how far they come. They work in coordinates z, x = x_0 + S L^-T z, where S scales columns
to unit norm and L L^T is the Gauss-Newton matrix S J^T J S + damping at the start: there the loss
has nearly unit curvature in all directions. The start is first solved for the linear parameters.
To the loss the ridge adds ridge * sum_k (n_k x_k)^2 over the coefficients x_k of scalars, with the
norms n_k of their columns at the start; species energies are pulled to those of the start, by no
more than the smallest ridge. New coordinates after every hundred steps follow the curvature.
Nothing but the parameters is carried over to the next hundred: a killed run can go on from there.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.optimize import minimize

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
from mtpot.train.solvers.variable_projection import minimize as project

if TYPE_CHECKING:
    from mtpot.train.loss import Problem

DAMPING = 1e-6  # of the Gauss-Newton matrix of unit columns, for coordinates to exist
MEMORY = 30  # steps that L-BFGS remembers
HUGE = 1e300
ROUND = 100  # steps between new coordinates
PATIENCE = 30  # steps in the same hundred that together must gain more than the tolerance


def bfgs(problem: Problem, start: Floats, options: Options, report: Report) -> Result:
    """Minimize by BFGS; memory for two square matrices of the parameters."""
    return _minimize("BFGS", problem, start, options, report)


def l_bfgs(problem: Problem, start: Floats, options: Options, report: Report) -> Result:
    """Minimize by L-BFGS."""
    return _minimize("L-BFGS-B", problem, start, options, report)


def _minimize(
    method: Literal["BFGS", "L-BFGS-B"],
    problem: Problem,
    start: Floats,
    options: Options,
    report: Report,
) -> Result:
    silent = replace(options, max_steps=0, resumed=None)
    projected = project(problem, start, silent, lambda *_: None)
    if projected.stop == "interrupted":
        return projected
    search = _Search(problem, start, projected, options, report)
    if options.resumed:
        search.take_up(options.resumed)
    else:
        report(0, projected.loss, projected.parameters, search.memory)
    stop: Stop = "converged"
    try:
        while not search.converged:
            if search.steps >= options.max_steps:
                stop = "max-steps"
                break
            search.renew_coordinates()
            _run_round(method, search, min(search.left, options.max_steps - search.steps))
    except KeyboardInterrupt:
        stop = "interrupted"
    return Result(search.parameters, search.losses[-1], search.steps, stop)


def _run_round(method: Literal["BFGS", "L-BFGS-B"], search: _Search, most: int) -> None:
    before = search.steps
    limits: dict[str, float] = {"maxiter": most, "gtol": 0.0}
    if method == "L-BFGS-B":
        limits |= {"ftol": 0.0, "maxfun": 100 * most, "maxcor": MEMORY}
    minimize(
        search.value,
        np.zeros(len(search.parameters)),
        jac=True,
        method=method,
        callback=search.accept,
        options=limits,
    )
    # A line search that finds nothing better ends a round before its first step.
    search.converged = search.converged or search.steps == before


class _Search:
    """The loss in the coordinates z, and what was accepted on the way.

    Attributes
    ----------
    parameters, steps
        Those accepted last, and the number of accepted steps.
    losses
        Those accepted since the last multiple of `ROUND` steps.
    converged
        Whether the last steps together have gained too little.
    """

    def __init__(
        self, problem: Problem, start: Floats, projected: Result, options: Options, report: Report
    ) -> None:
        self._problem = problem
        self._report = report
        self._options = options
        self._origin = problem.without_coefficients(start)
        self._penalty = self._ridges(projected.parameters)
        self.parameters = projected.parameters
        self.steps = 0
        self.losses = [projected.loss]
        self.converged = False
        self._last = (self.parameters, projected.loss)

    @property
    def left(self) -> int:
        """Number of steps to the next multiple of `ROUND`."""
        return ROUND - self.steps % ROUND

    @property
    def memory(self) -> dict[str, float]:
        """What it needs beside the parameters, at a multiple of `ROUND` steps, to go on."""
        return {"steps": self.steps}

    def take_up(self, mark: Mark) -> None:
        """Go on from where an earlier run was."""
        self.parameters, self.losses = np.array(mark.parameters), [mark.loss]
        self.steps = int(mark.memory["steps"])

    def renew_coordinates(self) -> None:
        """Make z those in which the curvature at the parameters is nearly one."""
        problem = self._problem
        self._center = self.parameters
        equations = problem.normal_equations(self._center, linear_only=False)
        if not equations.finite:
            raise NumericalError("the loss has no finite derivatives: try another seed")
        scale = equations.column_scales()
        matrix = equations.matrix * np.outer(scale, scale)
        matrix[np.diag_indices_from(matrix)] += np.where(scale > 0.0, DAMPING, 1.0)
        self._factor = np.linalg.inv(np.linalg.cholesky(matrix)).T * scale[:, None]

    def value(self, z: Floats) -> tuple[float, Floats]:
        """Loss with its penalty, and its gradient; where there is none, a very large loss."""
        parameters = self._center + self._factor @ z
        if not np.isfinite(parameters).all():
            return HUGE, np.zeros_like(z)
        loss, gradient = self._problem.loss_and_gradient(parameters)
        self._last = (parameters, loss)
        away = parameters - self._origin
        total = loss + float(self._penalty @ away**2)
        if not (np.isfinite(total) and np.isfinite(gradient).all()):
            return HUGE, np.zeros_like(z)
        return total, self._factor.T @ (gradient + 2.0 * self._penalty * away)

    def accept(self, z: Floats) -> None:
        """Take a step; ends the round when the last steps have gained too little."""
        parameters = self._center + self._factor @ z
        if not np.array_equal(parameters, self._last[0]):
            self.value(z)
        self.parameters, loss = self._last
        self.steps += 1
        self.losses.append(loss)
        if len(self.losses) > PATIENCE:
            gained = self.losses[-1 - PATIENCE] - loss
            self.converged = gained < self._options.tolerance * loss
        renewed = self.steps % ROUND == 0 and not self.converged
        if renewed:
            self.losses = [loss]
        self._report(self.steps, loss, parameters, self.memory if renewed else None)
        if self.converged:
            raise StopIteration

    def _ridges(self, parameters: Floats) -> Floats:
        """Ridge of each parameter, with the squared norms of the columns."""
        problem, ridge = self._problem, number_of(self._options.ridge)
        equations = problem.normal_equations(parameters, linear_only=True)
        ridges = np.full(len(equations.gradient), ridge)
        ridges[: problem.species_count] = min(ridge, SMALLEST_RIDGE)
        return np.concatenate([np.zeros(problem.radial_count), ridges * np.diag(equations.matrix)])
