"""The commands ``mlp`` and ``mlp-train``.

One module a subcommand, each with a `SUMMARY`, `add_arguments(parser)` and `run(arguments)`;
heavy imports wait until a command runs. Exit codes: 0 done, 2 bad input, 1 anything else.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

import mtpot
from mtpot.cli import convert, evaluate, grade, info, new, select, train
from mtpot.errors import FormatError, InputError, MtpotError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

COMMANDS: dict[str, ModuleType] = {
    "train": train,
    "new": new,
    "evaluate": evaluate,
    "grade": grade,
    "select": select,
    "convert": convert,
    "info": info,
}

_EPILOG = """\
From data to a potential and its errors:
  mlp train --data train.xyz --test test.xyz --level 16 --cutoff 5.0 --output run
  mlp evaluate run/potential.mtp test.xyz
Every command has its own help: mlp train --help.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``mlp`` and return its exit code."""
    return _run(_mlp_parser(), argv)


def main_train(argv: Sequence[str] | None = None) -> int:
    """Run ``mlp-train``, which is ``mlp train``, and return its exit code."""
    parser = argparse.ArgumentParser(prog="mlp-train", **_style(train))
    return _run(_fill(parser, train), argv)


def _mlp_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mlp",
        description="Moment tensor potentials: train, judge and use them.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"mtpot {mtpot.__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, module in COMMANDS.items():
        _fill(subparsers.add_parser(name, help=module.SUMMARY, **_style(module)), module)
    return parser


def _style(module: ModuleType) -> dict[str, Any]:
    return {
        "description": module.__doc__,
        "formatter_class": argparse.RawDescriptionHelpFormatter,
        # An abbreviated flag would change its meaning when a longer one is added.
        "allow_abbrev": False,
    }


def _fill(parser: argparse.ArgumentParser, module: ModuleType) -> argparse.ArgumentParser:
    module.add_arguments(parser)
    parser.set_defaults(run=module.run, prog=parser.prog)
    return parser


def _run(parser: argparse.ArgumentParser, argv: Sequence[str] | None) -> int:
    arguments = parser.parse_args(argv)
    try:
        arguments.run(arguments)
    except (InputError, FormatError) as error:
        return _fail(arguments.prog, str(error), 2)
    except (MtpotError, OSError) as error:
        return _fail(arguments.prog, str(error), 1)
    except MemoryError:
        return _fail(arguments.prog, "not enough memory", 1)
    except KeyboardInterrupt:
        return _fail(arguments.prog, "interrupted", 1)
    return 0


def _fail(program: str, message: str, code: int) -> int:
    sys.stdout.flush()
    print(f"{program}: error: {message}", file=sys.stderr)
    return code
