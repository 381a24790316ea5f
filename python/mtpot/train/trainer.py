"""Training: from frames and settings to a potential."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mtpot import _core
from mtpot.data.neighborhoods import frame_neighborhoods
from mtpot.neighbors import shortest_distance, shortest_distances
from mtpot.potential import MTP
from mtpot.train.gauge import normalize
from mtpot.train.loss import Problem, Weights, labeled_frames
from mtpot.train.metrics import rms_errors
from mtpot.train.solvers import Options, Stop, minimize

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mtpot.data.frame import Frame
    from mtpot.short_range import Outer
    from mtpot.train.settings import Settings

Floats = NDArray[np.float64]

START_NOISE = 0.05  # of the radial coefficients, around the identity in (mu, beta)


@dataclass(frozen=True, slots=True)
class Step:
    """Where training stands: errors are root mean squares, in eV per atom and eV/angstrom."""

    number: int
    loss: float
    seconds: float
    energy_rmse_per_atom: float
    force_rmse: float | None
    validation_energy_rmse_per_atom: float | None = None
    validation_force_rmse: float | None = None


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """A trained potential, its loss on the training set, why training stopped, the way there."""

    potential: MTP
    loss: float
    stop: Stop
    steps: list[Step] = field(default_factory=list)


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
        Shape of the potential, weights of the loss, solver, seed and threads; its file names
        are not looked at, except `start`.
    frames
        Trained on; every one needs an energy.
    validation
        Watched only.
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
    started = time.perf_counter()
    potential = starting_potential(settings, frames)
    labeled, lists = labeled_frames(potential, frames, weights_of(settings))
    monitor = _Monitor(potential, frames, lists, validation, settings.threads)
    steps: list[Step] = []

    def report(number: int, loss: float, parameters: Floats) -> None:
        step = monitor.step(number, loss, time.perf_counter() - started, parameters)
        steps.append(step)
        progress(step)

    problem = Problem(potential.core, labeled, settings.threads)
    options = Options(settings.max_steps, settings.tolerance, settings.ridge)
    result = minimize(problem, potential.parameters, options, report)
    trained = normalize(potential.core.with_parameters(result.parameters))
    return TrainingResult(MTP(trained), result.loss, result.stop, steps)


def weights_of(settings: Settings) -> Weights:
    """Return the weights of the loss that the settings ask for."""
    return Weights(
        settings.energy_weight,
        settings.force_weight,
        settings.stress_weight,
        settings.weighting,
        settings.scale_by_force,
    )


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


def species_energies(species: Sequence[str], frames: Sequence[Frame]) -> Floats:
    """Energy of each species, eV, by least squares of the frames' compositions.

    The solution of smallest norm where compositions do not tell the species apart.
    """
    counts = np.array([[frame.symbols.count(s) for s in species] for frame in frames], float)
    energies = np.array([frame.energy for frame in frames], float)
    solution: Floats = np.linalg.lstsq(counts, energies, rcond=None)[0]
    return solution


class _Monitor:
    """Errors on the training and validation frames at some parameters."""

    def __init__(
        self,
        potential: MTP,
        frames: Sequence[Frame],
        lists: list[_core.Neighborhoods],
        validation: Sequence[Frame],
        threads: int,
    ) -> None:
        self._core = potential.core
        self._threads = threads
        self._training = list(zip(frames, lists, strict=True))
        self._validation = [(frame, frame_neighborhoods(potential, frame)) for frame in validation]

    def step(self, number: int, loss: float, seconds: float, parameters: Floats) -> Step:
        evaluator = _core.Evaluator(self._core.with_parameters(parameters))
        energy, force = rms_errors(evaluator, self._training, self._threads)
        assert energy is not None  # labeled_frames() has refused frames without
        validation = rms_errors(evaluator, self._validation, self._threads)
        return Step(number, loss, seconds, energy, force, *validation)
