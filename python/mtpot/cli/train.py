"""Train a potential on quantum-mechanical data.

  mlp-train --data train.xyz --test test.xyz --level 16 --cutoff 5.0 --output run
  mlp-train --template settings.toml     write a commented settings file
  mlp-train settings.toml --level 20     its keys are the flags' names; flags override it

Leaves in the output folder: potential.mtp; potential.almtp, the same with its active set, for
extrapolation grades; metrics.json, the errors; report/summary.md with figures. Every frame needs
an energy; forces and stresses are used where they are. Errors are told apart by the frames'
info key "group", else "config_type".
"""

from __future__ import annotations

import argparse
import time
from dataclasses import MISSING, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtpot.cli.common import make_console, print_errors, to_json
from mtpot.train.settings import Option, Settings, load_settings, options, template

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from mtpot.data.frame import Frame
    from mtpot.potential import MTP
    from mtpot.train.report import Evaluated
    from mtpot.train.trainer import TrainingResult

SUMMARY = "train a potential (mlp-train is short for it)"


@dataclass(frozen=True, slots=True)
class Data:
    """The frames of one training, told apart by what they are for."""

    training: list[Frame]
    validation: list[Frame]
    test: list[Frame]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line: a flag for each field of `Settings`."""
    parser.add_argument(
        "settings", nargs="?", type=Path, metavar="SETTINGS.toml", help="settings file"
    )
    parser.add_argument(
        "--template",
        nargs="?",
        const=Path("-"),
        type=Path,
        metavar="FILE",
        help="write a commented settings file (without FILE: print it) and stop",
    )
    groups: dict[str, argparse._ArgumentGroup] = {}
    for name, option, default in options():
        if option.section not in groups:
            groups[option.section] = parser.add_argument_group(option.section)
        _add_flag(groups[option.section], name, option, default)


def run(arguments: argparse.Namespace) -> None:
    """Run the command.

    Raises
    ------
    InputError, FormatError
        A setting, a file or a frame is refused; nothing has been written then.
    NumericalError
        The training has no finite result.
    """
    if arguments.template is not None:
        _write_template(arguments.template, bool(getattr(arguments, "overwrite", False)))
        return
    flags = {name: getattr(arguments, name) for name, _, _ in options() if name in arguments}
    settings = load_settings(arguments.settings, flags)
    _check_outputs(settings)
    _train(settings, make_console())


def _add_flag(group: argparse._ArgumentGroup, name: str, option: Option, default: Any) -> None:
    flag = "--" + name.replace("_", "-")
    # SUPPRESS leaves a flag that is not given out of the namespace: the file's value then holds.
    if isinstance(default, bool):
        group.add_argument(
            flag, dest=name, action="store_true", default=argparse.SUPPRESS, help=option.help
        )
        return
    shown = default is not MISSING and default is not None and default != ()
    text = f"{option.help} (default: {default})" if shown else option.help
    group.add_argument(
        flag,
        dest=name,
        default=argparse.SUPPRESS,
        metavar=option.metavar,
        help=text.replace("%", "%%"),
    )


def _write_template(target: Path, overwrite: bool) -> None:
    from mtpot.files import write_atomic

    if target == Path("-"):
        print(template(), end="")
    else:
        write_atomic(target, template(), overwrite)
        print(f"{target}: fill it in, then mlp-train {target}")


def _check_outputs(settings: Settings) -> None:
    """Refuse what could not be written after hours of training."""
    from mtpot.errors import InputError
    from mtpot.files import check_folder, check_target

    check_folder(settings.output)
    if not settings.output.exists():
        return
    for name in ("potential.mtp", "potential.almtp", "metrics.json"):
        check_target(settings.output / name, settings.overwrite)
    report = settings.output / "report"
    if report.exists() and not report.is_dir():
        raise InputError(f"{report} is a file where a folder should be")
    if report.exists() and any(report.iterdir()) and not settings.overwrite:
        raise InputError(f"{report} has files; choose another --output or give --overwrite")


def _train(settings: Settings, console: Console) -> None:
    from mtpot.cli.progress import Progress
    from mtpot.files import make_folder
    from mtpot.train.trainer import train

    started = time.perf_counter()
    settings, data = _read(settings, console)
    make_folder(settings.output)
    with Progress(console) as progress:
        result = train(settings, data.training, data.validation, progress)
    # Before anything else can fail: the potential is what took the time.
    result.potential.save(settings.output / "potential.mtp", overwrite=settings.overwrite)
    seconds = time.perf_counter() - started
    _save_active_set(settings, result.potential, data.training, console)
    _save_metrics(settings, result, data, seconds, console)


def _read(settings: Settings, console: Console) -> tuple[Settings, Data]:
    """Read, check and split the data; the settings then name the species."""
    from mtpot.data import read_frames
    from mtpot.data.check import check_elements, check_trainable, elements_of
    from mtpot.data.split import split_off

    species = settings.species
    if settings.start is not None:
        species = _start_species(settings)
    frames = read_frames(settings.data, species)
    check_trainable(frames)
    species = species or elements_of(frames)
    settings = replace(settings, species=species)
    test = read_frames(settings.test, species) if settings.test is not None else []
    check_elements([*frames, *test], species)
    _warn_of_conflicts(frames, console)
    kept, aside = split_off(frames, settings.validation, settings.seed)
    _tell(settings, Data(kept, aside, test), console)
    return settings, Data(kept, aside, test)


def _start_species(settings: Settings) -> tuple[str, ...]:
    from mtpot.errors import InputError
    from mtpot.potential import MTP

    potential = MTP.load(str(settings.start), species=settings.species or None)
    if not potential.species:
        raise InputError(f"{settings.start} names no elements: give them by --species")
    return potential.species


def _warn_of_conflicts(frames: Sequence[Frame], console: Console) -> None:
    from mtpot.data.check import find_conflicts

    conflicts = find_conflicts(frames)
    for conflict in conflicts[:3]:
        console.print(f"warning: {conflict}", soft_wrap=True)
    if len(conflicts) > 3:
        console.print(f"warning: {len(conflicts) - 3} more frames like that")


def _tell(settings: Settings, data: Data, console: Console) -> None:
    sizes = {"training": data.training, "validation": data.validation, "test": data.test}
    parts = [f"{len(frames)} {name}" for name, frames in sizes.items() if frames]
    console.print(f"species {', '.join(settings.species)}; frames: {', '.join(parts)}")


def _save_active_set(
    settings: Settings, potential: MTP, frames: Sequence[Frame], console: Console
) -> None:
    target = settings.output / "potential.almtp"
    if settings.active_set == "none":
        # What an earlier run left there would belong to another potential.
        target.unlink(missing_ok=True)
        return
    from mtpot.active.select import build_selection
    from mtpot.potential import MTP

    started = time.perf_counter()
    selection = build_selection(potential, frames, settings.active_set, settings.threads)
    MTP(potential.core, selection).save(target, overwrite=settings.overwrite)
    rows, seconds = int((selection.origins[:, 0] >= 0).sum()), time.perf_counter() - started
    console.print(f"active set ({settings.active_set}): {rows} rows  {seconds:.1f} s")


def _save_metrics(
    settings: Settings, result: TrainingResult, data: Data, seconds: float, console: Console
) -> None:
    from mtpot.files import write_atomic
    from mtpot.train.report import write_report

    sets = _evaluate(settings, result.potential, data)
    metrics = {name: each.metrics for name, each in sets.items()}
    steps = result.steps[-1].number
    facts = {
        "loss": result.loss,
        "seconds": seconds,
        "steps": steps,
        "parameters": len(result.potential.parameters),
        "seed": settings.seed,
    }
    content = facts | {
        "settings": settings.as_dict(),
        "train": metrics["train"].as_dict(),
        "test": metrics["test"].as_dict() if "test" in metrics else None,
    }
    write_atomic(settings.output / "metrics.json", to_json(content), settings.overwrite)
    write_report(settings.output / "report", sets, result.steps, _described(settings, facts))
    for name, each in metrics.items():
        print_errors(console, f"Errors, {name}", each)
    console.print(
        f"loss {result.loss:.6g} after {steps} steps and {seconds:.1f} s; "
        f"see {settings.output / 'report' / 'summary.md'}",
        soft_wrap=True,
    )


def _evaluate(settings: Settings, potential: MTP, data: Data) -> dict[str, Evaluated]:
    from mtpot.train.metrics import evaluate_frames
    from mtpot.train.report import Evaluated

    sets = {"train": data.training, "test": data.test}
    return {
        name: Evaluated(frames, evaluate_frames(potential, frames, settings.threads))
        for name, frames in sets.items()
        if frames
    }


def _described(settings: Settings, facts: dict[str, Any]) -> dict[str, Any]:
    rounded = {"loss": f"{facts['loss']:.6g}", "seconds": f"{facts['seconds']:.1f}"}
    return facts | rounded | {k: v for k, v in settings.as_dict().items() if v is not None}
