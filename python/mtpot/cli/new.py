"""Make an untrained potential of any level, to train with mlp train --start.

mlp new --level 16 --species Al,Ni --cutoff 5.0 untrained.mtp
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mtpot.cli.common import add_overwrite, parsed
from mtpot.train.parsers import number
from mtpot.train.settings import SHAPE, options

if TYPE_CHECKING:
    import argparse

SUMMARY = "make an untrained potential"

_REQUIRED = ("level", "species", "cutoff")
_HELP = {
    "species": "elements, in the order of the types",
    "core_outer": "distance in angstrom from which on the core is zero; auto: 0.7 times the sum of "
    "covalent radii",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line: the flags of a training that make the shape."""
    parser.add_argument("output", type=Path, metavar="OUTPUT.mtp", help="file to write")
    for name, option, default in options():
        if name == "min_distance":
            # There are no data from which it could be taken.
            parser.add_argument(
                "--min-distance",
                type=parsed(number(0.0, open_low=True)),
                default=2.0,
                metavar="R",
                help="shortest distance in angstrom that the radial functions resolve "
                "(default: 2.0)",
            )
        elif name in (*SHAPE, "species"):
            required = name in _REQUIRED
            parser.add_argument(
                "--" + name.replace("_", "-"),
                type=parsed(option.parse),
                default=None if required else default,
                required=required,
                metavar=option.metavar,
                help=_HELP.get(name, option.help) + ("" if required else f" (default: {default})"),
            )
    add_overwrite(parser)


def run(arguments: argparse.Namespace) -> None:
    """Run the command.

    Raises
    ------
    InputError
        A number is out of range, or the target is refused.
    """
    from mtpot.files import check_target
    from mtpot.potential import MTP

    check_target(arguments.output, arguments.overwrite)
    shape = {name: getattr(arguments, name) for name in (*SHAPE, "species")}
    potential = MTP.new(**shape)
    potential.save(arguments.output, overwrite=arguments.overwrite)
    print(f"{arguments.output}: level {potential.level}, {len(potential.parameters)} parameters")
