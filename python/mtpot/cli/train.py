"""Train a potential on quantum-mechanical data.

  mlp-train --data train.xyz --test test.xyz --level 16 --cutoff 5.0 --output run
  mlp-train --template settings.toml     write a commented settings file
  mlp-train settings.toml --level 20     its keys are the flags' names; flags override it

Leaves in the output folder: potential.mtp; potential.almtp, the same with its active set, for
extrapolation grades; metrics.json, the errors; report/report.html with figures. Every frame needs
an energy; forces and stresses are used where they are. Errors are told apart by the frames'
info key "group", else "config_type". Ctrl-C ends the training and writes the best potential so far;
after that, and after a crash, the same command with --resume goes on. With --ensemble 8 and
--validation 0.1 the potential has members, and gives error bars. `mpirun -n N mlp-train ...` shares
the frames among N processes.
"""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import time
from dataclasses import MISSING, dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtpot.cli.common import print_errors, to_json
from mtpot.train.launch import place
from mtpot.train.option import NOTHING, Option
from mtpot.train.parsers import parse_paths
from mtpot.train.settings import SHAPE, Settings, options
from mtpot.train.settings_file import load_settings, template
from mtpot.train.solvers import SOLVERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from mtpot.data.frame import Frame
    from mtpot.potential import MTP
    from mtpot.train.checkpoint import Checkpoint
    from mtpot.train.processes import Processes
    from mtpot.train.trainer import TrainingResult

CHECKPOINT = "checkpoint"
"""File in the output folder, there only while a training is not finished."""

SUMMARY = "train a potential (mlp-train is short for it)"


@dataclass(frozen=True, slots=True)
class Data:
    """The frames of one training, told apart by what they are for, and what is odd in them.

    Those of `train` and `validation` are together those of `given`.
    """

    train: Sequence[Frame]
    validation: Sequence[Frame]
    test: Sequence[Frame]
    given: Sequence[Frame]
    warnings: Sequence[str]

    def sets(self) -> dict[str, Sequence[Frame]]:
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
    add_flags(parser, options())


def add_flags(parser: argparse.ArgumentParser, fields: Iterable[tuple[str, Option, Any]]) -> None:
    """Add a flag for each field of a record of settings, in groups by section."""
    groups: dict[str, argparse._ArgumentGroup] = {}
    for name, option, default in fields:
        if option.section not in groups:
            groups[option.section] = parser.add_argument_group(option.section)
        # The shell makes several words of a pattern.
        several: dict[str, Any] = (
            {"nargs": "+", "action": "extend"} if option.parse is parse_paths else {}
        )
        add_flag(groups[option.section], name, option, default, **several)


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit code.

    Raises
    ------
    InputError, FormatError
        A setting, a file or a frame is refused; nothing has been written then.
    NumericalError
        The training has no finite result.
    """
    _take_settings_from_data(arguments)
    if arguments.template is not None:
        _write_template(arguments.template, bool(getattr(arguments, "overwrite", False)))
        return 0
    flags = {name: getattr(arguments, name) for name, _, _ in options() if name in arguments}
    settings = load_settings(arguments.settings, flags)
    settings = _taking_up(settings)
    if settings.overwrite or not _finished(settings):
        _check_outputs(settings)
    check_inputs(settings, arguments.settings)
    _check_shape(settings)
    _ = SOLVERS[settings.solver].minimize  # refused if it needs what is not installed
    return _train(settings, getattr(arguments, "team", None))


def _take_settings_from_data(arguments: argparse.Namespace) -> None:
    """Find the settings file behind a flag that takes several files."""
    for name in ("data", "test"):
        files = getattr(arguments, name, [])
        if arguments.settings is None and files and files[-1].endswith(".toml"):
            arguments.settings = Path(files.pop())


def add_flag(
    group: argparse._ArgumentGroup, name: str, option: Option, default: Any, **further: Any
) -> None:
    """Add the flag of a field of `Settings`; `further` goes to argparse."""
    flag = "--" + name.replace("_", "-")
    # SUPPRESS leaves a flag that is not given out of the namespace: the file's value then holds.
    if isinstance(default, bool):
        group.add_argument(
            flag, dest=name, action="store_true", default=argparse.SUPPRESS, help=option.help
        )
        return
    shown = default is not MISSING and default not in NOTHING
    text = f"{option.help} (default: {default})" if shown else option.help
    group.add_argument(
        flag,
        dest=name,
        default=argparse.SUPPRESS,
        metavar=option.metavar,
        help=text.replace("%", "%%"),
        **further,
    )


def _write_template(target: Path, overwrite: bool) -> None:
    from mtpot.files import write_atomic

    if target == Path("-"):
        print(template(), end="")
    else:
        write_atomic(target, template(), overwrite)
        print(f"{target}: fill it in, then mlp-train {target}")


def _unfinished(settings: Settings) -> bool:
    """Whether the output folder holds a training that did not come to its end."""
    from mtpot.train.checkpoint import exists

    return exists(settings.output / CHECKPOINT)


def _finished(settings: Settings) -> bool:
    """Whether the output folder, to be resumed, holds a training that came to its end."""
    ended = (settings.output / "potential.mtp").exists() and not _unfinished(settings)
    return settings.resume and ended


def _is_complete(settings: Settings, facts: Mapping[str, Any]) -> bool:
    """Whether there is nothing left to do; refuse what another training has left there."""
    from mtpot.errors import InputError
    from mtpot.train.checkpoint import differences_from_finished

    if not _finished(settings):
        return False
    found = differences_from_finished(settings.output / "metrics.json", facts)
    if found and not settings.overwrite:
        raise InputError(
            f"{settings.output} holds another training, which is finished: {'; '.join(found)}. "
            "Give what it had, another --output, or --overwrite to begin anew"
        )
    return not found


def _taking_up(settings: Settings) -> Settings:
    """Let an unfinished training be replaced if it is resumed; refuse to touch it otherwise."""
    from mtpot.errors import InputError

    if not _unfinished(settings) or settings.overwrite:
        return settings
    if not settings.resume:
        raise InputError(
            f"{settings.output} holds an unfinished training: --resume goes on with it, "
            "--overwrite begins anew"
        )
    return replace(settings, overwrite=True)


def _check_outputs(settings: Settings) -> None:
    """Refuse what could not be written after hours of training."""
    from mtpot.errors import InputError
    from mtpot.files import check_folder, check_target

    check_folder(settings.output)
    if not settings.output.exists():
        return
    start = () if settings.start is None else (settings.start,)
    for name in ("potential.mtp", "potential.almtp", "metrics.json"):
        check_target(settings.output / name, settings.overwrite, start)
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
    from mtpot.data.sets import find_files
    from mtpot.errors import InputError

    start = () if settings.start is None else (settings.start,)
    for path in (*find_files((*settings.data, *settings.test)), *start):
        if not path.exists():
            hint = f"; paths in {file} are relative to the current folder, {Path.cwd()}"
            raise InputError(f"{path}: no such file{hint if file else ''}")


def _check_shape(settings: Settings) -> None:
    """Refuse what no potential can have or use, before the data are read."""
    from mtpot.potential import MTP
    from mtpot.train.use import check_features, check_use

    if settings.start is not None:
        start = MTP.load(settings.start, species=settings.species or None)
        check_use(settings, start)
        check_features(settings, start)
        return
    check_use(settings, None)
    shape = {name: getattr(settings, name) for name in SHAPE}
    if settings.min_distance == "auto":
        shape["min_distance"] = 0.5 * settings.cutoff
    if settings.features is None:
        shape["level"] = 2  # the least work
    check_features(settings, MTP.new(**shape, species=settings.species or ("H",)))


def _train(settings: Settings, team: Processes | None) -> int:
    from mtpot.cli.progress import Progress, describe
    from mtpot.train.checkpoint import facts_of
    from mtpot.train.committee import blocks_of
    from mtpot.train.trainer import train

    started = time.perf_counter()
    if team is not None:
        team.check(settings)
        print(f"{team.size} processes", flush=True)
    settings, data = read_data(settings)
    facts = facts_of(settings.as_dict(), chain(data.train, data.validation), data.test)
    if _is_complete(settings, facts):
        print(f"{settings.output / 'potential.mtp'} is complete: nothing to resume")
        return 0
    odd = list(_oddities(settings, data))
    data = replace(data, warnings=[*data.warnings, *odd])
    _warn(chain(odd, _unmeant(settings, data)))
    if settings.ensemble:
        blocks_of(data.train, settings.split_by)  # a single one is refused now, not hours later
    _probe_outputs(settings)
    checkpoint = _checkpoint(settings, facts)
    # A batch system's end of time is as good a reason to stop as Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with Progress(describe) as progress:
        result = train(settings, data.train, data.validation, progress, checkpoint, team)
    _save_potential(settings, result.potential)
    print(_ending(result))
    if settings.seeds > 1:
        last = settings.seed + settings.seeds - 1
        print(f"kept: seed {result.seed}, the best of seeds {settings.seed} to {last}")
    if result.chosen:
        print("chosen:", ", ".join(f"{name} {value:.3g}" for name, value in result.chosen.items()))
    seconds = time.perf_counter() - started
    try:
        _complete(settings, result, data, facts, seconds)
    except KeyboardInterrupt:
        print("interrupted before all was written beside potential.mtp: --resume completes it")
        return 1
    if result.stop == "interrupted":
        return 1
    checkpoint.remove()
    return 0


def _complete(
    settings: Settings,
    result: TrainingResult,
    data: Data,
    facts: Mapping[str, Any],
    seconds: float,
) -> None:
    """Write what belongs to a potential beside it: members, active set, errors and report."""
    _warn_of_holes(result.potential, data.train)
    if settings.ensemble and result.stop != "interrupted":
        ridge = result.chosen.get("ridge", settings.ridge)
        committee = _save_committee(replace(settings, ridge=ridge), result.potential, data)
        result = replace(result, potential=committee)
    potential = result.potential
    if result.stop != "interrupted":
        potential = save_active_set(settings, potential, data.train)
    fingerprints = {name: fact for name, fact in facts.items() if name != "settings"}
    recorded = _facts(settings, result, seconds) | {"fingerprints": fingerprints}
    _save_metrics(settings, recorded, potential, data)


def _checkpoint(settings: Settings, facts: Mapping[str, Any]) -> Checkpoint:
    """Take up the checkpoint of an earlier run if that is asked for, or begin one."""
    from mtpot.files import make_folder
    from mtpot.train.checkpoint import Checkpoint, exists, resume

    path = make_folder(settings.output) / CHECKPOINT
    if settings.resume and exists(path):
        return resume(path, facts, lambda line: print(f"warning: {line}", flush=True))
    checkpoint = Checkpoint(path, facts)
    checkpoint.remove()
    return checkpoint


def read_data(settings: Settings) -> tuple[Settings, Data]:
    """Read and split the data, and refuse what cannot be used; the settings then name the species.

    The warnings are those of the reading.
    """
    from mtpot.cli.data import tell_of_trajectories
    from mtpot.data.check import check_distances, check_elements, check_trainable, elements_of
    from mtpot.data.sets import leave_out, read_sets
    from mtpot.data.split import numbered, split_off

    known = settings.species if settings.start is None else _start_species(settings)
    read = _read(settings, known)
    # What is set aside or left out leaves gaps in trajectories.
    frames, left_out = leave_out(numbered(read) if settings.energy_correlation > 0.0 else read)
    check_trainable(frames)
    species = known or elements_of(frames)
    test = read_sets(settings.test, species)
    check_elements(chain(frames, test), species, _advice(settings))
    suspicious = check_distances(chain(frames, test))
    settings = replace(settings, species=species)
    kept, aside = split_off(frames, settings.validation, settings.seed, settings.split_by)
    data = Data(kept, aside, test, frames, [*_short(suspicious), *left_out])
    _tell(settings, data)
    if settings.split_by == "trajectory":
        tell_of_trajectories(frames)
    _warn(data.warnings)
    return settings, data


def _warn(lines: Iterable[str]) -> None:
    for line in lines:
        print(f"warning: {line}", flush=True)


def _read(settings: Settings, species: Sequence[str]) -> Sequence[Frame]:
    """Read the frames to train on, into a scratch file if they are to be streamed."""
    from mtpot.data.sets import iterate_sets, read_sets
    from mtpot.data.stored import store

    if not settings.stream:
        return read_sets(settings.data, species)
    output = settings.output.resolve()
    folder = next(each for each in (output, *output.parents) if each.is_dir())
    return store(iterate_sets(settings.data, species), folder)


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
    return f"add frames with the element to {settings.data[0]}"


def _tell(settings: Settings, data: Data) -> None:
    forces = sum(frame.forces is not None for frame in data.train)
    stresses = sum(frame.stress is not None for frame in data.train)
    sizes = [f"{len(data.train)} training ({forces} with forces, {stresses} with stress)"]
    sizes += [f"{len(frames)} {name}" for name, frames in data.sets().items() if name != "train"]
    print(f"species {', '.join(settings.species)}; frames: {', '.join(sizes)}", flush=True)


def _short(found: Sequence[object]) -> list[str]:
    """Name the first three, and say how many there are beside."""
    more = [f"{len(found) - 3} more frames like that"] if len(found) > 3 else []
    return [*map(str, found[:3]), *more]


def _oddities(settings: Settings, data: Data) -> Iterator[str]:
    """Tell of what in the data can be trained on but is hardly meant."""
    from mtpot.data.check import find_absent, find_lookalikes, find_overlaps
    from mtpot.data.findings import find
    from mtpot.data.report import one_per_kind
    from mtpot.data.sets import files_given_twice

    for file in files_given_twice(settings.data):
        yield f"{file} is given more than once, and read once"
    findings = [finding for finding in find(data.given) if finding.severity != "note"]
    yield from one_per_kind(findings)
    if findings:
        yield f"all of that, frame by frame: {_check_command(settings)}"
    for line in find_lookalikes(data.test):
        yield f"of the test frames, {line}"
    kinds = {"training": data.train, "validation": data.validation, "test": data.test}
    yield from map(str, find_overlaps(kinds))
    if absent := find_absent(data.train, settings.species):
        way_out = "" if settings.start else ", or leave it out of --species"
        yield (
            f"no training frame has {', '.join(absent)}, whose coefficients nothing determines: "
            f"add frames with it{way_out}"
        )


def _check_command(settings: Settings) -> str:
    words = ["mlp", "data", "check", *map(str, settings.data)]
    return shlex.join([*words, "--species", ",".join(settings.species)])


def _unmeant(settings: Settings, data: Data) -> Iterator[str]:
    """Tell of settings that can hardly be meant for these data."""
    if settings.validation > 0.0 and not data.validation:
        yield (
            f"--validation sets no frame aside: the groups have too few of --split-by "
            f"{settings.split_by}"
        )
    if settings.ensemble and not data.validation:
        yield (
            "--ensemble without frames set aside gives members whose spread is far smaller than "
            "errors: add --validation 0.1"
        )
    if len(data.train) < len(data.given) / 2:
        yield f"--validation leaves {len(data.train)} of {len(data.given)} frames"


def _warn_of_holes(potential: MTP, frames: Sequence[Frame]) -> None:
    """Tell where atoms attract each other closer than the data, and what helps."""
    from mtpot.neighbors import shortest_distances
    from mtpot.short_range import find_holes

    shortest = shortest_distances(frames, potential.species, potential.cutoff)
    holes = find_holes(potential, shortest)
    for hole in holes[:3]:
        print(f"warning: {hole}")
    clamped = potential.core.radial_basis == "RBChebyshev_clamped"
    if holes and (potential.core_radii is None or not clamped):
        print("--core zbl with --radial-basis RBChebyshev_clamped keeps atoms out of there")
    elif holes:
        begin = f"{1.06 * shortest.min():.2f}"
        print(f"--min-distance {begin} --core-outer {begin} begins before the hole does")


def _ending(result: TrainingResult) -> str:
    from mtpot.train.report.record import count_steps

    steps = count_steps(result.steps)
    if result.stop == "interrupted":
        return (
            "interrupted: the best potential so far is written, without an active set; "
            "--resume goes on"
        )
    if result.stop == "converged":
        return f"converged after {steps} steps"
    if result.stop == "validation":
        return f"stopped after {steps} steps: validation frames do no better any more"
    return f"stopped after {steps} steps, not converged: raise --max-steps"


def _save_potential(settings: Settings, potential: MTP) -> None:
    """Save it before anything else can fail: it is what took the time."""
    from mtpot.files import make_folder, remove_leftovers
    from mtpot.train.report import clear_report

    _check_outputs(settings)
    make_folder(settings.output)
    for name in ("potential.mtp", "potential.almtp", "metrics.json"):
        remove_leftovers(settings.output / name)
    # What an earlier run left there would belong to another potential.
    for name in ("potential.almtp", "metrics.json"):
        (settings.output / name).unlink(missing_ok=True)
    clear_report(settings.output / "report")
    potential.save(settings.output / "potential.mtp", overwrite=settings.overwrite)


def _save_committee(settings: Settings, potential: MTP, data: Data) -> MTP:
    """Give the potential its members, in potential.mtp and in what follows."""
    from mtpot.intervals import UNCALIBRATED
    from mtpot.train.uncertainty import with_committee

    started = time.perf_counter()
    committee = with_committee(settings, potential, data.train, data.validation)
    committee.save(settings.output / "potential.mtp", overwrite=True)
    seconds = time.perf_counter() - started
    print(f"committee: {settings.ensemble} members  {seconds:.1f} s")
    if committee.intervals is None:
        print(f"warning: {UNCALIBRATED}")
    return committee


def save_active_set(settings: Settings, potential: MTP, frames: Sequence[Frame]) -> MTP:
    """Write potential.almtp, with an active set of the kind that the settings ask for.

    Returns the potential with that active set, or without if none is asked for.
    """
    if settings.active_set == "none":
        return potential
    from mtpot.active.select import build_selection
    from mtpot.grading import rows_named
    from mtpot.potential import MTP

    started = time.perf_counter()
    rows = rows_named(settings.active_set)
    selection = build_selection(potential, frames, rows, settings.threads)
    graded = MTP(potential.core, selection)
    graded.save(settings.output / "potential.almtp")
    size, filled = len(selection.origins), int((selection.origins[:, 0] >= 0).sum())
    seconds = time.perf_counter() - started
    print(f"active set ({settings.active_set}): {filled} of {size} rows  {seconds:.1f} s")
    if rows.mode == "cfg" and len(frames) < size:
        print(
            f"warning: cfg mode needs at least {size} frames, one a parameter, and there are "
            f"{len(frames)}; grades will be too large (--active-set nbh needs fewer)"
        )
    return graded


def _save_metrics(
    settings: Settings, recorded: Mapping[str, Any], potential: MTP, data: Data
) -> None:
    """Write errors and report beside what is known of the training; the potential with its set."""
    from mtpot.files import write_atomic
    from mtpot.train.report import PAGE, judge, write_report
    from mtpot.train.report.record import Training
    from mtpot.train.uncertainty import calibrations

    name = settings.output.resolve().name
    judged = judge(name, potential, data.sets(), threads=settings.threads)
    metrics = {name: each.metrics for name, each in judged.sets.items()}
    content = {**recorded, "neighbors": judged.distances.neighbors, "settings": settings.as_dict()}
    content["warnings"] = list(data.warnings)
    for name in ("train", "validation", "test"):
        content[name] = metrics[name].as_dict() if name in metrics else None
    write_atomic(settings.output / "metrics.json", to_json(content))
    report = settings.output / "report"
    found = calibrations(judged, settings.threads)
    write_report(report, replace(judged, training=Training.of(content)), found)
    for name, each in metrics.items():
        print_errors(f"Errors, {name}", each)
    print(f"loss {recorded['loss']:.6g} in {recorded['seconds']:.1f} s; see {report / PAGE}")


def _facts(settings: Settings, result: TrainingResult, seconds: float) -> dict[str, Any]:
    from mtpot.train.report.record import count_steps, history, versions

    core = result.potential.core
    return {
        "loss": result.loss,
        "seconds": seconds,
        "steps": count_steps(result.steps),
        "stop": result.stop,
        "chosen": result.chosen,
        "parameters": len(core.parameters),
        "seed": result.seed,
        "threads": settings.threads or os.cpu_count(),
        "processes": found.size if (found := place()) else 1,
        "potential": {
            "species": core.species,
            "level": core.level,
            "cutoff": core.cutoff,
            "min_distance": core.min_distance,
            "radial_basis": core.radial_basis,
            "radial_size": core.radial_size,
        },
        "versions": versions(),
        "history": history(result.steps),
    }
