"""Grade how far structures are from what a potential was trained on.

  mlp grade potential.almtp frames.xyz --output graded.xyz

A grade below 1 interpolates; above 2 a structure is worth a calculation and a place in the
training set; above 10 the forces cannot be trusted. The output has the info key "grade" and, for
an active set in neighborhood mode, the array "grades" of the atoms.
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
)

if TYPE_CHECKING:
    import argparse

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
    from mtpot.data import read_atoms, write_atoms
    from mtpot.data.atoms import with_grades
    from mtpot.data.check import check_elements
    from mtpot.files import check_target

    if arguments.output:
        check_target(arguments.output, arguments.overwrite)
    potential = load_graded(arguments.potential, arguments.species)
    pairs = read_atoms(arguments.frames, potential.species)
    frames = [frame for _, frame in pairs]
    check_elements(frames, potential.species)
    grades = list(grade_frames(potential, frames, arguments.threads))
    if arguments.output:
        images = [
            with_grades(atoms, each.sites, each.frame)
            for (atoms, _), each in zip(pairs, grades, strict=True)
        ]
        write_atoms(arguments.output, images, arguments.overwrite, potential.species)
    _print([each.frame for each in grades])


def _print(grades: list[float]) -> None:
    beyond = [sum(grade > threshold for grade in grades) for threshold in (1.0, 2.0, 10.0)]
    print(f"{len(grades)} frames, largest grade {max(grades):.4g}")
    print(f"above 1: {beyond[0]}, above 2: {beyond[1]}, above 10: {beyond[2]}")
