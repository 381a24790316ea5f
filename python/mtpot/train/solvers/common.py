"""What every solver takes and gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

Report = Callable[[int, float, Floats], None]
"""Called after every accepted step with its number, the loss and the parameters."""

Stop = Literal["converged", "max-steps", "validation", "interrupted"]
"""Why training stopped; "validation": frames set aside did no better any more; "interrupted" is
Ctrl-C, which leaves the best parameters so far."""


@dataclass(frozen=True, slots=True)
class Options:
    """When to stop, and the ridge (above 0) of linear solves with columns of unit norm."""

    max_steps: int = 60
    tolerance: float = 1e-4
    ridge: float = 1e-10


@dataclass(frozen=True, slots=True)
class Result:
    """The best parameters found, their loss, the number of accepted steps, why it stopped."""

    parameters: Floats
    loss: float
    steps: int
    stop: Stop
