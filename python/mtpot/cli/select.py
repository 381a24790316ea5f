"""Select the structures that are worth a calculation.

  mlp select potential.almtp candidates.xyz --train train.xyz --threshold 2 --output selected.xyz

Candidates enter the active set until none exceeds the threshold; those that hold a place in it at
the end are written. If there are none, no file is written. Files may be larger than memory: frames
are kept in a scratch file beside the output, about 60 bytes an atom.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtpot.cli.common import (
    add_overwrite,
    add_potential,
    add_species,
    add_threads,
    iterate_fitting,
    load_graded,
    parsed,
)
from mtpot.train.parsers import number

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from mtpot.active.select import Pass
    from mtpot.data.stored import StoredFrames
    from mtpot.potential import MTP

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
    from mtpot.cli.progress import Ticker
    from mtpot.data import check_format, write_atoms
    from mtpot.files import check_target

    inputs = (arguments.potential, arguments.train, arguments.candidates)
    check_target(arguments.output, arguments.overwrite, inputs)
    check_format(arguments.output)
    potential = load_graded(arguments.potential, arguments.species)
    training = _stored(arguments.train, arguments, potential)
    candidates = _stored(arguments.candidates, arguments, potential)
    with Ticker(_line) as tick:
        chosen = select_frames(
            potential, training, candidates, arguments.threshold, arguments.threads, tick
        )
    if not chosen:
        print(f"no candidate exceeds the threshold; {arguments.output} is not written")
        return
    selected = _take(arguments.candidates, potential, set(chosen))
    write_atoms(arguments.output, selected, arguments.overwrite, potential.species)
    print(f"{arguments.output}: {len(chosen)} of {len(candidates)} candidates")


def _stored(path: Path, arguments: argparse.Namespace, potential: MTP) -> StoredFrames:
    """Read frames into a scratch file, from which they are read again in every pass."""
    from mtpot.data.stored import store

    frames = (frame for _, frame in iterate_fitting(path, potential))
    return store(frames, arguments.output.resolve().parent)


def _take(path: Path, potential: MTP, chosen: set[int]) -> Iterator[Any]:
    """Read the file once more, for all that a frame has no place for."""
    for index, (atoms, _) in enumerate(iterate_fitting(path, potential)):
        if index in chosen:
            yield atoms


def _line(state: Pass) -> str:
    return f"{state.seen} of {state.frames} frames, {state.swaps} rows taken"
