"""The frames that a potential gets most wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mtpot.data.frame import Frame
    from mtpot.grading import Grades
    from mtpot.train.metrics import Prediction
    from mtpot.train.report.judged import Evaluated


@dataclass(frozen=True, slots=True)
class Deviation:
    """How far off one frame is.

    Attributes
    ----------
    kind, frame
        The frame, and of which set it is.
    energy
        Error in eV per atom; None without a label.
    force
        Length of the largest error of a force, eV/angstrom; None without labels.
    atom
        Which atom has it, counted from zero.
    label
        Length of the reference force there, eV/angstrom.
    grade
        Extrapolation grade of the frame, if it was graded.
    """

    kind: str
    frame: Frame
    energy: float | None
    force: float | None
    atom: int
    label: float
    grade: float | None


def deviations(sets: Mapping[str, Evaluated]) -> list[Deviation]:
    """Go through all frames that have a label."""
    return [each for kind, evaluated in sets.items() for each in _of_set(kind, evaluated)]


def worst_forces(found: list[Deviation], count: int) -> list[Deviation]:
    """Frames with the largest force errors, the largest first."""
    known = [each for each in found if each.force is not None]
    return sorted(known, key=lambda each: each.force or 0.0, reverse=True)[:count]


def worst_energies(found: list[Deviation], count: int) -> list[Deviation]:
    """Frames with the largest energy errors, the largest first."""
    known = [each for each in found if each.energy is not None]
    return sorted(known, key=lambda each: abs(each.energy or 0.0), reverse=True)[:count]


def _of_set(kind: str, evaluated: Evaluated) -> Iterator[Deviation]:
    grades: Sequence[Grades | None] = evaluated.grades or [None] * len(evaluated.frames)
    for (frame, prediction), graded in zip(evaluated.pairs, grades, strict=True):
        if frame.energy is not None or frame.forces is not None:
            yield _deviation(kind, frame, prediction, graded)


def _deviation(kind: str, frame: Frame, prediction: Prediction, graded: Grades | None) -> Deviation:
    energy = None if frame.energy is None else (prediction.energy - frame.energy) / len(frame)
    grade = None if graded is None else graded.frame
    if frame.forces is None:
        return Deviation(kind, frame, energy, None, 0, 0.0, grade)
    errors = np.linalg.norm(prediction.forces - frame.forces, axis=1)
    atom = int(np.argmax(errors))
    label = float(np.linalg.norm(frame.forces[atom]))
    return Deviation(kind, frame, energy, float(errors[atom]), atom, label, grade)
