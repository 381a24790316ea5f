"""A potential and what it was judged by: the frames, its predictions, and how it was made."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from mtpot import _core
from mtpot.data.neighborhoods import frame_neighborhoods
from mtpot.data.stored import StoredFrames
from mtpot.grading import Grader
from mtpot.train.metrics import evaluate_frames, iterate_predictions, measure
from mtpot.train.pairs import pair_statistics

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mtpot.data.frame import Frame
    from mtpot.grading import Grades
    from mtpot.potential import MTP
    from mtpot.train.metrics import Metrics, Prediction
    from mtpot.train.pairs import PairStatistics
    from mtpot.train.report.record import Training

SHOWN = 500
"""Frames of a set in a scratch file that a report draws."""


@dataclass(frozen=True, eq=False)
class Evaluated:
    """A set of frames with its predictions and, if they were graded, its grades.

    Of a set in a scratch file `frames` are a sample, and `measured` are the errors of all.
    """

    frames: Sequence[Frame]
    predictions: Sequence[Prediction]
    grades: Sequence[Grades] | None = None
    measured: Metrics | None = None

    @property
    def pairs(self) -> list[tuple[Frame, Prediction]]:
        """Frame and prediction, one by one."""
        return list(zip(self.frames, self.predictions, strict=True))

    @cached_property
    def metrics(self) -> Metrics:
        """Errors in total and per group."""
        return self.measured or measure(self.frames, self.predictions)


@dataclass(frozen=True, eq=False)
class Judged:
    """One potential under report.

    Attributes
    ----------
    name
        What to call it.
    potential
        Trained, with element names.
    sets
        Under "train", "validation" and "test", as far as there are any.
    training
        How it was trained, if that is known.
    """

    name: str
    potential: MTP
    sets: Mapping[str, Evaluated]
    training: Training | None = None

    @cached_property
    def distances(self) -> PairStatistics:
        """Distances in the frames that it was trained on, or in all where these are not known."""
        known = [self.sets["train"]] if "train" in self.sets else list(self.sets.values())
        frames = (frame for each in known for frame in each.frames)
        return pair_statistics(frames, self.potential.species, self.potential.cutoff)

    @cached_property
    def microseconds(self) -> float:
        """Estimated time of energies and forces per atom, for as many neighbors as in the data."""
        return estimate_microseconds(self.potential, self.distances.neighbors)


def judge(
    name: str,
    potential: MTP,
    frames: Mapping[str, Sequence[Frame]],
    training: Training | None = None,
    threads: int = 0,
) -> Judged:
    """Evaluate frames, and grade those that were not trained on if there is an active set.

    Raises
    ------
    InputError, NumericalError
        A frame does not fit the potential; the message names it.
    """
    sets = {}
    for kind, members in frames.items():
        measured = None
        shown = members
        if isinstance(members, StoredFrames):
            found = iterate_predictions(potential, members, threads)
            measured, shown = measure(members, found), sample(members)
        graded = _grade(potential, shown, threads) if kind != "train" else None
        predictions = evaluate_frames(potential, shown, threads)
        sets[kind] = Evaluated(shown, predictions, graded, measured)
    return Judged(name, potential, sets, training)


def sample(frames: Sequence[Frame]) -> list[Frame]:
    """Read frames evenly spaced in a set, `SHOWN` at most."""
    places = np.unique(np.linspace(0, len(frames) - 1, min(SHOWN, len(frames))).astype(int))
    return [frames[place] for place in places]


def estimate_microseconds(potential: MTP, neighbors: float) -> float:
    """Estimated microseconds per atom for energies and forces on one core."""
    return 1e-3 * _core.cost(potential.core, neighbors).effort


def _grade(potential: MTP, frames: Sequence[Frame], threads: int) -> list[Grades] | None:
    if potential.selection is None:
        return None
    grader = Grader(potential)
    return [grader.grade(frame_neighborhoods(potential, frame), threads) for frame in frames]
