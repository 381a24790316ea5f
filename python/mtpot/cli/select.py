"""Select the structures that are worth a calculation.

  mlp select potential.almtp candidates.xyz --train train.xyz --threshold 2 --output selected.xyz

Candidates enter the active set until none exceeds the threshold; those that hold a place in it at
the end are written. If there are none, no file is written.
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
    parsed,
    read_fitting,
)
from mtpot.train.parsers import number

if TYPE_CHECKING:
    import argparse

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
        type=parsed(number(1.0, open_low=True)),
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
    from mtpot.data import check_format, write_atoms
    from mtpot.files import check_target

    inputs = (arguments.potential, arguments.train, arguments.candidates)
    check_target(arguments.output, arguments.overwrite, inputs)
    check_format(arguments.output)
    potential = load_graded(arguments.potential, arguments.species)
    _, training = read_fitting(arguments.train, potential)
    images, candidates = read_fitting(arguments.candidates, potential)
    chosen = select_frames(potential, training, candidates, arguments.threshold, arguments.threads)
    if not chosen:
        print(f"no candidate exceeds the threshold; {arguments.output} is not written")
        return
    selected = [images[index] for index in chosen]
    write_atoms(arguments.output, selected, arguments.overwrite, potential.species)
    print(f"{arguments.output}: {len(selected)} of {len(candidates)} candidates")
