"""Arguments and steps that several commands share."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtpot.train.settings import parse_species

if TYPE_CHECKING:
    from rich.console import Console

    from mtpot.potential import MTP
    from mtpot.train.metrics import Metrics


def species(text: str) -> tuple[str, ...]:
    """Parse ``Al,Ni`` for argparse, which shows the message of this error only."""
    try:
        return parse_species(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}") from error


def add_potential(parser: argparse.ArgumentParser, what: str) -> None:
    """Add the positional argument ``potential``."""
    parser.add_argument("potential", type=Path, metavar="POTENTIAL", help=what)


def add_species(parser: argparse.ArgumentParser) -> None:
    """Add ``--species``."""
    parser.add_argument(
        "--species",
        type=species,
        metavar="Al,Ni",
        help="elements in the order of the types, for a potential or .cfg file that names none",
    )


def add_threads(parser: argparse.ArgumentParser) -> None:
    """Add ``--threads``."""
    parser.add_argument(
        "--threads", type=_threads, default=0, metavar="N", help="threads (default: every core)"
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


def make_console() -> Console:
    """Return a console on stdout; wide enough for tables where stdout is no terminal."""
    from rich.console import Console

    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = 160
    return console


def print_errors(console: Console, title: str, metrics: Metrics) -> None:
    """Print the table of errors per group, narrow enough for 80 columns."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from mtpot.train.report import QUANTITIES, error_rows

    style = {"box": SIMPLE_HEAD, "padding": 0}
    table = Table(title=title, title_justify="left", **style)  # type: ignore[arg-type]
    table.add_column("group", overflow="fold")
    table.add_column("frames", justify="right")
    for quantity in QUANTITIES:
        # The name and the unit stand above the first two of its three columns.
        for head in (f"{quantity.name}\nMAE", f"{quantity.unit}\nRMSE", "\nmax"):
            table.add_column(head, justify="right", no_wrap=True)
    for group, frames, _, *errors in error_rows(metrics):
        table.add_row(group, frames, *errors)
    console.print(table)


def to_json(value: Any) -> str:
    """Indented JSON with a final newline."""
    return json.dumps(value, indent=2, allow_nan=False) + "\n"


def _threads(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no number of threads")
    return int(text)
