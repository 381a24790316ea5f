"""Regressions for the linear coefficients at fixed radial functions, as solvers.

A regression is a generator: it yields changes of the species energies and the coefficients, each
better than the last, and may be ended by Ctrl-C after any of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property, wraps
from typing import TYPE_CHECKING

from mtpot.errors import NumericalError
from mtpot.train.centered import Centered
from mtpot.train.cross_validation import choose_ridge, fold_equations
from mtpot.train.solvers.common import Floats, Minimize, Options, Report, Result
from mtpot.train.solvers.variable_projection import minimize as project

if TYPE_CHECKING:
    from mtpot.train.loss import NormalEquations, Problem


class Regression:
    """The linear part of a problem.

    Attributes
    ----------
    problem
        The loss.
    origin
        Parameters about which it is set up: radial functions and species energies of the start,
        coefficients of zero.
    options
        Of the solver.
    """

    def __init__(self, problem: Problem, start: Floats, options: Options) -> None:
        self.problem = problem
        self.origin = problem.without_coefficients(start)
        self.options = options

    @cached_property
    def equations(self) -> NormalEquations:
        """Normal equations of the linear parameters, from all frames."""
        equations = self.problem.normal_equations(self.origin, linear_only=True)
        if not equations.finite:
            raise NumericalError(
                "the loss is not finite at the start: look for absurd labels or distances in the "
                "data (mlp evaluate shows the errors)"
            )
        return equations

    @cached_property
    def centered(self) -> Centered:
        """The same for the coefficients alone."""
        return self.center(self.equations)

    @cached_property
    def parts(self) -> list[NormalEquations]:
        """Normal equations of every fold."""
        return fold_equations(self.problem, self.origin)

    @cached_property
    def ridge(self) -> float:
        """The ridge that was given, or that of cross-validation."""
        if self.options.ridge == "auto":
            return choose_ridge(self.problem, self.origin)
        return self.options.ridge

    @property
    def chosen(self) -> dict[str, float]:
        """The ridge if nobody gave it."""
        return {"ridge": self.ridge} if self.options.ridge == "auto" else {}

    def center(self, equations: NormalEquations) -> Centered:
        """Take the species energies out of normal equations about the origin."""
        return Centered.of(equations, self.problem.species_count)

    def loss(self, parameters: Floats) -> float:
        """Loss at the radial functions of the origin, without another pass over the frames."""
        change = (parameters - self.origin)[self.problem.radial_count :]
        return max(self.equations.loss_after(change), 0.0)

    def parameters(self, change: Floats) -> Floats:
        """All parameters after a change of the linear ones."""
        moved = self.origin.copy()
        moved[self.problem.radial_count :] += change
        return moved


@dataclass(frozen=True, slots=True)
class Estimate:
    """A change of species energies | coefficients, and what was chosen on the way."""

    change: Floats
    chosen: dict[str, float] = field(default_factory=dict)


Estimator = Callable[[Regression], Iterator[Estimate]]


def regression(estimate: Estimator) -> Minimize:
    """Make a solver of a regression.

    A start whose coefficients are all zero has no radial functions to speak of: those of variable
    projection, with the same options, are taken then.
    """

    @wraps(estimate)
    def minimize(problem: Problem, start: Floats, options: Options, report: Report) -> Result:
        if start[problem.radial_count + problem.species_count :].any():
            task = Regression(problem, start, options)
            first = Result(start, task.loss(start), 0, "converged")
            report(0, first.loss, start)
        else:
            first = project(problem, start, options, report)
            if first.stop == "interrupted":
                return first
            task = Regression(problem, first.parameters, options)
        return _run(task, estimate, first, report)

    return minimize


def _run(task: Regression, estimate: Estimator, first: Result, report: Report) -> Result:
    result = replace(first, stop="converged")
    try:
        for steps, each in enumerate(estimate(task), first.steps + 1):
            if steps - first.steps > task.options.max_steps:
                return replace(result, stop="max-steps")
            parameters = task.parameters(each.change)
            loss = task.loss(parameters)
            result = Result(parameters, loss, steps, "converged", each.chosen)
            report(steps, loss, parameters)
    except KeyboardInterrupt:
        return replace(result, stop="interrupted")
    return result
