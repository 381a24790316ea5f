"""Learn a potential for a simulation: explore, select, label, train.

  mlp learn settings.toml                begin
  mlp learn settings.toml --resume       go on after a crash, Ctrl-C, or a change of thresholds
  mlp learn settings.toml --check        one tiny calculation of every kind, then stop
  mlp learn settings.toml --status       where the run stands
  mlp learn settings.toml --report       make its report anew, also while it runs
  mlp learn --report DIR                 the same, of the run in a folder
  mlp learn --template settings.toml     write a commented settings file

Leaves in the output folder: potential.mtp and potential.almtp, always the newest; learn.db, the
record, which is also a database of ASE; report.html; and the folders labels, trainings and
explorations.
"""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtpot.active.settings import TABLES, LearnSettings, load_settings
from mtpot.cli.train import add_flags
from mtpot.train.option import options_in

if TYPE_CHECKING:
    import argparse

    from mtpot.train.option import Option

SUMMARY = "learn a potential actively, calling a quantum-mechanical program where it is needed"

_OUTPUT = Path("-")
"""The output folder of the settings."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line: a flag for each plain key of the settings."""
    parser.add_argument(
        "settings", nargs="?", type=Path, metavar="SETTINGS.toml", help="settings file"
    )
    doing = parser.add_mutually_exclusive_group()
    for flag, text in (
        ("--resume", "go on with the run in the output folder"),
        (
            "--check",
            "calculate one tiny structure with the labeler, look for all that is needed, stop",
        ),
        ("--status", "show where the run stands, and stop"),
    ):
        doing.add_argument(flag, action="store_true", help=text)
    doing.add_argument(
        "--report",
        nargs="?",
        const=_OUTPUT,
        type=Path,
        metavar="DIR",
        help="make the report of the run in this folder (without DIR: of the settings), and stop",
    )
    parser.add_argument(
        "--template",
        nargs="?",
        const=Path("-"),
        type=Path,
        metavar="FILE",
        help="write a commented settings file (without FILE: print it) and stop",
    )
    add_flags(parser, _flags())


def _flags() -> list[tuple[str, Option, Any]]:
    """Return the plain keys of the settings; tables have no flags."""
    return [field for field in options_in(LearnSettings) if field[0] not in TABLES]


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit code.

    Raises
    ------
    InputError, FormatError
        A setting, a file or a program is refused; nothing has been calculated then.
    MtpotError
        The run stopped before its end; it can go on.
    """
    from mtpot.active import run as runs

    if arguments.template is not None:
        return _write_template(arguments.template)
    if arguments.report not in (None, _OUTPUT):
        print(f"see {runs.report(arguments.report)}")
        return 0
    flags = {name: getattr(arguments, name) for name, _, _ in _flags() if name in arguments}
    settings = load_settings(arguments.settings, flags)
    if arguments.status:
        print(runs.status(settings), end="")
    elif arguments.report:
        print(f"see {runs.report(settings.output)}")
    elif arguments.check:
        runs.check(settings, _tell)
    else:
        # A batch system's end of time is as good a reason to stop as Ctrl-C.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        runs.work(settings, _tell, resume=arguments.resume)
    return 0


def _tell(line: str) -> None:
    print(line, flush=True)


def _write_template(target: Path) -> int:
    from mtpot.active.template import template
    from mtpot.files import write_atomic

    if target == Path("-"):
        print(template(), end="")
    else:
        write_atomic(target, template())
        print(f"{target}: fill it in, then mlp learn {target}")
    return 0
