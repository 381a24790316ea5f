"""Training: from frames and settings to a potential."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mtpot.errors import InputError
from mtpot.neighbors import shortest_distance
from mtpot.potential import MTP
from mtpot.train.gauge import normalize
from mtpot.train.loss import species_energies, weights_of
from mtpot.train.monitor import Monitor, Step
from mtpot.train.solvers import SOLVERS, Options, Result, Stop
from mtpot.train.thin import lower_level, raise_level, without_zeros

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mtpot import _core
    from mtpot.data.frame import Frame
    from mtpot.train.settings import Settings

Floats = NDArray[np.float64]

PROJECTION = "variable-projection"
START_NOISE = 0.05  # of the radial coefficients, around the identity in (mu, beta)


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """A trained potential, its loss on the training set, why training stopped, the way there.

    Of several seeds it is the one that did best, with the steps of all. `validation_loss` is
    that on the frames set aside; `chosen` are the numbers that the solver has chosen by itself, by
    name.
    """

    potential: MTP
    loss: float
    stop: Stop
    seed: int
    validation_loss: float | None = None
    chosen: dict[str, float] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)

    @property
    def score(self) -> float:
        """What seeds are compared by."""
        return self.loss if self.validation_loss is None else self.validation_loss


def train(
    settings: Settings,
    frames: Sequence[Frame],
    validation: Sequence[Frame] = (),
    progress: Callable[[Step], None] = lambda _: None,
) -> TrainingResult:
    """Train a potential on frames.

    Parameters
    ----------
    settings
        Shape of the potential, weights of the loss, solver, seeds and threads; its file names
        are not looked at, except `start`.
    frames
        Trained on; every one needs an energy.
    validation
        Not trained on. Of all steps and seeds, that with the least loss on these frames is kept,
        and training ends when this loss has not fallen for `patience` steps.
    progress
        Called with every step.

    Raises
    ------
    InputError
        For frames without energy, elements that the species lack, or settings that contradict
        each other.
    NumericalError
        If the loss is not finite.
    """
    weights_of(settings).check_groups([*frames, *validation])
    _ = SOLVERS[settings.solver].minimize  # one that needs what is not installed is refused now
    seeds = range(settings.seed, settings.seed + settings.seeds)
    starts = [starting_potential(replace(settings, seed=seed), frames) for seed in seeds]
    monitor = Monitor(starts[0], settings, frames, validation, progress)
    results: list[TrainingResult] = []
    for seed, start in zip(seeds, starts, strict=True):
        results.append(_Training(replace(settings, seed=seed), monitor).run(start))
        if results[-1].stop == "interrupted":
            break
    return replace(min(results, key=lambda result: result.score), steps=monitor.steps)


class _Training:
    """The stages from one start to a trained potential."""

    def __init__(self, settings: Settings, monitor: Monitor) -> None:
        self._settings = settings
        self._monitor = monitor
        chosen = SOLVERS[settings.solver]
        self._nonlinear = PROJECTION if chosen.linear else settings.solver

    def run(self, start: MTP) -> TrainingResult:
        """Train; a regression comes last, when there are radial functions for it."""
        name = self._settings.solver
        if not SOLVERS[name].linear:
            return self._by_stages(start)
        trained = self._settings.start is not None and _has_scalars(start.core)
        if trained and self._settings.max_parameters == 0:
            return self._fit(start, name, name)
        result = self._by_stages(start)
        if result.stop == "interrupted":
            return result
        return self._fit(result.potential, name, name)

    def _by_stages(self, start: MTP) -> TrainingResult:
        """Go by way of a lower level if the parameters are to be fewer than the start's."""
        most = self._settings.max_parameters
        if not 0 < most < len(start.parameters):
            return self._fit(start)
        if self._settings.start is not None and _has_scalars(start.core):
            return self._fit(self._thinned(start), f"{most} parameters")
        lower = lower_level(start, most)
        result = self._fit(lower, f"level {lower.level}")
        if result.stop == "interrupted":
            return result
        try:
            thinned = self._thinned(raise_level(result.potential, start))
        except KeyboardInterrupt:
            return replace(result, stop="interrupted")
        return self._fit(thinned, f"{most} parameters")

    def _thinned(self, potential: MTP) -> MTP:
        """Leave the scalars that serve the loss best at these radial functions."""
        core, most = potential.core, self._settings.max_parameters
        others = len(core.parameters) - len(core.scalars)
        if most <= others:
            raise InputError(
                f"max-parameters {most}: radial functions and species alone have {others}; raise "
                "it or lower radial-size"
            )
        problem = self._monitor.problem(core)
        options = replace(options_of(self._settings, "elimination"), features=most - others)
        result = SOLVERS["elimination"].minimize(
            problem, potential.parameters, options, lambda *_: None
        )
        return MTP(without_zeros(core.with_parameters(result.parameters)))

    def _fit(self, start: MTP, stage: str = "", name: str = "") -> TrainingResult:
        """Run one solver; that of all parameters unless another is named."""
        settings = self._settings
        name = name or self._nonlinear
        if settings.seeds > 1:
            stage = f"seed {settings.seed} {stage}".strip()
        solver = SOLVERS[name]
        # The estimate of a regression is its last step, whatever validation frames say of it.
        patience = None if solver.linear else settings.patience
        watch = _Watch(self._monitor, start.core, stage, patience)
        problem, options = self._monitor.problem(start.core), options_of(settings, name)
        result = watch.best_of(lambda: solver.minimize(problem, start.parameters, options, watch))
        core = start.core.with_parameters(result.parameters)
        if solver.sparse and result.stop != "interrupted":
            core = without_zeros(core)
        return TrainingResult(
            MTP(normalize(core)),
            result.loss,
            result.stop,
            settings.seed,
            watch.validation_loss,
            result.chosen,
        )


def options_of(settings: Settings, name: str) -> Options:
    """Return what the settings tell a solver."""
    return Options(
        settings.max_steps or SOLVERS[name].max_steps,
        settings.tolerance,
        settings.ridge,
        settings.features,
        settings.prior,
    )


class _Overfitting(Exception):  # noqa: N818 - not an error
    """The loss on the validation frames falls no more."""


class _Watch:
    """Reports the steps of a solver and keeps what did best on the validation frames.

    Without patience (None) that is the last step.
    """

    def __init__(
        self, monitor: Monitor, core: _core.Potential, stage: str, patience: int | None
    ) -> None:
        self._monitor = monitor
        self._core = core
        self._stage = stage
        self._patience = patience
        self._best: Result | None = None
        self._idle = 0
        self.validation_loss: float | None = None

    def __call__(self, number: int, loss: float, parameters: Floats) -> None:
        """Take a step."""
        core = self._core.with_parameters(parameters)
        found = self._monitor.record(core, number, loss, self._stage).validation_loss
        if found is None:
            return
        self._idle += 1
        improved = self.validation_loss is None or found < self.validation_loss
        if self._patience is None or improved:
            self._best = Result(parameters, loss, number, "validation")
            self.validation_loss, self._idle = found, 0
        if self._patience and self._patience <= self._idle:
            raise _Overfitting

    def best_of(self, minimize: Callable[[], Result]) -> Result:
        """Run a solver, and take the best step on the validation frames if there are any."""
        try:
            result = minimize()
        except _Overfitting:
            assert self._best is not None
            return self._best
        if self._best is None:
            return result
        return replace(self._best, stop=result.stop, chosen=result.chosen)


def _has_scalars(core: _core.Potential) -> bool:
    """Whether the potential is trained beyond its species energies."""
    return core.trained and bool(np.any(core.parameters[-len(core.scalars) :]))


def starting_potential(settings: Settings, frames: Sequence[Frame]) -> MTP:
    """Return the potential that training begins with: `settings.start`, or a seeded new one.

    Radial functions of a new one start as the first polynomials of the basis with a little noise;
    species energies as the least-squares fit of the frames' energies.
    """
    if settings.start is not None:
        potential = MTP.load(settings.start, species=settings.species or None)
        if potential.core.trained:
            return potential
    else:
        potential = _new_potential(settings, frames)
    core = potential.core
    rng = np.random.default_rng(settings.seed)
    shape = (core.species_count, core.species_count, core.radial_function_count, core.radial_size)
    radial = np.broadcast_to(np.eye(*shape[2:]), shape) + START_NOISE * rng.normal(size=shape)
    linear = np.zeros(len(core.parameters) - radial.size)
    linear[: core.species_count] = species_energies(potential.species, frames)
    potential.parameters = np.concatenate([radial.ravel(), linear])
    return potential


def _new_potential(settings: Settings, frames: Sequence[Frame]) -> MTP:
    shortest = settings.min_distance
    if shortest == "auto":
        shortest = shortest_distance(frames, settings.cutoff)
    return MTP.new(
        level=settings.level,
        species=settings.species,
        cutoff=settings.cutoff,
        min_distance=float(shortest),
        radial_size=settings.radial_size,
        radial_basis=settings.radial_basis,
        max_factors=settings.max_factors,
        max_mu=settings.max_mu,
        max_nu=settings.max_nu,
    )
