"""Sets of scalars that are worth removing together.

A radial function, a tensor order or a product of moments costs time until the last scalar that
needs it is gone, so the time of single scalars says little. The groups are those that share such
a thing; what they save is for the cost model to say.
"""

from __future__ import annotations

from itertools import combinations_with_replacement
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mtpot.train.factors import count_factors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mtpot import _core

Mask = NDArray[np.bool_]


Integers = NDArray[np.int64]


def natural_groups(core: _core.Potential) -> list[Mask]:
    """Find groups of scalars, masks of shape [scalars]; distinct, none of them all or empty.

    Single scalars; those with the same factors M_{mu,nu}; with a factor of at least some mu and
    nu; with a certain pair of factors; with at least so many factors.
    """
    moments, counts = _factors(core)
    found = {mask.tobytes(): mask for mask in _masks(moments, counts)}
    return [mask for mask in found.values() if 0 < mask.sum() < len(counts)]


def orders_up_to(core: _core.Potential, nu: int) -> Mask:
    """Scalars without a factor of an order above nu, shape [scalars]."""
    moments, counts = _factors(core)
    return ~_with_any(counts, moments[:, 1] > nu)


def highest_order(core: _core.Potential) -> int:
    """Largest nu of a factor."""
    return int(core.basics[:, 1:].sum(axis=1).max())


def _factors(core: _core.Potential) -> tuple[Integers, Integers]:
    """Kinds of moments, mu and nu, and the number of factors of each kind in every scalar."""
    rows = np.column_stack([core.basics[:, 0], core.basics[:, 1:].sum(axis=1)])
    moments, kinds = np.unique(rows, axis=0, return_inverse=True)
    return moments, count_factors(core, kinds.ravel())


def _with_any(counts: Integers, kinds: Mask) -> Mask:
    """Scalars with a factor of one of these kinds."""
    found: Mask = counts[:, kinds].sum(axis=1) > 0
    return found


def _masks(moments: Integers, counts: Integers) -> Iterator[Mask]:
    yield from np.eye(len(counts), dtype=bool)
    yield from (np.all(counts == row, axis=1) for row in np.unique(counts, axis=0))
    for mu, nu in moments:
        for near in (moments[:, 0] == mu, moments[:, 0] >= mu):
            yield _with_any(counts, near & (moments[:, 1] >= nu))
    for pair in combinations_with_replacement(range(len(moments)), 2):
        yield np.all(counts >= np.bincount(pair, minlength=len(moments)), axis=1)
    sizes = counts.sum(axis=1)
    yield from (sizes >= size for size in range(2, sizes.max() + 1))
