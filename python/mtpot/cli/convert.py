"""Convert a file of structures; the suffixes name the formats, labels are kept.

MLIP's .cfg and anything that ASE reads or writes go both ways:
  mlp convert in.cfg out.xyz --species Al,Ni
  mlp convert OUTCAR train.cfg
A .cfg file numbers its elements and names none: those of the input by atomic number, unless
--species gives another order.
An .xyz file has 8 decimals of positions and forces. A .cfg file keeps simple values as features
and site_en, charge, nbh_grades and magmom_* as columns, drops other arrays, and cannot hold the
stress of a slab, because it has no place for a cell vector without periodicity. Steps of a program
whose electrons did not converge are left out.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mtpot.cli.common import add_overwrite, parsed
from mtpot.train.parsers import parse_species

if TYPE_CHECKING:
    import argparse

SUMMARY = "convert structures between .cfg and ASE's formats"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("input", type=Path, metavar="INPUT", help="file to read")
    parser.add_argument("output", type=Path, metavar="OUTPUT", help="file to write")
    parser.add_argument(
        "--species",
        type=parsed(parse_species),
        default=(),
        metavar="Al,Ni",
        help="elements in the order of the types; an input .cfg needs them, an output .cfg has by "
        "default those of the input by atomic number",
    )
    add_overwrite(parser)


def run(arguments: argparse.Namespace) -> None:
    """Run the command.

    Raises
    ------
    InputError, FormatError
        A file is refused or malformed, or ``--species`` is missing for an input .cfg.
    """
    from mtpot.data import check_format, read_atoms, write_atoms
    from mtpot.data.check import elements_of
    from mtpot.data.read import kind
    from mtpot.errors import InputError
    from mtpot.files import check_target

    check_target(arguments.output, arguments.overwrite, (arguments.input,))
    check_format(arguments.output)
    everything = read_atoms(arguments.input, arguments.species)
    pairs = [(atoms, frame) for atoms, frame in everything if not frame.unconverged]
    if not pairs:
        raise InputError(f"{arguments.input}: the electrons converged in no frame")
    images, frames = zip(*pairs, strict=True)
    species = arguments.species or elements_of(frames)
    write_atoms(arguments.output, images, arguments.overwrite, species)
    print(f"{arguments.output}: {len(images)} frames")
    to_cfg = kind(arguments.output) == ".cfg"
    if to_cfg:
        types = ", ".join(f"{number} {symbol}" for number, symbol in enumerate(species))
        print(f"types: {types}")
    if len(pairs) < len(everything):
        lost = len(everything) - len(pairs)
        print(f"warning: {lost} frames are left out, because their electrons did not converge")
    slabs = [frame for frame in frames if frame.stress is not None and not frame.pbc.all()]
    if slabs and to_cfg:
        print(f"warning: .cfg cannot hold the stress of a slab; {len(slabs)} frames lose it")
