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
from mtpot.train.pairs import PairTally

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

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

    Attributes
    ----------
    frames, predictions, grades
        Of a set in a scratch file, those of a sample.
    metrics
        Errors of all frames, in total and per group.
    labels
        Numbers that all frames have: energies, components of forces and stresses.
    """

    frames: Sequence[Frame]
    predictions: Sequence[Prediction]
    metrics: Metrics
    labels: int
    grades: Sequence[Grades] | None = None

    @property
    def pairs(self) -> list[tuple[Frame, Prediction]]:
        """Frame and prediction, one by one."""
        return list(zip(self.frames, self.predictions, strict=True))

    @property
    def sampled(self) -> bool:
        """Whether there are more frames than `frames`."""
        return len(self.frames) < self.metrics.total.frames


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
    distances
        In all frames that it was trained on, or of all sets where these are not known.
    training
        How it was trained, if that is known.
    """

    name: str
    potential: MTP
    sets: Mapping[str, Evaluated]
    distances: PairStatistics
    training: Training | None = None

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
    distances = PairTally(potential.species, potential.cutoff)
    sets = {}
    for kind, members in frames.items():
        known = kind == "train" or "train" not in frames
        passing = _Passing(members, distances if known else None)
        if isinstance(members, StoredFrames):
            metrics = measure(passing, iterate_predictions(potential, members, threads))
            shown: Sequence[Frame] = sample(members)
            predictions = evaluate_frames(potential, shown, threads)
        else:
            shown, predictions = members, evaluate_frames(potential, members, threads)
            metrics = measure(passing, predictions)
        graded = _grade(potential, shown, threads) if kind != "train" else None
        sets[kind] = Evaluated(shown, predictions, metrics, passing.labels, graded)
    return Judged(name, potential, sets, distances.statistics(), training)


def sample(frames: Sequence[Frame]) -> list[Frame]:
    """Read frames evenly spaced in a set, `SHOWN` at most."""
    places = np.unique(np.linspace(0, len(frames) - 1, min(SHOWN, len(frames))).astype(int))
    return [frames[place] for place in places]


def estimate_microseconds(potential: MTP, neighbors: float) -> float:
    """Estimated microseconds per atom for energies and forces on one core."""
    return 1e-3 * _core.cost(potential.core, neighbors).effort


class _Passing:
    """Frames whose labels, and distances if they are asked for, are counted as they pass."""

    def __init__(self, frames: Sequence[Frame], distances: PairTally | None) -> None:
        self.labels = 0
        self._frames, self._distances = frames, distances

    def __iter__(self) -> Iterator[Frame]:
        for frame in self._frames:
            self.labels += frame.energy is not None
            self.labels += sum(
                each.size for each in (frame.forces, frame.stress) if each is not None
            )
            if self._distances is not None:
                self._distances.add(frame)
            yield frame


def _grade(potential: MTP, frames: Sequence[Frame], threads: int) -> list[Grades] | None:
    if potential.selection is None:
        return None
    grader = Grader(potential)
    return [grader.grade(frame_neighborhoods(potential, frame), threads) for frame in frames]
