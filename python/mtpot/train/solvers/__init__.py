"""Solvers: ways to the parameters of least loss, or of a loss that the noise in labels moves less.

A solver is a function `minimize(problem, start, options, report) -> Result` in a module of its
own or of its family, and a line of `SOLVERS`, over which the command line and the tests run.
Modules load on first use: the command line reads the names alone.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mtpot.train.solvers.common import Minimize, Options, Report, Result, Stop
    from mtpot.train.solvers.variable_projection import minimize

__all__ = ["SOLVERS", "Options", "Report", "Result", "Solver", "Stop", "minimize"]


@dataclass(frozen=True, slots=True)
class Solver:
    """Where a solver is, what it does and which settings of its own it heeds.

    Attributes
    ----------
    place
        Module in this folder and function.
    phrase
        What it does, for the help.
    heeds
        Names of settings that only some solvers have a use for.
    max_steps
        Most steps unless the user gives a number.
    linear
        Whether it is a regression at fixed radial functions.
    sparse
        Whether coefficients that it leaves at zero are to be removed from the potential.
    """

    place: tuple[str, str]
    phrase: str
    heeds: tuple[str, ...] = ("ridge",)
    max_steps: int = 60
    linear: bool = False
    sparse: bool = False

    @property
    def minimize(self) -> Minimize:
        """The function; loads its module."""
        module, function = self.place
        loaded: Minimize = getattr(importlib.import_module(f"{__name__}.{module}"), function)
        return loaded


_regression = partial(Solver, linear=True)

SOLVERS: dict[str, Solver] = {
    "variable-projection": Solver(
        ("variable_projection", "minimize"),
        "Levenberg-Marquardt in the radial coefficients, linear ones solved for in every step",
    ),
    "bfgs": Solver(
        ("quasi_newton", "bfgs"), "all parameters, from gradients of the loss", max_steps=2000
    ),
    "l-bfgs": Solver(("quasi_newton", "l_bfgs"), "the same with little memory", max_steps=2000),
    "least-squares": _regression(
        ("gaussian", "least_squares"),
        "linear coefficients at fixed radial ones, as all that follow",
    ),
    "ridge": _regression(
        ("gaussian", "ridge"), "ridge by cross-validation over frames", heeds=("prior",)
    ),
    "bayesian-ridge": _regression(
        ("bayesian", "bayesian_ridge"), "ridge by its evidence", heeds=("prior",)
    ),
    "ard": _regression(
        ("bayesian", "ard"),
        "automatic relevance determination, a prior width of its own for each coefficient",
        heeds=(),
        sparse=True,
    ),
    "lasso": _regression(
        ("lasso", "lasso"),
        "few coefficients, chosen by a penalty on their sizes",
        heeds=("ridge", "features"),
        sparse=True,
    ),
    "elimination": _regression(
        ("sparse", "elimination"),
        "few coefficients, those left after recursive elimination of the least useful",
        heeds=("ridge", "features"),
        sparse=True,
    ),
    "huber": _regression(("robust", "huber"), "outliers count by their size, not by its square"),
    "least-absolute": _regression(("robust", "least_absolute"), "every error counts by its size"),
}
"""By the name that ``--solver`` takes."""

_LAZY = dict.fromkeys(("Options", "Report", "Result", "Stop"), "common") | {
    "minimize": "variable_projection"
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
