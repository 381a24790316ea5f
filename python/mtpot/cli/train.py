"""Train a potential on quantum-mechanical data.

  mlp-train --data train.xyz --test test.xyz --level 16 --cutoff 5.0 --output run
  mlp-train --template settings.toml     write a commented settings file
  mlp-train settings.toml --level 20     its keys are the flags' names; flags override it

Leaves in the output folder: potential.mtp; potential.almtp, the same with its active set, for
extrapolation grades; metrics.json, the errors; report/summary.md with figures. Every frame needs
an energy; forces and stresses are used where they are. Errors are told apart by the frames'
info key "group", else "config_type". Ctrl-C ends the training and writes the best potential so far.
With --ensemble 8 --validation 0.1 the potential has members, and gives error bars.
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import MISSING, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtpot.cli.common import print_errors, to_json
from mtpot.train.settings import SHAPE, Option, Settings, load_settings, options, template

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mtpot.data.frame import Frame
    from mtpot.potential import MTP
    from mtpot.train.report import Evaluated
    from mtpot.train.trainer import TrainingResult

SUMMARY = "train a potential (mlp-train is short for it)"


@dataclass(frozen=True, slots=True)
class Data:
    """The frames of one training, told apart by what they are for."""

    train: list[Frame]
    validation: list[Frame]
    test: list[Frame]

    def sets(self) -> dict[str, list[Frame]]:
        """Return those that have frames, under the names of metrics.json."""
        named = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: frames for name, frames in named.items() if frames}


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
        add_flag(groups[option.section], name, option, default)


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit code.

    Raises
    ------
    InputError, FormatError
        A setting, a file or a frame is refused; nothing has been written then.
    NumericalError
        The training has no finite result.
    """
    if arguments.template is not None:
        _write_template(arguments.template, bool(getattr(arguments, "overwrite", False)))
        return 0
    flags = {name: getattr(arguments, name) for name, _, _ in options() if name in arguments}
    settings = load_settings(arguments.settings, flags)
    _check_outputs(settings)
    check_inputs(settings, arguments.settings)
    _check_shape(settings)
    return _train(settings)


def add_flag(group: argparse._ArgumentGroup, name: str, option: Option, default: Any) -> None:
    """Add the flag of a field of `Settings`."""
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


def _probe_outputs(settings: Settings) -> None:
    """Refuse by trying what only the system knows that it cannot be written."""
    from mtpot.files import check_target, probe_folder
    from mtpot.train.report import FILES

    probe_folder(settings.output)
    report = settings.output / "report"
    if report.exists():
        probe_folder(report)
        for name in FILES:
            check_target(report / name, settings.overwrite)


def check_inputs(settings: Settings, file: Path | None) -> None:
    """Refuse missing files before the first of them is read."""
    from mtpot.errors import InputError

    for path in (settings.data, settings.test, settings.start):
        if path is not None and not path.exists():
            hint = f"; paths in {file} are relative to the current folder, {Path.cwd()}"
            raise InputError(f"{path}: no such file{hint if file else ''}")


def _check_shape(settings: Settings) -> None:
    """Refuse what no potential can have, by making the smallest, before the data are read."""
    from mtpot.potential import MTP

    if settings.start is None:
        shape = {name: getattr(settings, name) for name in SHAPE}
        if settings.min_distance == "auto":
            shape["min_distance"] = 0.5 * settings.cutoff
        MTP.new(**shape | {"level": 2}, species=settings.species or ("H",))


def _train(settings: Settings) -> int:
    from mtpot.cli.progress import Progress, describe
    from mtpot.train.trainer import train

    started = time.perf_counter()
    settings, data = read_data(settings)
    _probe_outputs(settings)
    with Progress(describe) as progress:
        result = train(settings, data.train, data.validation, progress)
    _save_potential(settings, result.potential)
    print(_ending(settings, result))
    _warn_of_holes(result.potential, data.train)
    seconds = time.perf_counter() - started
    if settings.ensemble and result.stop != "interrupted":
        result = replace(result, potential=_save_committee(settings, result.potential, data))
    if result.stop != "interrupted":
        save_active_set(settings, result.potential, data.train)
    _save_metrics(settings, result, data, seconds)
    return 1 if result.stop == "interrupted" else 0


def read_data(settings: Settings) -> tuple[Settings, Data]:
    """Read, check and split the data; the settings then name the species."""
    from mtpot.data import read_frames
    from mtpot.data.check import check_distances, check_elements, check_trainable, elements_of
    from mtpot.data.split import split_off

    known = settings.species if settings.start is None else _start_species(settings)
    frames = read_frames(settings.data, known)
    check_trainable(frames)
    species = known or elements_of(frames)
    test = read_frames(settings.test, species) if settings.test is not None else []
    check_elements([*frames, *test], species, _advice(settings))
    suspicious = check_distances([*frames, *test])
    settings = replace(settings, species=species)
    kept, aside = split_off(frames, settings.validation, settings.seed)
    data = Data(kept, aside, test)
    _tell(settings, data)
    _warn(settings, frames, data, suspicious)
    return settings, data


def _start_species(settings: Settings) -> tuple[str, ...]:
    from mtpot.errors import InputError
    from mtpot.potential import MTP

    potential = MTP.load(str(settings.start), species=settings.species or None)
    if not potential.species:
        raise InputError(f"{settings.start} names no elements: give them by --species")
    return potential.species


def _advice(settings: Settings) -> str:
    """Name the way out for an element that the potential will not know."""
    if settings.start is not None:
        return f"leave out --start: {settings.start} fixes the elements"
    if settings.species:
        return "name the element in --species"
    return f"add frames with the element to {settings.data}"


def _tell(settings: Settings, data: Data) -> None:
    forces = sum(frame.forces is not None for frame in data.train)
    stresses = sum(frame.stress is not None for frame in data.train)
    sizes = [f"{len(data.train)} training ({forces} with forces, {stresses} with stress)"]
    sizes += [f"{len(frames)} {name}" for name, frames in data.sets().items() if name != "train"]
    print(f"species {', '.join(settings.species)}; frames: {', '.join(sizes)}", flush=True)


def _warn(
    settings: Settings, frames: Sequence[Frame], data: Data, suspicious: Sequence[str]
) -> None:
    """Tell of what can be trained on but is hardly meant."""
    from mtpot.data.check import find_conflicts, find_lookalikes

    messages = []
    for each in (suspicious, find_conflicts(frames)):
        messages += [str(found) for found in each[:3]]
        if len(each) > 3:
            messages.append(f"{len(each) - 3} more frames like that")
    messages += find_lookalikes([*frames, *data.test])
    if settings.validation > 0.0 and not data.validation:
        messages.append("--validation sets no frame aside: the groups are too small")
    if len(data.train) < len(frames) / 2:
        messages.append(f"--validation leaves {len(data.train)} of {len(frames)} frames")
    for message in messages:
        print(f"warning: {message}", flush=True)


def _warn_of_holes(potential: MTP, frames: Sequence[Frame]) -> None:
    """Tell where atoms attract each other closer than the data, and what helps."""
    from mtpot.neighbors import shortest_distances
    from mtpot.short_range import find_holes

    shortest = shortest_distances(frames, potential.species, potential.cutoff)
    holes = find_holes(potential, shortest)
    for hole in holes[:3]:
        print(f"warning: {hole}")
    if holes and potential.core_radii is None:
        print("--core zbl with --radial-basis RBChebyshev_clamped keeps atoms out of there")
    elif holes:
        begin = f"{1.06 * shortest.min():.2f}"
        print(f"--min-distance {begin} --core-outer {begin} begins before the hole does")


def _ending(settings: Settings, result: TrainingResult) -> str:
    if result.stop == "interrupted":
        return "interrupted: the best potential so far is written, without an active set"
    if result.stop == "converged":
        return f"converged after {result.steps[-1].number} steps"
    return f"stopped at --max-steps {settings.max_steps}, not converged"


def _save_potential(settings: Settings, potential: MTP) -> None:
    """Save it before anything else can fail: it is what took the time."""
    from mtpot.files import make_folder
    from mtpot.train.report import clear_report

    _check_outputs(settings)
    make_folder(settings.output)
    # What an earlier run left there would belong to another potential.
    for name in ("potential.almtp", "metrics.json"):
        (settings.output / name).unlink(missing_ok=True)
    clear_report(settings.output / "report")
    potential.save(settings.output / "potential.mtp", overwrite=settings.overwrite)


def _save_committee(settings: Settings, potential: MTP, data: Data) -> MTP:
    """Give the potential its members, in potential.mtp and in what follows."""
    from mtpot.train.uncertainty import with_committee

    started = time.perf_counter()
    committee = with_committee(settings, potential, data.train, data.validation)
    committee.save(settings.output / "potential.mtp", overwrite=True)
    seconds = time.perf_counter() - started
    print(f"committee: {settings.ensemble} members  {seconds:.1f} s")
    if committee.intervals is None:
        print(
            "warning: the spread of the members is not calibrated, and far smaller than errors: "
            "set frames with energies and forces aside by --validation 0.1, or more of them"
        )
    return committee


def save_active_set(settings: Settings, potential: MTP, frames: Sequence[Frame]) -> None:
    """Write potential.almtp, with an active set of the kind that the settings ask for."""
    if settings.active_set == "none":
        return
    from mtpot.active.select import build_selection
    from mtpot.potential import MTP

    started = time.perf_counter()
    selection = build_selection(potential, frames, settings.active_set, settings.threads)
    MTP(potential.core, selection).save(settings.output / "potential.almtp")
    rows, filled = len(selection.origins), int((selection.origins[:, 0] >= 0).sum())
    seconds = time.perf_counter() - started
    print(f"active set ({settings.active_set}): {filled} of {rows} rows  {seconds:.1f} s")
    if settings.active_set == "cfg" and len(frames) < rows:
        print(
            f"warning: cfg mode needs at least {rows} frames, one a parameter, and there are "
            f"{len(frames)}; grades will be too large (--active-set nbh needs fewer)"
        )


def _save_metrics(settings: Settings, result: TrainingResult, data: Data, seconds: float) -> None:
    from mtpot.files import write_atomic
    from mtpot.train.report import write_report

    sets = _evaluate(settings, result.potential, data)
    metrics = {name: each.metrics for name, each in sets.items()}
    facts = _facts(settings, result, seconds)
    content = facts | {"settings": settings.as_dict()}
    for name in ("train", "validation", "test"):
        content[name] = metrics[name].as_dict() if name in metrics else None
    report = settings.output / "report"
    write_atomic(settings.output / "metrics.json", to_json(content))
    tables = {"Result": _result_table(facts), "Settings": _settings_table(settings)}
    write_report(report, sets, result.steps, tables)
    for name, each in metrics.items():
        print_errors(f"Errors, {name}", each)
    print(f"loss {result.loss:.6g} in {seconds:.1f} s; see {report / 'summary.md'}")


def _evaluate(settings: Settings, potential: MTP, data: Data) -> dict[str, Evaluated]:
    from mtpot.train.metrics import evaluate_frames
    from mtpot.train.report import Evaluated

    return {
        name: Evaluated(frames, evaluate_frames(potential, frames, settings.threads))
        for name, frames in data.sets().items()
    }


def _facts(settings: Settings, result: TrainingResult, seconds: float) -> dict[str, Any]:
    core = result.potential.core
    return {
        "loss": result.loss,
        "seconds": seconds,
        "steps": result.steps[-1].number,
        "stop": result.stop,
        "parameters": len(core.parameters),
        "seed": settings.seed,
        "threads": settings.threads or os.cpu_count(),
        "potential": {
            "species": core.species,
            "level": core.level,
            "cutoff": core.cutoff,
            "min_distance": core.min_distance,
            "radial_basis": core.radial_basis,
            "radial_size": core.radial_size,
        },
    }


def _result_table(facts: dict[str, Any]) -> dict[str, Any]:
    rounded = {"loss": f"{facts['loss']:.6g}", "seconds": f"{facts['seconds']:.1f}"}
    lengths = {name: f"{facts['potential'][name]:.6g} Å" for name in ("cutoff", "min_distance")}
    flat = facts | rounded | facts["potential"] | lengths
    del flat["potential"]
    return {name.replace("_", " "): _text(value) for name, value in flat.items()}


def _settings_table(settings: Settings) -> dict[str, Any]:
    values = settings.as_dict()
    return {
        name.replace("_", "-"): _text(values[name], option.unit)
        for name, option, _ in options()
        if values.get(name) not in (None, [], "")
    }


def _text(value: Any, unit: str = "") -> str:
    if isinstance(value, float):
        return f"{value:g} {unit}".rstrip()
    return ", ".join(value) if isinstance(value, list) else str(value)
