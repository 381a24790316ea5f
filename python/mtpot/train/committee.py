"""Committees: several sets of linear coefficients for the same radial functions.

Bagging (L. Breiman, Mach. Learn. 24 (1996) 123) refits the species energies and the coefficients
to frames drawn with replacement. With the normal equations of each frame at hand, a refit is one
linear solve, so that all of them together cost little more than one pass over the data.

Potentials that minimize another loss than least squares (robust ones, regressions with a prior,
correlated energies) or have been stopped early lie beside its minimum. Members therefore take over
what the draws change in a refit, not the refit itself: they scatter about the potential, whatever
has chosen it.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mtpot import _core
from mtpot.data.split import trajectories
from mtpot.errors import InputError
from mtpot.train.loss import NormalEquations, factors_of
from mtpot.train.share import Share

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from mtpot.data.frame import Frame
    from mtpot.data.split import By
    from mtpot.potential import MTP
    from mtpot.train.loss import Weights

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def bag(  # noqa: PLR0913 - what a loss is made of, and the draws
    potential: MTP,
    frames: Sequence[Frame],
    weights: Weights,
    *,
    count: int,
    seed: int = 0,
    blocks: Sequence[int] | Integers | None = None,
    ridge: float = 1e-10,
    threads: int = 0,
) -> Floats:
    """Refit the linear parameters to frames drawn with replacement.

    Parameters
    ----------
    potential
        What members scatter about: each is the potential, plus the refit to the frames drawn,
        less the refit to every frame once. Its radial functions stay as they are, and so do
        coefficients of zero, which a sparse solver has chosen.
    frames, weights
        The loss of the refits: least squares, with independent errors.
    count
        Number of refits, 2 or more.
    seed
        Of the draws.
    blocks
        For each frame the number of its block, of frames that are drawn together, as snapshots
        of one trajectory should be; None draws frames one by one.
    ridge
        Pulls each refit towards the potential, relative to columns of unit norm.
    threads
        0 takes every core.

    Returns
    -------
    Species energies and linear coefficients, shape [count, species + scalars].

    Raises
    ------
    InputError
        For unsuitable frames, fewer than two blocks or fewer than two members.
    """
    if count < 2:
        raise InputError(f"a committee has two members or more, not {count}")
    numbers = np.arange(len(frames)) if blocks is None else np.asarray(blocks)
    if len(numbers) != len(frames):
        raise InputError(f"there are {len(frames)} frames and {len(numbers)} numbers of blocks")
    names, block_of = np.unique(numbers, return_inverse=True)
    if len(names) < 2:
        raise InputError("frames that are all drawn together give no committee")
    draws = _draws(len(names), count, seed)
    factors = factors_of(potential, frames, weights)
    labeled = Share(potential, frames, factors, weights, threads).labeled
    linear = len(potential.core.scalars) + potential.core.species_count
    totals = np.zeros((count + 1, linear + 1, linear + 1))
    for gram, block in zip(_grams(potential.core, labeled, threads), block_of, strict=True):
        for fit in np.flatnonzero(draws[:, block]):
            totals[fit] += draws[fit, block] * gram
    start = potential.parameters[-linear:]
    used = start != 0.0
    used[: potential.core.species_count] = True
    of_all, *changes = (_change(total, used, ridge) for total in totals)
    return start - of_all + np.array(changes)


def blocks_of(frames: Sequence[Frame], by: By) -> Integers:
    """Give a number to each block that a committee draws: a frame, a trajectory or a group.

    Raises
    ------
    InputError
        There are fewer than two.
    """
    if by == "trajectory":
        blocks = trajectories(frames)
    elif by == "group":
        blocks = np.unique([frame.group for frame in frames], return_inverse=True)[1]
    else:
        blocks = np.arange(len(frames))
    if len(np.unique(blocks)) < 2:
        raise InputError(
            f"--ensemble draws by {by}, and there is only one: add data, or leave out "
            f"{'--ensemble' if by == 'frame' else '--split-by'}"
        )
    return blocks


def _draws(blocks: int, count: int, seed: int) -> Integers:
    """How often the fit to all, then each member, has each block; shape [1 + count, blocks]."""
    shares = np.full(blocks, 1.0 / blocks)
    drawn = np.random.default_rng(seed).multinomial(blocks, shares, size=count)
    return np.vstack([np.ones((1, blocks), drawn.dtype), drawn])


def _grams(
    core: _core.Potential, frames: Iterable[_core.LabeledFrame], threads: int
) -> Iterator[Floats]:
    """Gram matrix of each frame, in order; as many frames at a time as there are threads."""
    rest = iter(frames)
    design = _core.Design(core)
    team = threads or os.cpu_count() or 1
    with ThreadPoolExecutor(team) as pool:
        while some := list(islice(rest, team)):
            yield from pool.map(lambda each: design.normal_equations([each], True, 1), some)


def _change(gram: Floats, used: NDArray[np.bool_], ridge: float) -> Floats:
    """Step from the potential to the minimum of another loss, with columns of unit norm."""
    equations = NormalEquations(gram[:-1, :-1], gram[:-1, -1], float(gram[-1, -1]))
    scale = equations.column_scales() * used
    matrix = equations.matrix * np.outer(scale, scale)
    matrix[np.diag_indices_from(matrix)] += np.where(scale > 0.0, ridge, 1.0)
    change: Floats = scale * np.linalg.solve(matrix, scale * equations.gradient)
    return change
