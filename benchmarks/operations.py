"""Floating-point operations that a moment tensor potential needs for the forces of one atom."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from mtpot import _core


def operations(potential: _core.Potential, neighbors: float) -> float:
    """Count what energies and forces need for an atom with so many neighbors inside the cutoff.

    The count is of the method, not of the instructions that an engine spends on it: energy,
    moments, their adjoints and pair forces, each by the shortest form that the engine knows, with
    the contractions as the potential's file lists them. Comparisons, loads and padding are not in
    it. A fused multiply-add counts 2, a division or a square root 1.
    """
    return neighbors * _of_pair(potential) + _of_products(potential)


def _of_pair(potential: _core.Potential) -> float:
    """Sum up one pair.

    With K radial functions, a basis of R, N the highest order of a moment, and C = sum over the
    radial functions of (highest order + 1)^2 components (|r| = 1 gives the others):

    - distance and unit vector: 10
    - basis by its recurrence (2), derivatives by theirs (4), smoothing of both (5): 11 R
    - radial functions and derivatives: 4 K R
    - (N + 1)^2 - 1 products for the monomials
    - moments: 2 C; their adjoints, summed over components and over radial functions: 4 C
    - gradient of the monomials, by going back through them: 4 N (N + 1) + 4 N
    - force: 2 K for the radial part, and 21 for the projection and the sum of forces
    """
    basics = potential.basics
    orders = basics[:, 1:].sum(axis=1)
    functions = np.unique(basics[:, 0])
    components = sum((orders[basics[:, 0] == mu].max() + 1) ** 2 for mu in functions)
    count, size, highest = len(functions), potential.radial_size, int(orders.max())
    monomials = (highest + 1) ** 2 - 1
    back = 4 * highest * (highest + 1) + 4 * highest
    return float(
        10 + 11 * size + 4 * count * size + monomials + 6 * components + back + 2 * count + 21
    )


def _of_products(potential: _core.Potential) -> float:
    """Sum up the contractions.

    A product that others read costs 3 forward (coefficient, multiply-add) and 5 back (coefficient,
    two multiply-adds). Those that only the energy reads make it a quadratic form, in which each
    different pair of moments costs 6: a multiply-add for the energy and one for an adjoint, and
    once the coefficient and a sum. The scalars that remain enter linearly.
    """
    products, scalars = potential.products, potential.scalars
    read = np.zeros(potential.moment_count, bool)
    read[products[:, :2].ravel()] = True
    inner = read[products[:, 3]]
    last = np.unique(np.sort(products[~inner, :2], axis=1), axis=0)
    linear = np.setdiff1d(scalars, products[~inner, 3])
    return float(8 * np.count_nonzero(inner) + 6 * len(last) + 2 * len(linear))
