"""Grade how far structures are from what a potential was trained on.

  mlp grade potential.almtp frames.xyz --output graded.xyz

Up to a grade of 2 the potential interpolates; above, a structure is worth a calculation and a
place in the training set (mlp select); above 10 stop, the forces cannot be trusted. The output has
the info key "grade" and, for an active set in neighborhood mode, the array "grades" of the atoms;
in a .cfg file they are called MV_grade and nbh_grades, as by MLIP. Files may be larger than memory.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtpot.cli.common import (
    add_overwrite,
    add_potential,
    add_species,
    add_threads,
    iterate_fitting,
    load_graded,
)

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from mtpot.data.frame import Frame
    from mtpot.potential import MTP

SUMMARY = "extrapolation grades of structures"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    add_potential(parser, "an .almtp file")
    parser.add_argument("frames", type=Path, metavar="FRAMES", help="structures to grade")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write structures and grades")
    add_species(parser)
    add_threads(parser)
    add_overwrite(parser)


def run(arguments: argparse.Namespace) -> None:
    """Run the command.

    Raises
    ------
    InputError, FormatError
        A file is refused or malformed, or the potential has no active set.
    """
    from mtpot.data import check_format, write_atoms
    from mtpot.files import check_target

    if arguments.output:
        inputs = (arguments.potential, arguments.frames)
        check_target(arguments.output, arguments.overwrite, inputs)
        check_format(arguments.output)
    potential = load_graded(arguments.potential, arguments.species)
    summary = _Summary()
    graded = _graded(arguments, potential, summary)
    if arguments.output:
        write_atoms(arguments.output, graded, arguments.overwrite, potential.species)
    else:
        for _ in graded:
            pass
    summary.print()
    if arguments.output:
        print(f"{arguments.output}: {summary.frames} frames")


def _graded(arguments: argparse.Namespace, potential: MTP, summary: _Summary) -> Iterator[Any]:
    """Read, grade and count structure by structure; a few hundred are in memory at a time."""
    from mtpot.active.select import grade_frames
    from mtpot.cli.progress import Ticker
    from mtpot.data.atoms import with_grades

    waiting: deque[tuple[Any, Frame]] = deque()

    def frames() -> Iterator[Frame]:
        for pair in iterate_fitting(arguments.frames, potential):
            waiting.append(pair)
            yield pair[1]

    with Ticker(_Summary.line) as tick:
        for grades in grade_frames(potential, frames(), arguments.threads):
            atoms, frame = waiting.popleft()
            summary.add(frame, grades.frame)
            tick(summary)
            yield with_grades(atoms, grades.sites, grades.frame)


@dataclass
class _Summary:
    """What is said of all frames together."""

    frames: int = 0
    largest: float = -1.0
    source: str = ""
    above: list[int] = field(default_factory=lambda: [0, 0, 0])

    def add(self, frame: Frame, grade: float) -> None:
        from mtpot.active.select import TRAINING_THRESHOLD

        self.frames += 1
        if not grade <= self.largest:
            self.largest, self.source = grade, frame.source
        # The frames of a training set have 1 up to this threshold.
        for k, least in enumerate((TRAINING_THRESHOLD, 2.0, 10.0)):
            self.above[k] += grade > least

    def line(self) -> str:
        return f"{self.frames} frames, largest grade {self.largest:.4g}"

    def print(self) -> None:
        one, two, ten = self.above
        print(f"{self.line()}: {self.source}")
        print(f"above 1: {one}, above 2: {two}, above 10: {ten}")
