"""Learn a potential for a simulation: explore, select, label, train.

  mlp learn settings.toml                begin
  mlp learn settings.toml --resume       go on after a crash, Ctrl-C, or a change of thresholds
  mlp learn settings.toml --resume --retry    and label once more what was set aside
  mlp learn settings.toml --check        one tiny calculation of every kind, then stop
  mlp learn settings.toml --status       where the run stands
  mlp learn settings.toml --export labeled.xyz    write what is labeled
  mlp learn settings.toml --report       make its report anew, also while it runs
  mlp learn --report DIR                 the same, of the run in a folder
  mlp learn --template settings.toml     write a commented settings file

Leaves in the output folder: potential.mtp and potential.almtp, always the newest; learn.db, the
record, which is also a database of ASE; report.html; and the folders labels, trainings and
explorations.

Exit codes: 0 finished, or everything written that somebody has to calculate elsewhere (exchange),
which a script tells apart by the first line of --status; 2 bad input; 1 stopped or interrupted.
"""

from __future__ import annotations

import os
import shlex
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtpot.active.settings import TABLES, LearnSettings, load_settings
from mtpot.active.wording import counted
from mtpot.cli.train import add_flags
from mtpot.errors import InputError, MtpotError
from mtpot.train.option import options_in

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping, Sequence

    from mtpot.train.option import Option

SUMMARY = "learn a potential actively, calling a quantum-mechanical program where it is needed"

_OUTPUT = Path("-")
"""The output folder of the settings."""
_SHOWN = 10
"""Folders of calculations elsewhere that are named."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line: a flag for each plain key of the settings."""
    parser.add_argument(
        "settings", nargs="?", type=Path, metavar="SETTINGS.toml", help="settings file"
    )
    parser.add_argument(
        "--retry",
        action="store_true",
        help="with --resume: label once more what was set aside, after its cause is mended",
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
    doing.add_argument(
        "--export",
        type=Path,
        metavar="FILE",
        help="write the structures that are labeled, .xyz or what ASE writes, and stop",
    )
    parser.add_argument(
        "--template",
        nargs="?",
        const=Path("-"),
        type=Path,
        metavar="FILE",
        help="write a commented settings file (without FILE: print it) and stop",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="of --export and --template, replace the file"
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
        return _write_template(arguments.template, arguments.overwrite)
    if arguments.report not in (None, _OUTPUT):
        print(f"see {runs.report(arguments.report)}")
        return 0
    flags = {name: getattr(arguments, name) for name, _, _ in _flags() if name in arguments}
    settings = load_settings(arguments.settings, flags)
    if arguments.retry and not arguments.resume:
        raise InputError("--retry goes with --resume: it labels once more what was set aside")
    if arguments.status:
        print(runs.status(settings), end="")
    elif arguments.report:
        print(f"see {runs.report(settings.output)}")
    elif arguments.export:
        count = runs.export(settings, arguments.export, overwrite=arguments.overwrite)
        print(f"{arguments.export}: {counted(count, 'frame')}")
    elif arguments.check:
        runs.check(settings, _tell)
    else:
        _work(arguments, settings, flags)
    return 0


def _work(arguments: argparse.Namespace, settings: LearnSettings, flags: Mapping[str, Any]) -> None:
    """Begin or go on, and say how to go on if it comes to no end."""
    from mtpot.active.driver import DATABASE, WaitingForLabels
    from mtpot.active.run import work

    _end_by_signals()
    onward = _command(arguments.settings, flags)
    try:
        work(settings, _tell, resume=arguments.resume, retry=arguments.retry)
    except WaitingForLabels as waiting:
        for line in _waiting_lines(waiting.places):
            _tell(line)
        _tell(f"run them, then go on: {onward}")
    except KeyboardInterrupt as error:
        begun = (settings.output / DATABASE).exists()
        raise MtpotError(f"interrupted; go on: {onward}" if begun else "interrupted") from error


def _end_by_signals() -> None:
    """Let a batch system's end of time, and that of a connection, do what Ctrl-C does.

    Whoever ignores the latter, as `nohup` does, means it. Another signal does not disturb what
    has to be ended then.
    """

    def stop(_number: int, _frame: object) -> None:
        for each in ends:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    ends = [signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        ends.append(signal.SIGHUP)
    for each in ends:
        signal.signal(each, stop)


def _command(settings: Path | None, flags: Mapping[str, Any]) -> str:
    """Return the command that goes on with this run."""
    words = ["mlp", "learn", *([str(settings)] if settings else [])]
    for name, value in flags.items():
        values = value if isinstance(value, list) else [value]
        words += [f"--{name.replace('_', '-')}", *map(str, values)]
    return shlex.join([*words, "--resume"])


def _waiting_lines(places: Sequence[Path]) -> Iterator[str]:
    """Name the folders of calculations that run elsewhere, as many as one can look at."""
    yield f"{counted(len(places), 'calculation')} to be run elsewhere:"
    for place in places[:_SHOWN]:
        yield f"  {os.path.relpath(place)}"
    if len(places) > _SHOWN:
        yield f"  and {len(places) - _SHOWN} more in {os.path.relpath(places[0].parent)}"


def _tell(line: str) -> None:
    print(line, flush=True)


def _write_template(target: Path, overwrite: bool) -> int:
    from mtpot.active.template import template
    from mtpot.files import write_atomic

    if target == Path("-"):
        print(template(), end="")
    else:
        write_atomic(target, template(), overwrite)
        print(f"{target}: fill it in, then mlp learn {target}")
    return 0
