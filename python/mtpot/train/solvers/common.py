"""What every solver takes and gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from mtpot.train.loss import Problem

Floats = NDArray[np.float64]


Stop = Literal["converged", "max-steps", "validation", "interrupted"]
"""Why training stopped; "validation": frames set aside did no better any more; "interrupted" is
Ctrl-C, which leaves the best parameters so far."""

Prior = Literal["flat", "level"]
"""Prior width of the linear coefficients in columns of unit norm: equal, or less by level."""

SMALLEST_RIDGE = 1e-10


class Report(Protocol):
    """Called after every accepted step."""

    def __call__(
        self,
        number: int,
        loss: float,
        parameters: Floats,
        memory: Mapping[str, float] | None = None,
        /,
    ) -> None:
        """Take number, loss and parameters of a step.

        `memory` are the numbers that the solver needs beside the parameters to go on from there
        as if it had never stopped; None if that is more than a few numbers.
        """


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a solver can take up again.

    Attributes
    ----------
    step, loss
        Number and loss of the last accepted step.
    parameters
        Those of that step, radial | linear.
    memory
        The solver's own numbers.
    """

    step: int
    loss: float
    parameters: list[float]
    memory: dict[str, float]


@dataclass(frozen=True, slots=True)
class Options:
    """When to stop, and what a solver is told besides.

    Attributes
    ----------
    max_steps, tolerance
        It stops after so many steps, or when steps lower the loss by less than this share of it.
    ridge
        Above 0, of linear solves with columns of unit norm, or "auto": by cross-validation at
        fixed radial functions. While these are sought it is the smallest.
    features
        How many coefficients of scalars a sparse solver keeps; None: by cross-validation.
    prior
        How the prior width of coefficients goes with the level of their scalars.
    resumed
        Where an earlier run of the same solver from the same start was, to go on from there;
        solvers that give no memory in their reports begin again.
    """

    max_steps: int = 60
    tolerance: float = 1e-4
    ridge: float | Literal["auto"] = SMALLEST_RIDGE
    features: int | None = None
    prior: Prior = "flat"
    resumed: Mark | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What a solver has found.

    Attributes
    ----------
    parameters, loss
        The best parameters, and the loss there, without any penalty.
    steps
        The number of accepted steps.
    stop
        Why it stopped.
    chosen
        Numbers that it has chosen by itself, such as a ridge, by name.
    """

    parameters: Floats
    loss: float
    steps: int
    stop: Stop
    chosen: dict[str, float] = field(default_factory=dict)


Minimize = Callable[["Problem", Floats, Options, Report], Result]
"""Minimize the loss of a problem from a start: parameters, radial | linear."""


def number_of(ridge: float | Literal["auto"]) -> float:
    """Return the ridge, or the smallest where the automatic one is not chosen yet."""
    return SMALLEST_RIDGE if ridge == "auto" else ridge
