"""Where a training stands: losses and errors at every step, on what it sees and does not see."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mtpot.data.split import choose_aside, folds_up_to
from mtpot.errors import InputError
from mtpot.train.covariance import CorrelatedProblem, trajectory_blocks
from mtpot.train.loss import weights_of
from mtpot.train.metrics import root_means

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mtpot import _core
    from mtpot.data.frame import Frame
    from mtpot.potential import MTP
    from mtpot.train.covariance import Block
    from mtpot.train.loss import Problem
    from mtpot.train.settings import Settings
    from mtpot.train.share import Held, Team

FOLDS = 5  # of cross-validation


@dataclass(frozen=True, slots=True)
class Step:
    """Errors are root mean squares, in eV per atom and eV/angstrom; seconds since the beginning.

    `number` counts within a stage, of which there are several when a training has several seeds
    or passes through a lower level; `stage` is then its name.
    """

    number: int
    loss: float
    seconds: float
    energy_rmse_per_atom: float
    force_rmse: float | None
    validation_energy_rmse_per_atom: float | None = None
    validation_force_rmse: float | None = None
    validation_loss: float | None = None
    stage: str = ""


class Monitor:
    """The frames of a training, prepared for the engine once, and the steps so far."""

    def __init__(  # noqa: PLR0913, PLR0917 - what `train` is given
        self,
        potential: MTP,
        settings: Settings,
        frames: Sequence[Frame],
        validation: Sequence[Frame],
        progress: Callable[[Step], None],
        team: Team,
    ) -> None:
        """Prepare the frames for potentials with the cutoff and species of this one.

        Raises
        ------
        InputError
            As `Team.hold`, or there is no frame for a warm-up.
        """
        self._started = time.perf_counter()
        self._threads = settings.threads
        self._progress = progress
        weights = weights_of(settings)
        if weights.scale_by_energy > 0.0:
            weights = weights.relative_to(frames, potential.species)
        self._training = team.hold(potential, frames, weights, settings.threads)
        self._held_out: Held | None = None
        if validation:
            self._held_out = team.hold(potential, validation, weights, settings.threads)
        self._folds = folds_up_to(FOLDS, frames, settings.seed, settings.split_by)
        self._first = choose_aside(frames, settings.warm_up, settings.seed)
        if settings.warm_up > 0.0 and not len(self._first):
            raise InputError(
                f"warm-up {settings.warm_up:g} is none of {len(frames)} frames: leave it out"
            )
        self._blocks, self._held_out_blocks = (
            trajectory_blocks(each, settings.energy_correlation)
            if settings.energy_correlation > 0.0
            else []
            for each in (frames, validation)
        )
        self.steps: list[Step] = []

    def problem(self, core: _core.Potential) -> Problem:
        """Return the loss on the training frames for potentials of this form."""
        return self._whitened(self._training.problem(core, self._folds), self._blocks)

    def warm_up(self, core: _core.Potential) -> Problem:
        """Return the terms of this loss that belong to the share of the frames for a warm-up."""
        return self.problem(core).part(self._first)

    def _whitened(self, problem: Problem, blocks: Sequence[Block]) -> Problem:
        if not blocks:
            return problem
        return CorrelatedProblem(
            problem.potential, problem.frames, self._threads, blocks, problem.folds
        )

    def take_up(self, steps: Sequence[Step]) -> None:
        """Go on after the steps of an earlier run."""
        self.steps = list(steps)
        if steps:
            self._started -= steps[-1].seconds

    def record(self, core: _core.Potential, number: int, loss: float, stage: str) -> Step:
        """Find the errors of a potential, keep them as a step and show it."""
        energy, force = root_means(self._training.squared_errors(core))
        assert energy is not None  # Team.hold() has refused frames without
        step = Step(
            number,
            loss,
            time.perf_counter() - self._started,
            energy,
            force,
            *self._held_out_errors(core),
            stage,
        )
        self.steps.append(step)
        self._progress(step)
        return step

    def _held_out_errors(
        self, core: _core.Potential
    ) -> tuple[float | None, float | None, float | None]:
        """Errors of energies and forces, and the loss, on validation frames."""
        if self._held_out is None:
            return None, None, None
        problem = self._whitened(self._held_out.problem(core), self._held_out_blocks)
        loss = problem.normal_equations(core.parameters, linear_only=True).loss
        return *root_means(self._held_out.squared_errors(core)), loss
