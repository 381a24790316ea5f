"""Make the report of a potential anew, or compare several.

  mlp report run                                   into run/report, from its metrics.json
  mlp report potential.almtp --data train.xyz --test test.xyz --output report
  mlp report run-8 run-16 run-20 --output compared
  mlp report mine.mtp theirs.mtp --species Mo --test test.xyz --output compared

A run is the output folder of mlp-train: its data, test frames and settings are known, --data and
--test say where the files are now. Several runs are compared by the errors in their metrics.json,
on other frames if --data or --test are given. Leaves in the output folder report.html, one file
that opens anywhere, and its figures as PNG files.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mtpot.cli.common import add_overwrite, add_species, add_threads, load_named, read_fitting
from mtpot.cli.train import read_data
from mtpot.train.settings_file import load_settings

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from mtpot.data.frame import Frame
    from mtpot.potential import MTP
    from mtpot.train.metrics import Metrics
    from mtpot.train.report import Compared, Judged
    from mtpot.train.report.record import Training

SUMMARY = "remake a report, or compare potentials"

Reader = Callable[[Path, "MTP"], "list[Frame]"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    add = parser.add_argument
    add(
        "subjects",
        type=Path,
        nargs="+",
        metavar="RUN|POTENTIAL",
        help="output folder of mlp-train, or a trained .mtp or .almtp file",
    )
    add("--data", type=Path, metavar="FILE", help="frames that were trained on")
    add("--test", type=Path, metavar="FILE", help="frames to judge by")
    add(
        "--output",
        type=Path,
        metavar="DIR",
        help="folder for the report (default: report in the folder of a single run)",
    )
    add_species(parser)
    add_threads(parser)
    add_overwrite(parser)


def run(arguments: argparse.Namespace) -> None:
    """Run the command.

    Raises
    ------
    InputError, FormatError
        A file is refused or malformed, or frames are missing; nothing has been written then.
    """
    from mtpot.train.report import PAGE, write_comparison, write_report
    from mtpot.train.uncertainty import calibrations

    output = _output(arguments)
    _check_outputs(output, arguments)
    subjects = [_load(path, name, arguments) for path, name in _named(arguments.subjects)]
    if len(subjects) == 1:
        judged = _judge_one(subjects[0], arguments)
        write_report(output, judged, calibrations(judged, arguments.threads))
    else:
        read = _reader()
        compared = [_compare(subject, arguments, read) for subject in subjects]
        write_comparison(output, compared)
    print(f"see {output / PAGE}")


@dataclass(frozen=True, slots=True)
class _Subject:
    """A potential, and what its training recorded if it comes with a run."""

    path: Path
    name: str
    potential: MTP
    training: Training | None
    metrics: Mapping[str, Metrics]


def _output(arguments: argparse.Namespace) -> Path:
    from mtpot.errors import InputError

    if arguments.output is not None:
        return Path(arguments.output)
    if len(arguments.subjects) > 1 or arguments.subjects[0].is_file():
        raise InputError("no output: give --output, a folder for the report")
    return Path(arguments.subjects[0]) / "report"


def _check_outputs(output: Path, arguments: argparse.Namespace) -> None:
    from mtpot.files import check_folder, check_target
    from mtpot.train.report import FILES

    check_folder(output)
    if output.exists():
        for name in FILES:
            check_target(output / name, arguments.overwrite)


def _named(paths: Sequence[Path]) -> list[tuple[Path, str]]:
    """Call each by its last part, or by its whole path where that does not tell them apart."""
    short = [path.resolve().name for path in paths]
    names = short if len(set(short)) == len(short) else [str(path) for path in paths]
    return list(zip(paths, names, strict=True))


def _load(path: Path, name: str, arguments: argparse.Namespace) -> _Subject:
    from mtpot.errors import InputError
    from mtpot.train.report.record import read_record

    if not path.exists():
        raise InputError(
            f"{path}: no such file or folder; give the --output folder of an mlp-train, or a "
            "potential file"
        )
    if not path.is_dir():
        if arguments.data is None and arguments.test is None:
            raise InputError(f"{path}: give --test, or --data, frames to judge it by")
        return _Subject(path, name, load_named(path, arguments.species), None, {})
    if not (path / "metrics.json").exists():
        raise InputError(f"{path} has no metrics.json: it is not the output folder of mlp-train")
    training, metrics = read_record(path / "metrics.json")
    files = [path / "potential.almtp", path / "potential.mtp"]
    file = files[0] if files[0].exists() else files[1]
    return _Subject(path, name, load_named(file, None), training, metrics)


def _judge_one(subject: _Subject, arguments: argparse.Namespace) -> Judged:
    from mtpot.train.report import judge

    if subject.training is None:
        frames = _given_frames(subject, arguments, _reader())
    else:
        frames = _frames_of_run(subject.path, subject.training, arguments)
    return judge(subject.name, subject.potential, frames, subject.training, arguments.threads)


def _frames_of_run(
    path: Path, training: Training, arguments: argparse.Namespace
) -> dict[str, Sequence[Frame]]:
    """Read and split the data as the training did."""
    from mtpot.data.sets import find_files
    from mtpot.errors import InputError

    given = {"data": arguments.data, "test": arguments.test}
    values = {name: value for name, value in training.settings.items() if value not in (None, [])}
    # The potential it started from is not needed, and may be gone; the species are known.
    values.pop("start", None)
    values |= {name: str(file) for name, file in given.items() if file is not None}
    settings = load_settings(None, values)
    for name in ("data", "test"):
        for file in find_files(getattr(settings, name)):
            if not file.exists():
                raise InputError(
                    f"{file}: no such file, though {path / 'metrics.json'} names it; give --{name},"
                    " or run this in the folder of the training"
                )
    _, data = read_data(settings)
    return data.sets()


def _compare(subject: _Subject, arguments: argparse.Namespace, read: Reader) -> Compared:
    """Judge by the files that are given; of a run, all else is in its metrics.json."""
    from mtpot.train.report import Compared, judge

    frames = _given_frames(subject, arguments, read)
    judged = judge(subject.name, subject.potential, frames, None, arguments.threads)
    if subject.training is None:
        return Compared.of(judged)
    # Times are comparable for equal surroundings only: those of the files, if there are some.
    metrics = dict(subject.metrics) | {name: each.metrics for name, each in judged.sets.items()}
    neighbors = judged.distances.neighbors if frames else subject.training.neighbors
    trained = subject.metrics["train"].total.frames if "train" in subject.metrics else None
    return Compared(
        subject.name, subject.potential, metrics, neighbors, subject.training, trained, [*frames]
    )


def _given_frames(
    subject: _Subject, arguments: argparse.Namespace, read: Reader
) -> dict[str, Sequence[Frame]]:
    files = {"train": arguments.data, "test": arguments.test}
    return {name: read(file, subject.potential) for name, file in files.items() if file is not None}


def _reader() -> Reader:
    """Make a reader that reads no file twice."""
    known: dict[tuple[Path, tuple[str, ...]], list[Frame]] = {}

    def read(path: Path, potential: MTP) -> list[Frame]:
        key = path, potential.species
        if key not in known:
            known[key] = read_fitting(path, potential)[1]
        return known[key]

    return read
