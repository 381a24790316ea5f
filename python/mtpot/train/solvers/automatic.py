"""A ridge by cross-validation for solvers of all parameters."""

from __future__ import annotations

from dataclasses import replace
from functools import wraps
from typing import TYPE_CHECKING

import numpy as np

from mtpot.train.cross_validation import choose_ridge
from mtpot.train.solvers.common import SMALLEST_RIDGE, Floats, Minimize, Options, Report, Result

if TYPE_CHECKING:
    from collections.abc import Mapping

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
        mark = options.resumed
        if mark and "ridge" in mark.memory:
            memory = dict(mark.memory)
            ridge, before = memory.pop("ridge"), int(memory.pop("before"))
            parameters, mark = np.array(mark.parameters), replace(mark, memory=memory)
        else:
            first = minimize(problem, start, replace(options, ridge=SMALLEST_RIDGE), report)
            if first.stop == "interrupted":
                return first
            ridge, before = choose_ridge(problem, first.parameters), first.steps
            parameters, mark = first.parameters, None

        def report_on(
            step: int,
            loss: float,
            parameters: Floats,
            memory: Mapping[str, float] | None = None,
            /,
        ) -> None:
            more = None if memory is None else {**memory, "ridge": ridge, "before": before}
            report(before + step, loss, parameters, more)

        left = replace(
            options, ridge=ridge, max_steps=max(options.max_steps - before, 0), resumed=mark
        )
        # Species energies that the data leave open stay those of the start.
        begin = parameters.copy()
        species = slice(problem.radial_count, problem.radial_count + problem.species_count)
        begin[species] = start[species]
        last = minimize(problem, begin, left, report_on)
        return replace(last, steps=before + last.steps, chosen={"ridge": ridge})

    return wrapped
