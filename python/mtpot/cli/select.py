"""Select the structures that are worth a calculation.

  mlp select potential.almtp candidates.xyz --train train.xyz --threshold 2 --output selected.xyz

Candidates enter the active set until none exceeds the threshold; those that hold a place in it at
the end are written.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mtpot.cli.common import (
    add_overwrite,
    add_potential,
    add_species,
    add_threads,
    load_graded,
)

SUMMARY = "select structures worth a calculation"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    add_potential(parser, "an .almtp file")
    add = parser.add_argument
    add("candidates", type=Path, metavar="CANDIDATES", help="structures to select from")
    add(
        "--train",
        type=Path,
        required=True,
        metavar="FILE",
        help="frames the potential was trained on",
    )
    add(
        "--threshold",
        type=_threshold,
        default=2.0,
        metavar="X",
        help="largest grade of a candidate that stays out (default: 2)",
    )
    add("--output", type=Path, required=True, metavar="FILE", help="write selected structures")
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
    from mtpot.active.select import select_frames
    from mtpot.data import read_atoms, read_frames, write_atoms
    from mtpot.data.check import check_elements
    from mtpot.files import check_target

    check_target(arguments.output, arguments.overwrite)
    potential = load_graded(arguments.potential, arguments.species)
    training = read_frames(arguments.train, potential.species)
    pairs = read_atoms(arguments.candidates, potential.species)
    candidates = [frame for _, frame in pairs]
    check_elements([*training, *candidates], potential.species)
    chosen = select_frames(potential, training, candidates, arguments.threshold, arguments.threads)
    images = [pairs[index][0] for index in chosen]
    write_atoms(arguments.output, images, arguments.overwrite, potential.species)
    print(f"{arguments.output}: {len(images)} of {len(candidates)} candidates")


def _threshold(text: str) -> float:
    try:
        value = float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from error
    if not 1.0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text}: a threshold is more than 1")
    return value
