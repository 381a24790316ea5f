"""The frames that one process answers for, prepared for the engine once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from mtpot import _core
from mtpot.data.stored import StoredFrames
from mtpot.train.chunks import Streamed
from mtpot.train.loss import Problem, factors_of, label
from mtpot.train.metrics import squared_errors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mtpot.data.frame import Frame
    from mtpot.potential import MTP
    from mtpot.train.loss import Floats, Integers, Weights
    from mtpot.train.settings import Settings


class Held(Protocol):
    """Frames, wherever they are held, as the terms of a loss and of errors."""

    def problem(self, core: _core.Potential, folds: Sequence[Integers] = ()) -> Problem:
        """Return the loss on them for potentials of this form."""

    def squared_errors(self, core: _core.Potential) -> Floats:
        """Sum over them, as `mtpot.train.metrics.squared_errors`."""


class Team(Protocol):
    """The processes that share the frames of a training."""

    def hold(self, potential: MTP, frames: Sequence[Frame], weights: Weights, threads: int) -> Held:
        """Prepare frames for potentials with the cutoff and species of this one.

        Raises
        ------
        InputError
            There are no frames, or one has no energy or does not fit the potential; names it.
        """

    def check(self, settings: Settings) -> None:
        """Refuse settings that the team cannot train with.

        Raises
        ------
        InputError
            Naming the setting.
        """


class Share:
    """Frames of this process.

    Those in a scratch file stay there, and their neighbor lists are made anew in every pass.

    Attributes
    ----------
    labeled
        The frames with neighborhoods, labels and weights.
    """

    def __init__(
        self,
        potential: MTP,
        frames: Sequence[Frame],
        factors: Floats,
        weights: Weights,
        threads: int,
    ) -> None:
        """Prepare the frames for potentials with the cutoff and species of this one.

        Parameters
        ----------
        potential
            Gives cutoff and species.
        frames, factors
            Frames, and the factor of each on its weights.
        weights
            Of the kinds of labels.
        threads
            0 takes every core.

        Raises
        ------
        InputError
            A frame does not fit the potential; names it.
        """
        self._frames = frames
        self._threads = threads

        def prepare(position: int) -> _core.LabeledFrame:
            return label(potential, frames[position], float(factors[position]), weights)

        self.labeled: Sequence[_core.LabeledFrame] = (
            Streamed(prepare, np.arange(len(frames)), threads)
            if isinstance(frames, StoredFrames)
            else [prepare(position) for position in range(len(frames))]
        )

    def problem(self, core: _core.Potential, folds: Sequence[Integers] = ()) -> Problem:
        """Return the loss on them for potentials of this form."""
        return Problem(core, self.labeled, self._threads, folds)

    def squared_errors(self, core: _core.Potential) -> Floats:
        """Sum over them, as `mtpot.train.metrics.squared_errors`."""
        pairs = (
            (frame, each.neighborhoods)
            for frame, each in zip(self._frames, self.labeled, strict=True)
        )
        return squared_errors(_core.Evaluator(core), pairs, self._threads)


class Alone:
    """A single process, which holds all frames."""

    def hold(self, potential: MTP, frames: Sequence[Frame], weights: Weights, threads: int) -> Held:
        """Prepare frames; raises as `Team.hold`."""
        return Share(potential, frames, factors_of(potential, frames, weights), weights, threads)

    def check(self, settings: Settings) -> None:
        """Refuse nothing."""
