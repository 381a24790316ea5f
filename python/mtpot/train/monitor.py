"""Where a training stands: losses and errors at every step, on what it sees and does not see."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mtpot import _core
from mtpot.data.split import folds
from mtpot.train.covariance import CorrelatedProblem, trajectory_blocks
from mtpot.train.loss import Problem, labeled_frames, weights_of
from mtpot.train.metrics import rms_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mtpot.data.frame import Frame
    from mtpot.potential import MTP
    from mtpot.train.settings import Settings

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

    def __init__(
        self,
        potential: MTP,
        settings: Settings,
        frames: Sequence[Frame],
        validation: Sequence[Frame],
        progress: Callable[[Step], None],
    ) -> None:
        """Prepare the frames for potentials with the cutoff and species of this one.

        Raises
        ------
        InputError
            As `labeled_frames`.
        """
        self._started = time.perf_counter()
        self._threads = settings.threads
        self._progress = progress
        weights = weights_of(settings)
        self._labeled, lists = labeled_frames(potential, frames, weights)
        self._training = list(zip(frames, lists, strict=True))
        self._held_out: list[_core.LabeledFrame] = []
        self._validation: list[tuple[Frame, _core.Neighborhoods]] = []
        if validation:
            self._held_out, lists = labeled_frames(potential, validation, weights)
            self._validation = list(zip(validation, lists, strict=True))
        count = min(FOLDS, len(frames))
        self._folds = folds(frames, count, settings.seed) if count > 1 else []
        correlation = settings.energy_correlation
        self._blocks = trajectory_blocks(frames, correlation) if correlation > 0.0 else []
        self.steps: list[Step] = []

    def problem(self, core: _core.Potential) -> Problem:
        """Return the loss on the training frames for potentials of this form."""
        if self._blocks:
            return CorrelatedProblem(core, self._labeled, self._threads, self._blocks, self._folds)
        return Problem(core, self._labeled, self._threads, self._folds)

    def take_up(self, steps: Sequence[Step]) -> None:
        """Go on after the steps of an earlier run."""
        self.steps = list(steps)
        if steps:
            self._started -= steps[-1].seconds

    def record(self, core: _core.Potential, number: int, loss: float, stage: str) -> Step:
        """Find the errors of a potential, keep them as a step and show it."""
        evaluator = _core.Evaluator(core)
        energy, force = rms_errors(evaluator, self._training, self._threads)
        assert energy is not None  # labeled_frames() has refused frames without
        step = Step(
            number,
            loss,
            time.perf_counter() - self._started,
            energy,
            force,
            *rms_errors(evaluator, self._validation, self._threads),
            self._held_out_loss(core),
            stage,
        )
        self.steps.append(step)
        self._progress(step)
        return step

    def _held_out_loss(self, core: _core.Potential) -> float | None:
        if not self._held_out:
            return None
        problem = Problem(core, self._held_out, self._threads)
        return problem.normal_equations(core.parameters, linear_only=True).loss
