"""Which moments a scalar is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from mtpot import _core

Integers = NDArray[np.int64]


def count_factors(core: _core.Potential, kinds: Integers) -> Integers:
    """Count the factors of each kind in every scalar, shape [scalars, kinds].

    `kinds` are those of the basic moments, 0, 1, ...; shape [basic moments].
    """
    counts = np.zeros((core.moment_count, kinds.max(initial=0) + 1), np.int64)
    counts[np.arange(len(kinds)), kinds] = 1
    for left, right, _, target in core.products:
        counts[target] = counts[left] + counts[right]
    return counts[core.scalars]


def scalar_levels(core: _core.Potential) -> Integers:
    """Level of every scalar, the sum of 2 + 4 mu + nu over its factors; shape [scalars]."""
    basics = core.basics
    levels = 2 + 4 * basics[:, 0] + basics[:, 1:].sum(axis=1)
    found: Integers = count_factors(core, levels) @ np.arange(levels.max(initial=0) + 1)
    return found
