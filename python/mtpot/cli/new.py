"""Make an untrained potential of any level, to train with mlp train --start.

mlp new --level 16 --species Al,Ni --cutoff 5.0 untrained.mtp
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mtpot.cli.common import add_overwrite, species

if TYPE_CHECKING:
    import argparse

SUMMARY = "make an untrained potential"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    add = parser.add_argument
    add("output", type=Path, metavar="OUTPUT.mtp", help="file to write")
    add("--level", type=int, required=True, metavar="L", help="even, 2 to 28; 16 is a good start")
    add("--species", type=species, required=True, metavar="Al,Ni", help="elements, in this order")
    add("--cutoff", type=float, required=True, metavar="R", help="cutoff in angstrom")
    add(
        "--min-distance",
        type=float,
        default=2.0,
        metavar="R",
        help="shortest distance in angstrom that the radial functions resolve (default: 2.0)",
    )
    add(
        "--radial-size",
        type=int,
        default=8,
        metavar="N",
        help="polynomials in each radial function (default: 8)",
    )
    add(
        "--radial-basis",
        default="RBChebyshev",
        metavar="NAME",
        help="radial basis, by its name in potential files; an unknown name lists those there are "
        "(default: RBChebyshev)",
    )
    add("--max-factors", type=int, default=4, metavar="N", help="most moments in one product (4)")
    add("--max-mu", type=int, default=5, metavar="N", help="largest radial index mu (5)")
    add("--max-nu", type=int, default=10, metavar="N", help="largest tensor rank nu (10)")
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
    potential = MTP.new(
        level=arguments.level,
        species=arguments.species,
        cutoff=arguments.cutoff,
        min_distance=arguments.min_distance,
        radial_size=arguments.radial_size,
        radial_basis=arguments.radial_basis,
        max_factors=arguments.max_factors,
        max_mu=arguments.max_mu,
        max_nu=arguments.max_nu,
    )
    potential.save(arguments.output, overwrite=arguments.overwrite)
    print(f"{arguments.output}: level {potential.level}, {len(potential.parameters)} parameters")
