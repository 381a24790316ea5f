"""Grade how far structures are from what a potential was trained on.

  mlp grade potential.almtp frames.xyz --output graded.xyz

Up to a grade of 2 the potential interpolates; above, a structure is worth a calculation and a
place in the training set (mlp select); above 10 stop, the forces cannot be trusted. The output has
the info key "grade" and, for an active set in neighborhood mode, the array "grades" of the atoms;
in a .cfg file they are called MV_grade and nbh_grades, as by MLIP.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mtpot.cli.common import (
    add_overwrite,
    add_potential,
    add_species,
    add_threads,
    load_graded,
    read_fitting,
)

if TYPE_CHECKING:
    import argparse

    from mtpot.data.frame import Frame

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
    from mtpot.active.select import grade_frames
    from mtpot.data import check_format, write_atoms
    from mtpot.data.atoms import with_grades
    from mtpot.files import check_target

    if arguments.output:
        inputs = (arguments.potential, arguments.frames)
        check_target(arguments.output, arguments.overwrite, inputs)
        check_format(arguments.output)
    potential = load_graded(arguments.potential, arguments.species)
    images, frames = read_fitting(arguments.frames, potential)
    grades = list(grade_frames(potential, frames, arguments.threads))
    _print(frames, [each.frame for each in grades])
    if arguments.output:
        graded = [
            with_grades(atoms, each.sites, each.frame)
            for atoms, each in zip(images, grades, strict=True)
        ]
        write_atoms(arguments.output, graded, arguments.overwrite, potential.species)
        print(f"{arguments.output}: {len(images)} frames")


def _print(frames: list[Frame], grades: list[float]) -> None:
    from mtpot.active.select import TRAINING_THRESHOLD

    largest = max(range(len(grades)), key=grades.__getitem__)
    print(f"{len(grades)} frames, largest grade {grades[largest]:.4g}: {frames[largest].source}")
    # The frames of a training set have 1 up to this threshold.
    beyond = [sum(grade > least for grade in grades) for least in (TRAINING_THRESHOLD, 2.0, 10.0)]
    print(f"above 1: {beyond[0]}, above 2: {beyond[1]}, above 10: {beyond[2]}")
