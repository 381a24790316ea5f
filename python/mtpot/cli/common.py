"""Arguments and steps that several commands share."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtpot.train.parsers import integer, parse_species

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mtpot.data.frame import Frame
    from mtpot.potential import MTP
    from mtpot.train.metrics import Metrics

NAME_WIDTH = 10
"""Of the first column of an error table, which has to fit into 80 columns."""


def parsed(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """Wrap a parser of settings for argparse, which shows the messages of this error only."""

    def convert(text: str) -> Any:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{text!r}: {error}") from error

    return convert


def add_potential(parser: argparse.ArgumentParser, what: str) -> None:
    """Add the positional argument ``potential``."""
    parser.add_argument("potential", type=Path, metavar="POTENTIAL", help=what)


def add_species(parser: argparse.ArgumentParser) -> None:
    """Add ``--species``."""
    parser.add_argument(
        "--species",
        type=parsed(parse_species),
        metavar="Al,Ni",
        help="elements in the order of the types, for a potential or .cfg file that names none",
    )


def add_threads(parser: argparse.ArgumentParser) -> None:
    """Add ``--threads``."""
    parser.add_argument(
        "--threads",
        type=parsed(integer(0)),
        default=0,
        metavar="N",
        help="threads (default: every core)",
    )


def add_overwrite(parser: argparse.ArgumentParser) -> None:
    """Add ``--overwrite``."""
    parser.add_argument(
        "--overwrite", action="store_true", help="replace an output file that exists"
    )


def load_named(path: Path, names: tuple[str, ...] | None) -> MTP:
    """Load a trained potential whose elements are known, from the file or from ``--species``.

    Raises
    ------
    InputError
        Elements are missing or disagree, or the potential is untrained.
    FormatError
        The file is malformed.
    """
    from mtpot.errors import InputError
    from mtpot.potential import MTP

    potential = MTP.load(path, species=names)
    if not potential.species:
        raise InputError(
            f"{path} names no elements: give them by --species, in the order of its types "
            f"({potential.core.species_count})"
        )
    if not potential.core.trained:
        raise InputError(f"{path} is untrained: mlp train --start {path} trains it")
    return potential


def load_graded(path: Path, names: tuple[str, ...] | None) -> MTP:
    """As `load_named`, for a potential with an active set.

    Raises
    ------
    InputError, FormatError
        As `load_named`, or there is no active set.
    """
    from mtpot.errors import InputError

    potential = load_named(path, names)
    if potential.selection is None:
        raise InputError(f"{path} has no active set; give the .almtp file of a training")
    return potential


def read_fitting(path: Path, potential: MTP) -> tuple[list[Any], list[Frame]]:
    """Read structures, as ASE's Atoms and as frames, whose elements the potential knows.

    Raises
    ------
    InputError, FormatError
        The file is refused or malformed, or has an element that the potential lacks.
    """
    pairs = list(iterate_fitting(path, potential))
    return [atoms for atoms, _ in pairs], [frame for _, frame in pairs]


def iterate_fitting(path: Path, potential: MTP) -> Iterator[tuple[Any, Frame]]:
    """As `read_fitting`, one by one.

    Raises
    ------
    InputError, FormatError
        As `read_fitting`; the structures before have been given by then.
    """
    from mtpot.data.check import check_elements
    from mtpot.data.read import iterate_atoms

    for atoms, frame in iterate_atoms(path, potential.species):
        check_elements(
            [frame], potential.species, "take a potential that was trained on the element"
        )
        yield atoms, frame


def print_errors(title: str, metrics: Metrics) -> None:
    """Print the table of errors per group, narrow enough for 80 columns."""
    from rich.console import Console
    from rich.table import Table

    from mtpot.train.quantities import QUANTITIES, error_cells, error_rows

    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("group", no_wrap=True)
    table.add_column("frames", justify="right")
    for quantity in QUANTITIES:
        for kind in (f"{quantity.name[0].upper()} MAE", "RMSE", "max"):
            table.add_column(kind, justify="right", no_wrap=True)
    for name, summary in error_rows(metrics).items():
        cells = error_cells(summary, ("mae", "rmse", "maximum"))
        table.add_row(_shortened(name), str(summary.frames), *cells)
    units = ", ".join(f"{q.name} {q.name[0].upper()} in {q.unit}" for q in QUANTITIES)
    console = Console(highlight=False)
    console.print(f"{title}\n{units}", markup=False, soft_wrap=True)
    console.print(table)
    console.print()


def _shortened(name: str) -> str:
    return name if len(name) <= NAME_WIDTH else f"{name[: NAME_WIDTH - 5]}…{name[-4:]}"


def to_json(value: Any) -> str:
    """Indented JSON with a final newline."""
    return json.dumps(value, indent=2, allow_nan=False) + "\n"
