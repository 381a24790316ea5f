"""The most useful scalars of a high level, at no more parameters than are asked for.

The scalars of a level are chosen by a rule before any data are seen. Of two potentials with the
same number of parameters, one with the most useful scalars of a higher level fits better, and
predicts better, too. The way there: the potential of the largest level that is small enough is
trained; its radial functions are given to all the scalars of the high level; of these, the least
useful are eliminated; and the rest is trained once more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mtpot.errors import InputError
from mtpot.potential import MTP
from mtpot.train.factors import count_factors, scalar_levels
from mtpot.train.gauge import normalize

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mtpot import _core

    Floats = NDArray[np.float64]


def lower_level(potential: MTP, most: int) -> MTP:
    """Leave the scalars up to the highest level at which there are at most so many parameters.

    Raises
    ------
    InputError
        If not even the lowest level fits.
    """
    levels = scalar_levels(potential.core)
    for level in np.unique(levels)[::-1]:
        kept = np.flatnonzero(levels <= level)
        lower = potential.core.keep_scalars(kept.tolist())
        if len(lower.parameters) <= most:
            return MTP(lower)
    raise InputError(
        f"max-parameters {most} is less than the {len(lower.parameters)} of the lowest level: "
        "raise it or lower radial-size"
    )


def raise_level(potential: MTP, high: MTP) -> MTP:
    """Give the radial functions and coefficients of a potential to one of a higher level.

    Energies stay as they are: scalars that the higher one has in addition start at zero. Those
    made of radial functions that the lower one lacks are left out.
    """
    low = normalize(potential.core)
    functions = low.radial_function_count
    uses = count_factors(high.core, high.core.basics[:, 0])
    kept = np.flatnonzero(~uses[:, functions:].any(axis=1))
    raised = high.core.keep_scalars(kept.tolist())
    linear = np.zeros(len(kept))
    linear[scalar_levels(raised) <= low.level] = _linear(low)
    head = low.parameters[: len(low.parameters) - len(low.scalars)]
    return MTP(raised.with_parameters(np.concatenate([head, linear])))


def without_zeros(core: _core.Potential) -> _core.Potential:
    """Leave out the scalars whose coefficients are zero; the energies stay as they are.

    If all are, the first stays: a potential has at least one.
    """
    used = np.flatnonzero(_linear(core)).tolist()
    return core.keep_scalars(used or [0])


def _linear(core: _core.Potential) -> Floats:
    return core.parameters[len(core.parameters) - len(core.scalars) :]
