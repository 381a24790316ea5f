"""Pruning: the most accurate potentials that are faster than a given one.

Backward elimination. The loss around the trained parameters is a quadratic form (see
`quadratic.py`), which says for every group of scalars (`groups.py`) by how much the loss will
rise without it; the engine says how much time it saves. The group with the smallest rise
for the time saved goes, again and again, until the loss has risen by a few percent; then all that
is left is fitted anew. Several such descents start from the whole potential and from its parts of
lower tensor order, since the highest order costs most and is left last by a greedy search. The
points of all that no other beats in both error and effort are fitted to the end.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mtpot import _core
from mtpot.errors import InputError
from mtpot.potential import MTP
from mtpot.train.gauge import normalize
from mtpot.train.groups import Mask, highest_order, natural_groups, orders_up_to
from mtpot.train.loss import Problem, Weights, labeled_frames
from mtpot.train.metrics import rms_errors
from mtpot.train.quadratic import QuadraticModel
from mtpot.train.solvers import Options, minimize

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mtpot.data.frame import Frame

DAMPING = 1e-2  # of radial coefficients in the model of the loss, relative
RISE, FINE_RISE = 0.03, 0.005  # of the loss in one round, as foretold; the second at the budget
LARGEST_GROUP = 0.15  # rise of the loss, for one group, above which it is not looked at
LEAST_SAVING = 0.01  # nanoseconds; fewer scalars are better even if they cost the same
FRESH = 40  # groups whose savings are computed anew before each removal
SHORT_FIT, LONG_FIT = 5, 60  # steps between rounds, and at the end
FIT_TOLERANCE = 1e-4
SLACK = 1.04  # a round may exceed the budget by so much: the last fit often brings it back
RESTART_NOISE = 0.3  # of the radial coefficients of a last fit that begins anew
NEAR, APART = 1.01, 1.06  # ratios of the efforts of points that are fitted to the end

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PruneOptions:
    """What to aim for.

    Attributes
    ----------
    force_error, energy_error
        Shares by which the RMSEs of the training forces and energies may grow.
    weights
        Of the loss, as in training.
    ridge
        Of linear solves, relative.
    restarts
        Fits from random radial functions beside every last one; the best of all is kept.
    threads
        0 takes every core.
    seed
        Of those functions.
    """

    force_error: float = 0.1
    energy_error: float = np.inf
    weights: Weights = field(default_factory=Weights)
    ridge: float = 1e-10
    restarts: int = 2
    threads: int = 0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Point:
    """A potential with its errors on the training set and its cost.

    Attributes
    ----------
    potential
        The potential.
    loss
        As in training.
    force_rmse, energy_rmse
        In eV/angstrom, and in eV per atom.
    effort
        Estimated nanoseconds for an atom with as many neighbors as the training set has on
        average, see `_core.Cost`.
    """

    potential: MTP
    loss: float
    force_rmse: float
    energy_rmse: float
    effort: float


@dataclass(frozen=True, slots=True)
class PruneResult:
    """The potential as it came, then smaller ones, each with less effort and a larger error.

    None exceeds the budget. After an interruption they are those found until then.
    """

    points: list[Point]
    interrupted: bool = False


def prune(
    potential: MTP,
    frames: Sequence[Frame],
    options: PruneOptions,
    progress: Callable[[Point], None] = lambda _: None,
) -> PruneResult:
    """Prune a potential; Ctrl-C ends the search.

    Parameters
    ----------
    potential
        Trained, with element names.
    frames
        Its training set: every frame needs an energy, some forces.
    options
        What to aim for.
    progress
        Called with the start, and with every point that is reached.

    Raises
    ------
    InputError
        The potential is untrained, or the frames have no forces or do not fit the potential.
    """
    if not potential.core.trained:
        raise InputError("an untrained potential has nothing to prune: train it first")
    search = _Search(potential, frames, options, progress)
    found: list[Point] = []
    interrupted = False
    try:
        search.descend(found)
        search.polish(found)
    except KeyboardInterrupt:
        interrupted = True
    return PruneResult(search.chosen(found), interrupted)


def pareto_front(points: Sequence[Point]) -> list[Point]:
    """Points that no other beats in both force error and effort, slowest first."""
    front: list[Point] = []
    for point in sorted(points, key=lambda each: (each.effort, each.force_rmse)):
        if not front or point.force_rmse < front[-1].force_rmse:
            front.append(point)
    return front[::-1]


class _Search:
    """One pruning: the frames, the budget and what is done with a potential."""

    def __init__(
        self,
        potential: MTP,
        frames: Sequence[Frame],
        options: PruneOptions,
        progress: Callable[[Point], None],
    ) -> None:
        if not any(frame.forces is not None for frame in frames):
            raise InputError("no frame has forces, by whose error a potential is pruned")
        self._options = options
        self._progress = progress
        self._labeled, lists = labeled_frames(potential, frames, options.weights)
        self._frames = list(zip(frames, lists, strict=True))
        pairs, atoms = sum(each.pair_count for each in lists), sum(map(len, frames))
        self._neighbors = pairs / atoms
        self._rng = np.random.default_rng(options.seed)
        self.start = self._measured(potential.core, self._loss(potential.core))
        self._most_force = self.start.force_rmse * (1.0 + options.force_error)
        self._most_energy = np.inf
        if np.isfinite(options.energy_error):
            self._most_energy = self.start.energy_rmse * (1.0 + options.energy_error)
        self._progress(self.start)

    def descend(self, found: list[Point]) -> None:
        """Find points on the way down from the whole potential and from its lower orders."""
        core = _without_zeros(self.start.potential.core)
        while True:
            begin = self._best_fit(core)
            self._descend_from(begin, found)
            core = begin.potential.core
            part = orders_up_to(core, highest_order(core) - 1)
            if not self._affordable(begin, SLACK) or not part.any():
                return
            core = _kept(core, part)

    def polish(self, found: list[Point]) -> None:
        """Fit points of the front to the end, from the fastest on."""
        ratio, last = NEAR, 0.0
        near = pareto_front([each for each in found if self._affordable(each, SLACK)])
        within = pareto_front([each for each in found if self._affordable(each)])
        for point in sorted([*near, *within], key=lambda each: each.effort):
            if point.effort < ratio * last:
                continue
            last = point.effort
            found.append(self._best_fit(point.potential.core))
            if self._affordable(found[-1]):
                ratio = APART

    def chosen(self, points: Sequence[Point]) -> list[Point]:
        """Return the start and the front below it, within the budget."""
        better = [
            point
            for point in points
            if self._affordable(point) and point.effort < self.start.effort
        ]
        return [self.start, *pareto_front(better)]

    def _affordable(self, point: Point, slack: float = 1.0) -> bool:
        forces = point.force_rmse <= slack * self._most_force
        return forces and point.energy_rmse <= slack * self._most_energy

    def _descend_from(self, point: Point, found: list[Point]) -> None:
        """Go down by rounds; where one would exceed the budget, by smaller ones."""
        found.append(point)
        rise = RISE
        while self._affordable(point, SLACK) and len(point.potential.core.scalars) > 1:
            below = self._fitted(self._shortened(point.potential.core, rise), SHORT_FIT)
            found.append(below)
            if rise == RISE and not self._affordable(below):
                rise = FINE_RISE
            else:
                point = below

    def _shortened(self, core: _core.Potential, rise: float) -> _core.Potential:
        """Remove groups of scalars until the loss should have risen by this share."""
        round_ = _Round(core, self._model(core), self._neighbors)
        limit = (1.0 + rise) * round_.loss
        round_.remove_best()
        while round_.remaining > 1 and round_.loss < limit:
            round_.remove_best()
        return round_.result()

    def _model(self, core: _core.Potential) -> QuadraticModel:
        problem = self._problem(core)
        diagonal = np.full(problem.parameter_count, self._options.ridge)
        diagonal[: problem.radial_count] = DAMPING
        equations = problem.normal_equations(core.parameters, linear_only=False)
        return QuadraticModel(equations, core.parameters, diagonal)

    def _best_fit(self, core: _core.Potential) -> Point:
        """Fit to the end from the parameters there are and from random radial functions."""
        starts = [core, *(self._restarted(core) for _ in range(self._options.restarts))]
        return min((self._fitted(each, LONG_FIT) for each in starts), key=lambda p: p.loss)

    def _restarted(self, core: _core.Potential) -> _core.Potential:
        parameters = core.parameters
        shape = (core.species_count**2, core.radial_function_count, core.radial_size)
        radial = np.eye(*shape[1:]) + RESTART_NOISE * self._rng.normal(size=shape)
        parameters[: radial.size] = radial.ravel()
        return core.with_parameters(parameters)

    def _fitted(self, core: _core.Potential, steps: int) -> Point:
        fit = Options(steps, FIT_TOLERANCE, self._options.ridge)
        result = minimize(self._problem(core), core.parameters, fit, lambda *_: None)
        if result.stop == "interrupted":
            raise KeyboardInterrupt
        point = self._measured(normalize(core.with_parameters(result.parameters)), result.loss)
        self._progress(point)
        return point

    def _measured(self, core: _core.Potential, loss: float) -> Point:
        energy, force = rms_errors(_core.Evaluator(core), self._frames, self._options.threads)
        assert energy is not None  # labeled_frames() and the constructor refuse frames without
        assert force is not None
        return Point(MTP(core), loss, force, energy, _core.cost(core, self._neighbors).effort)

    def _loss(self, core: _core.Potential) -> float:
        return self._problem(core).normal_equations(core.parameters, linear_only=True).loss

    def _problem(self, core: _core.Potential) -> Problem:
        return Problem(core, self._labeled, self._options.threads)


class _Round:
    """Removals between two fits, guided by one model of the loss."""

    def __init__(self, core: _core.Potential, model: QuadraticModel, neighbors: float) -> None:
        self._core = core
        self._model = model
        self._neighbors = neighbors
        self._groups = natural_groups(core)
        self._savings = np.full(len(self._groups), np.inf)
        self._alive = np.ones(len(core.scalars), dtype=bool)
        self._first = len(core.parameters) - len(core.scalars)
        self._highest_rise = LARGEST_GROUP * model.loss

    @property
    def loss(self) -> float:
        """What the model foretells without the groups removed so far."""
        return self._model.loss

    @property
    def remaining(self) -> int:
        """Number of scalars."""
        return int(self._alive.sum())

    def result(self) -> _core.Potential:
        """Return the potential that is left, with the parameters of the model's minimum."""
        return _kept(self._core.with_parameters(self._model.parameters), self._alive)

    def remove_best(self) -> None:
        """Remove the group whose absence raises the loss least for the time it saves."""
        rises = self._rises()
        scores = {each: rise / self._savings[each] for each, rise in rises.items()}
        promising = sorted(scores, key=lambda each: scores[each])
        # Savings change with every removal, but little: most of those of before still serve.
        unknown = [each for each in promising if np.isinf(self._savings[each])]
        now = self._cost(self._alive)
        for each in dict.fromkeys([*promising[:FRESH], *unknown]):
            saving = now - self._cost(self._alive & ~self._groups[each])
            self._savings[each] = max(saving, LEAST_SAVING)
        best = min(rises, key=lambda each: (rises[each] / self._savings[each], each))
        self._model.hold_at_zero(self._positions(best))
        self._alive &= ~self._groups[best]

    def _rises(self) -> dict[int, float]:
        """Rise of the loss without each group that is there, but not too important or all."""
        rises = {}
        for each, group in enumerate(self._groups):
            if 0 < (group & self._alive).sum() < self._alive.sum():
                rises[each] = self._model.increase(self._positions(each))
        least = min(rises.values())
        return {each: r for each, r in rises.items() if r <= max(self._highest_rise, least)}

    def _positions(self, group: int) -> NDArray[np.int64]:
        return self._first + np.flatnonzero(self._groups[group] & self._alive)

    def _cost(self, mask: Mask) -> float:
        return _core.cost(_kept(self._core, mask), self._neighbors).effort


def _kept(core: _core.Potential, mask: Mask) -> _core.Potential:
    return core.keep_scalars(np.flatnonzero(mask).tolist())


def _without_zeros(core: _core.Potential) -> _core.Potential:
    """Leave out scalars that add nothing as it is, unless there are no others."""
    used = core.parameters[-len(core.scalars) :] != 0.0
    return _kept(core, used) if used.any() else core
