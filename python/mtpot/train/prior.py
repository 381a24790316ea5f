"""What is known of the coefficients before any data: widths of Gaussian priors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mtpot.train.factors import scalar_levels

if TYPE_CHECKING:
    from mtpot import _core

Floats = NDArray[np.float64]

DECAYS = (0.0, 0.1, 0.2, 0.3, 0.4)
"""Tried for priors by level, per unit of level."""


def level_widths(core: _core.Potential, decay: float) -> Floats:
    """Prior widths that decay with the level of the scalar, exp(-decay level); [scalars].

    They multiply those of a flat prior, which are equal in columns of unit norm: simple scalars
    are expected to matter more than complicated ones. Their geometric mean is one.
    """
    levels = scalar_levels(core)
    widths: Floats = np.exp(-decay * (levels - levels.mean()))
    return widths
