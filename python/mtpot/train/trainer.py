"""Training: from frames and settings to a potential."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mtpot.errors import InputError
from mtpot.neighbors import shortest_distance, shortest_distances
from mtpot.potential import MTP, potential_of, text_of
from mtpot.train.checkpoint import Checkpoint, Outcome, Standing, State
from mtpot.train.cross_validation import choose_ridge
from mtpot.train.gauge import normalize
from mtpot.train.loss import species_energies, weights_of
from mtpot.train.monitor import Monitor, Step
from mtpot.train.share import Alone
from mtpot.train.solvers import SOLVERS, Options, Result, Stop
from mtpot.train.thin import lower_level, raise_level, without_zeros
from mtpot.train.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mtpot import _core
    from mtpot.data.frame import Frame
    from mtpot.short_range import Outer
    from mtpot.train.settings import Settings
    from mtpot.train.share import Team

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


def train(  # noqa: PLR0913, PLR0917 - all but two are for those who ask
    settings: Settings,
    frames: Sequence[Frame],
    validation: Sequence[Frame] = (),
    progress: Callable[[Step], None] = lambda _: None,
    checkpoint: Checkpoint | None = None,
    team: Team | None = None,
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
    checkpoint
        Where to save the state of training wherever its solver can go on, with variable
        projection after every step; what it has from an earlier training is taken up. With the
        same threads the result is that of a training without a pause, bit for bit.
    team
        The processes that share the frames; without, this one alone.

    Raises
    ------
    InputError
        For frames without energy, elements that the species lack, or settings that contradict
        each other.
    NumericalError
        If the loss is not finite.
    KeyboardInterrupt
        On Ctrl-C before the first step. After it the best so far is the result, and its `stop` is
        "interrupted", also if it is of a seed that was finished.
    """
    weights_of(settings).check_groups(chain(frames, validation))
    _ = SOLVERS[settings.solver].minimize  # one that needs what is not installed is refused now
    team = team or Alone()
    team.check(settings)
    seeds = range(settings.seed, settings.seed + settings.seeds)
    starts = [starting_potential(replace(settings, seed=seed), frames) for seed in seeds]
    if len(starts) > 1 and np.array_equal(starts[0].parameters, starts[1].parameters):
        raise InputError(f"seeds {settings.seeds}: {settings.start} gives each the same start")
    monitor = Monitor(starts[0], settings, frames, validation, progress, team)
    saved = checkpoint.saved if checkpoint else None
    # There may be more of them than seeds now; a state on the way is then that of none of these.
    finished = saved.finished[: settings.seeds] if saved else []
    results = [_result_of(outcome) for outcome in finished]
    if saved:
        monitor.take_up(saved.steps)
    try:
        for seed, start in list(zip(seeds, starts, strict=True))[len(results) :]:
            save = _saver(checkpoint, monitor, [_outcome_of(result) for result in results])
            training = _Training(replace(settings, seed=seed), monitor, save)
            results.append(training.run(start, saved))
            saved = None
            if results[-1].stop == "interrupted":
                raise KeyboardInterrupt
    except KeyboardInterrupt:
        if not results:
            raise
        # Seeds are missing, however well one that is finished has done.
        return replace(_best(results), stop="interrupted", steps=monitor.steps)
    return replace(_best(results), steps=monitor.steps)


def _best(results: Sequence[TrainingResult]) -> TrainingResult:
    return min(results, key=lambda result: result.score)


def _saver(
    checkpoint: Checkpoint | None, monitor: Monitor, finished: list[Outcome]
) -> Callable[[int, str, Standing], None]:
    """Return what saves position, first potential and standing of a stage."""

    def save(position: int, start: str, standing: Standing) -> None:
        if checkpoint:
            checkpoint.save(State(finished, position, start, standing, monitor.steps))

    return save


@dataclass(frozen=True, slots=True)
class _Stage:
    """A solver, and the potential that it begins with, made from that of the stage before.

    Whether the ridge is to be chosen first, at the radial functions of that potential, and
    whether it is for a part of the frames alone.
    """

    name: str
    solver: str
    begin: Callable[[MTP], MTP] = lambda potential: potential
    chooses_ridge: bool = False
    warms_up: bool = False


class _Training:
    """The stages from one start to a trained potential."""

    def __init__(
        self,
        settings: Settings,
        monitor: Monitor,
        save: Callable[[int, str, Standing], None],
    ) -> None:
        """Make one; `save` takes position, first potential and standing of a stage."""
        self._settings = settings
        self._monitor = monitor
        self._save = save

    def run(self, start: MTP, saved: State | None) -> TrainingResult:
        """Go through the stages, from where a saved state stands if there is one.

        Raises
        ------
        KeyboardInterrupt
            On Ctrl-C before the first step; after it, what there is is the result.
        """
        result: TrainingResult | None = None
        potential, standing = start, Standing()
        stages = self._stages(start)
        first = saved.position if saved else 0
        for position in range(first, len(stages)):
            try:
                if saved and position == first:
                    potential, standing = potential_of(saved.start), saved.standing
                else:
                    potential = stages[position].begin(potential)
                result = self._fit(potential, stages[position], position, standing)
            except KeyboardInterrupt:
                if result is None:
                    raise
                return replace(result, stop="interrupted")
            if result.stop == "interrupted":
                return result
            potential, standing = result.potential, Standing()
        assert result is not None
        return result

    def _stages(self, start: MTP) -> list[_Stage]:
        """By way of a lower level if parameters are to be fewer; a regression comes last.

        A warm-up is the first of them on a part of the frames. An automatic ridge makes a stage of
        its own of what is done with it: the stages before have the smallest.
        """
        name, most = self._settings.solver, self._settings.max_parameters
        linear = SOLVERS[name].linear
        nonlinear = PROJECTION if linear else name
        fewer = 0 < most < len(start.parameters)
        trained = self._settings.start is not None and _has_scalars(start.core)
        stages = []
        if fewer and not trained:
            low = lower_level(start, most)
            stages = [
                _Stage(f"level {low.level}", nonlinear, lambda _: low),
                _Stage(
                    f"{most} parameters",
                    nonlinear,
                    lambda found: self._thinned(raise_level(found, start)),
                ),
            ]
        elif fewer:
            stages = [_Stage(f"{most} parameters", nonlinear, self._thinned)]
        elif not (linear and trained):
            stages = [_Stage("", nonlinear)]
        if stages and self._settings.warm_up > 0.0:
            name_there = f"{stages[0].name} warm-up".strip()
            warm_up = replace(stages[0], name=name_there, warms_up=True)
            stages[:1] = [warm_up, _Stage(stages[0].name, nonlinear)]
        if stages and self._settings.ridge == "auto":
            stages.append(_Stage("chosen ridge", nonlinear, chooses_ridge=True))
        return [*stages, _Stage(name, name)] if linear else stages

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
        if result.stop == "interrupted":
            raise KeyboardInterrupt
        return MTP(without_zeros(core.with_parameters(result.parameters)))

    def _fit(self, start: MTP, stage: _Stage, position: int, standing: Standing) -> TrainingResult:
        """Run the solver of a stage from where it stands."""
        settings = self._settings
        name = f"seed {settings.seed} {stage.name}".strip() if settings.seeds > 1 else stage.name
        solver = SOLVERS[stage.solver]

        def record(number: int, loss: float, parameters: Floats) -> float | None:
            core = start.core.with_parameters(parameters)
            return self._monitor.record(core, number, loss, name).validation_loss

        # The estimate of a regression is its last step, whatever validation frames say of it.
        patience = None if solver.linear else settings.patience
        text = text_of(start)
        watch = Watch(record, patience, lambda now: self._save(position, text, now), standing)
        options = replace(options_of(settings, stage.solver), resumed=standing.mark)
        monitor = self._monitor
        problem = (monitor.warm_up if stage.warms_up else monitor.problem)(start.core)
        chosen: dict[str, float] = {}

        def minimize() -> Result:
            told = options
            if stage.chooses_ridge:
                chosen["ridge"] = choose_ridge(problem, start.parameters)
                told = replace(options, ridge=chosen["ridge"])
            return solver.minimize(problem, start.parameters, told, watch)

        result = watch.best_of(minimize)
        core = start.core.with_parameters(result.parameters)
        if solver.sparse and result.stop != "interrupted":
            core = without_zeros(core)
        return TrainingResult(
            MTP(normalize(core)),
            result.loss,
            result.stop,
            settings.seed,
            watch.validation_loss,
            chosen | result.chosen,
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


def _outcome_of(result: TrainingResult) -> Outcome:
    same = {item.name: getattr(result, item.name) for item in fields(Outcome)}
    return Outcome(**same | {"potential": text_of(result.potential)})


def _result_of(outcome: Outcome) -> TrainingResult:
    same = {item.name: getattr(outcome, item.name) for item in fields(Outcome)}
    return TrainingResult(**same | {"potential": potential_of(outcome.potential)})


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
    outer: Outer = settings.core_outer
    if settings.core == "zbl" and outer == "auto":
        outer = outer_radii(settings, frames)
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
        core=settings.core,
        core_outer=outer,
    )


def outer_radii(settings: Settings, frames: Sequence[Frame]) -> dict[tuple[str, str], float]:
    """Shortest distance in the frames of each pair of elements that they have."""
    species = settings.species
    shortest = shortest_distances(frames, species, settings.cutoff)
    found = np.argwhere(np.isfinite(shortest))
    return {(species[i], species[j]): float(shortest[i, j]) for i, j in found}
