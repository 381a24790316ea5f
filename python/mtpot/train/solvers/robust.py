"""Robust regressions, by iteratively reweighted least squares.

What is reweighted are energies, the forces on atoms and the virials of frames: vectors as a
whole, so that the result does not depend on the axes. The size of a weighted residual is the root
mean square of its components. Each kind of label has a scale of its own, so that the weights of
the loss keep their meaning: outliers among energies are those beside other energies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mtpot import _core
from mtpot.train.solvers.regression import Estimate, Regression, regression

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mtpot.train.solvers.common import Floats

    Factors = Callable[[Floats], Floats]

BEND = 1.35  # scales beyond which a residual is an outlier; 95 % efficient for normal errors
SMALLEST = 1e-2  # of the scale: absolute values are rounded off below
UNMOVED = 1e-3  # change of the predictions, relative to the residuals, at which it ends
SCALE_ITERATIONS = 60  # each brings it nearer by a factor of about three
TINY = np.finfo(float).tiny


@regression
def huber(task: Regression) -> Iterator[Estimate]:
    """Squares up to 1.35 scales, absolute values beyond; Huber, Ann. Math. Stat. 35 (1964) 73."""
    start = _least_squares(task)
    yield start
    yield from _reweighted(task, start.change, [_huber_factors] * 3)


@regression
def least_absolute(task: Regression) -> Iterator[Estimate]:
    """Absolute values; a kind of label counts as much as it does in least squares."""
    start = _least_squares(task)
    yield start
    sizes = _residual_sizes(task, start.change)
    yield from _reweighted(task, start.change, [_absolute_factors(each) for each in sizes])


def _huber_factors(sizes: Floats) -> Floats:
    return np.minimum(1.0, BEND * _huber_scale(sizes) / np.maximum(sizes, TINY))


def _absolute_factors(first: Floats) -> Factors:
    scale = max(float(first[first > 0.0].mean()), TINY) if first.any() else TINY
    return lambda sizes: scale / np.maximum(sizes, SMALLEST * scale)


def _huber_scale(sizes: Floats) -> float:
    """Solve s^2 = mean of min(r^2, (1.35 s)^2) for the scale s, Huber's second proposal."""
    squares = sizes[sizes > 0.0] ** 2
    if not squares.size:
        return TINY
    scale = squares.mean()
    for _ in range(SCALE_ITERATIONS):
        scale = np.minimum(squares, BEND**2 * scale).mean()
    return float(np.sqrt(scale))


def _least_squares(task: Regression) -> Estimate:
    return Estimate(task.centered.change(task.centered.solve(task.ridge)), task.chosen)


def _reweighted(task: Regression, change: Floats, factors: Sequence[Factors]) -> Iterator[Estimate]:
    """Iterate until the predictions stand still; takes the factors of the weights of each kind."""
    moved = np.inf
    while moved > UNMOVED**2:
        sizes = _residual_sizes(task, change)
        found = [factor(each) for factor, each in zip(factors, sizes, strict=True)]
        problem = task.problem.with_frames(list(_scaled(task.problem.frames, found)))
        equations = problem.normal_equations(task.origin, linear_only=True)
        centered = task.center(equations)
        after = centered.change(centered.solve(task.ridge))
        step = after - change
        moved = float(step @ equations.matrix @ step) / max(equations.loss_after(after), TINY)
        change = after
        yield Estimate(change, task.chosen)


def _residual_sizes(task: Regression, change: Floats) -> list[Floats]:
    """Sizes of weighted residuals: of energies [K], forces [atoms of all] and virials [K]."""
    core = task.problem.potential.with_parameters(task.parameters(change))
    evaluator = _core.Evaluator(core)
    energies, forces, virials = [], [], []
    for frame in task.problem.frames:
        sites, force, virial = evaluator.evaluate(frame.neighborhoods, task.problem.threads)
        energies.append(np.sqrt(frame.energy_weight) * abs(sites.sum() - frame.energy))
        missed = np.square(force - frame.forces).mean(axis=1)
        forces.append(np.sqrt(frame.force_weights * missed))
        label = frame.virial[[[0, 5, 4], [5, 1, 3], [4, 3, 2]]]
        virials.append(np.sqrt(frame.virial_weight * np.square(virial - label).mean()))
    return [np.array(energies), np.concatenate(forces), np.array(virials)]


def _scaled(
    frames: Sequence[_core.LabeledFrame], factors: Sequence[Floats]
) -> Iterator[_core.LabeledFrame]:
    """Multiply the weights of energies, forces and virials by factors."""
    energies, forces, virials = factors
    first = 0
    for frame, energy, virial in zip(frames, energies, virials, strict=True):
        atoms = len(frame.force_weights)
        yield _core.LabeledFrame(
            frame.neighborhoods,
            frame.energy,
            frame.forces,
            frame.virial,
            energy * frame.energy_weight,
            forces[first : first + atoms] * frame.force_weights,
            virial * frame.virial_weight,
        )
        first += atoms
