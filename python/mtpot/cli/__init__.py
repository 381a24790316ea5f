"""The commands ``mlp`` and ``mlp-train``.

One module a subcommand, each with a `SUMMARY`, `add_arguments(parser)` and `run(arguments)`;
heavy imports wait until a command runs. Exit codes: 0 done, 2 bad input, 1 anything else.
"""

from __future__ import annotations

import argparse
import difflib
import io
import itertools
import os
import sys
from typing import TYPE_CHECKING, Any, NoReturn

import mtpot
from mtpot.cli import convert, data, evaluate, grade, info, learn, new, prune, report, select, train
from mtpot.errors import FormatError, InputError, MtpotError
from mtpot.train.launch import join, place

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType

    from mtpot.train.processes import Processes

_Subparsers = argparse._SubParsersAction

COMMANDS: dict[str, ModuleType] = {
    "train": train,
    "new": new,
    "evaluate": evaluate,
    "report": report,
    "grade": grade,
    "select": select,
    "learn": learn,
    "prune": prune,
    "convert": convert,
    "data": data,
    "info": info,
}

_EPILOG = """\
From data to a potential and its errors:
  mlp train --data train.xyz --test test.xyz --level 16 --cutoff 5.0 --output run
  mlp evaluate run/potential.mtp test.xyz
Every command has its own help: mlp train --help.
"""


class Parser(argparse.ArgumentParser):
    """Says in one line what is wrong, and which flag may have been meant."""

    def error(self, message: str) -> NoReturn:
        """Exit with 2, without the usage that argparse would print first."""
        if message.startswith("unrecognized arguments"):
            message += "; a flag takes one value, but --data and --test several"
        for action in self._actions:
            if message == str(argparse.ArgumentError(action, "expected one argument")):
                told = self._get_formatter()._expand_help(action)
                message = f"{action.option_strings[-1]} needs a value: {told}"
        self.exit(2, f"{self.prog}: error: {message}; see {self.prog} --help\n")

    def check_flags(self, words: Sequence[str]) -> None:
        """Refuse an unknown flag before argparse complains of whatever it lacks without it."""
        nested = next((a.choices for a in self._actions if isinstance(a, _Subparsers)), None)
        if nested and words and words[0] in nested:
            nested[words[0]].check_flags(words[1:])
            return
        known = list(self._option_string_actions)
        given = itertools.takewhile(lambda word: word != "--", words)
        for flag in (word.split("=")[0] for word in given if word.startswith("--")):
            if flag not in known:
                near = difflib.get_close_matches(flag, known, n=1)
                hint = f"; did you mean {near[0]}?" if near else f"; see {self.prog} --help"
                self.exit(2, f"{self.prog}: error: unknown flag {flag}{hint}\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``mlp`` and return its exit code."""
    parser = Parser(
        prog="mlp",
        description="Moment tensor potentials: train, judge and use them.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"mtpot {mtpot.__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    commands = {
        name: _fill(subparsers.add_parser(name, help=module.SUMMARY, **_style(module)), module)
        for name, module in COMMANDS.items()
    }
    words = sys.argv[1:] if argv is None else list(argv)

    def run(team: Processes | None) -> int:
        if words and words[0] in commands:
            commands[words[0]].check_flags(words[1:])
        return _run(parser, words, team)

    return _together(parser.prog, run)


def main_train(argv: Sequence[str] | None = None) -> int:
    """Run ``mlp-train``, which is ``mlp train``, and return its exit code."""
    parser = _fill(Parser(prog="mlp-train", **_style(train)), train)
    words = sys.argv[1:] if argv is None else list(argv)

    def run(team: Processes | None) -> int:
        parser.check_flags(words)
        return _run(parser, words, team)

    return _together(parser.prog, run)


def _together(program: str, run: Callable[[Processes | None], int]) -> int:
    """Run on the first of the processes under `mpirun`, while the others do as it orders."""
    found = place()
    if found is None:
        return run(None)
    try:
        team = join(found)
    except InputError as error:
        return 2 if found.rank else _fail(program, str(error), 2)
    if team.rank:
        return team.serve()
    code = 1
    try:
        code = run(team)
    except SystemExit as exit_:
        code = exit_.code if isinstance(exit_.code, int) else 1
        raise
    finally:
        team.dismiss(code)
    return code


def _style(module: ModuleType) -> dict[str, Any]:
    return {
        "description": module.__doc__,
        "formatter_class": argparse.RawDescriptionHelpFormatter,
        # An abbreviated flag would change its meaning when a longer one is added.
        "allow_abbrev": False,
    }


def _fill(parser: Parser, module: ModuleType) -> Parser:
    module.add_arguments(parser)
    parser.set_defaults(run=module.run, prog=parser.prog)
    return parser


def _run(parser: Parser, words: Sequence[str], team: Processes | None) -> int:
    _print_anything()
    arguments = parser.parse_args(words)
    try:
        if team is not None:
            _give_team(arguments, team)
        return int(arguments.run(arguments) or 0)
    except (InputError, FormatError) as error:
        return _fail(arguments.prog, str(error), 2)
    except BrokenPipeError:  # the reader of our output has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (MtpotError, OSError) as error:
        return _fail(arguments.prog, str(error), 1)
    except MemoryError:
        return _fail(arguments.prog, "not enough memory", 1)
    except KeyboardInterrupt:
        return _fail(arguments.prog, "interrupted", 1)


def _give_team(arguments: argparse.Namespace, team: Processes) -> None:
    if arguments.run is not train.run:
        raise InputError(
            f"{team.size} processes were started, and only training has a use for them: run it "
            "without mpirun"
        )
    arguments.team = team


def _print_anything() -> None:
    """Where the terminal cannot print a character (Å), print a question mark."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _fail(program: str, message: str, code: int) -> int:
    sys.stdout.flush()
    print(f"{program}: error: {message}", file=sys.stderr)
    return code
