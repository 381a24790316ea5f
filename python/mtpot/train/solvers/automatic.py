"""A ridge by cross-validation for solvers of all parameters."""

from __future__ import annotations

from dataclasses import replace
from functools import wraps
from typing import TYPE_CHECKING

from mtpot.train.cross_validation import choose_ridge
from mtpot.train.solvers.common import SMALLEST_RIDGE, Floats, Minimize, Options, Report, Result

if TYPE_CHECKING:
    from mtpot.train.loss import Problem


def with_automatic_ridge(minimize: Minimize) -> Minimize:
    """Let a solver understand ``ridge="auto"``.

    It goes to its end with the smallest ridge; there, at its radial functions, the ridge is
    chosen, and it goes on with that.
    """

    @wraps(minimize)
    def wrapped(problem: Problem, start: Floats, options: Options, report: Report) -> Result:
        if options.ridge != "auto":
            return minimize(problem, start, options, report)
        first = minimize(problem, start, replace(options, ridge=SMALLEST_RIDGE), report)
        if first.stop == "interrupted":
            return first
        ridge = choose_ridge(problem, first.parameters)
        left = replace(options, ridge=ridge, max_steps=max(options.max_steps - first.steps, 0))

        def report_on(step: int, loss: float, parameters: Floats) -> None:
            report(first.steps + step, loss, parameters)

        last = minimize(problem, first.parameters, left, report_on)
        return replace(last, steps=first.steps + last.steps, chosen={"ridge": ridge})

    return wrapped
