"""Solvers: each module has `minimize(problem, start, options, report) -> Result`."""

from mtpot.train.solvers.common import Options, Report, Result, Stop
from mtpot.train.solvers.variable_projection import minimize

__all__ = ["Options", "Report", "Result", "Stop", "minimize"]
