"""Look at data sets before they cost a day, and split them.

  mlp data check train.xyz more.db runs/*/OUTCAR
  mlp data split all.xyz --by trajectory --share 0.1 --output parts

check prints what the files hold together and what is suspicious in it, the worst first: duplicates
and conflicts, energies or forces unlike those of similar frames, units, signs and the order of
stresses, sums of forces, short distances, isolated atoms, periodicity. split writes
train.xyz and test.xyz. Both take what mlp train reads: files, folders and patterns.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtpot.cli.common import NAME_WIDTH, add_overwrite, parsed, to_json
from mtpot.train.parsers import integer, number, parse_species

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from mtpot.data.frame import Frame
    from mtpot.data.report import Finding

SUMMARY = "check data sets and split them"

_SHOWN_GROUPS = 20
_COLORS = {"error": "bold red", "warning": "yellow", "note": "cyan"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line: two commands of their own."""
    actions = parser.add_subparsers(dest="action", metavar="check|split", required=True)
    check = actions.add_parser("check", help="say what is in files and what is suspicious")
    _add_files(check)
    check.add_argument("--json", type=Path, metavar="FILE", help="write all of it as JSON")
    check.add_argument(
        "--strict", action="store_true", help="exit code 1 if there is a warning or an error"
    )
    add_overwrite(check)
    split = actions.add_parser("split", help="write a training set and a test set")
    _add_files(split)
    split.add_argument(
        "--by",
        choices=["frame", "trajectory", "group"],
        default="frame",
        help="what stays together (default: %(default)s); trajectories are named by the info key "
        "trajectory, else frames that follow each other with the same atoms, group and nearly the "
        "same cell",
    )
    split.add_argument(
        "--share",
        type=parsed(number(0.0, 1.0, open_low=True)),
        default=0.1,
        metavar="SHARE",
        help="of every group that goes into the test set (default: 0.1)",
    )
    split.add_argument(
        "--seed", type=parsed(integer(0)), default=0, metavar="N", help="of the draw (default: 0)"
    )
    split.add_argument(
        "--output",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder for train.xyz and test.xyz",
    )
    add_overwrite(split)


def _add_files(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", metavar="FILES", help="files, folders or patterns")
    parser.add_argument(
        "--species",
        type=parsed(parse_species),
        default=(),
        metavar="Al,Ni",
        help="elements in the order of the types, for .cfg files, which name none",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit code.

    Raises
    ------
    InputError, FormatError
        A file is refused or malformed.
    """
    return _check(arguments) if arguments.action == "check" else _split(arguments)


def _check(arguments: argparse.Namespace) -> int:
    from mtpot.data.findings import find_in
    from mtpot.data.sets import find_files, read_sets
    from mtpot.data.survey import summary, survey
    from mtpot.files import check_target, write_atomic
    from mtpot.train.parsers import parse_paths

    files = find_files(parse_paths(arguments.files))
    if arguments.json:
        check_target(arguments.json, arguments.overwrite, files)
    surveyed = survey(read_sets(files, arguments.species))
    described = summary(surveyed)
    _print_summary(described, len(files))
    findings = find_in(surveyed)
    _print_findings(findings)
    if arguments.json:
        content = {
            "files": [str(file) for file in files],
            "summary": described,
            "findings": [finding.as_dict() for finding in findings],
        }
        write_atomic(arguments.json, to_json(content), arguments.overwrite)
    suspicious = any(finding.severity != "note" for finding in findings)
    return 1 if arguments.strict and suspicious else 0


def _print_summary(described: dict[str, Any], files: int) -> None:
    """Print ranges of the set and of its groups, narrow enough for 80 columns."""
    from rich.console import Console
    from rich.table import Table

    heads = ("frames", "atoms", "eV/atom", "max F", "P GPa", "min Å", "E F S")
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("group", no_wrap=True, max_width=NAME_WIDTH, overflow="ellipsis")
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    groups = described["groups"]
    rows = {"all": described, **(groups if len(groups) > 1 else {})}
    for name, row in list(rows.items())[: _SHOWN_GROUPS + 1]:
        table.add_row(name, *_cells(row))
    elements = ", ".join(f"{element} ({n})" for element, n in described["elements"].items())
    console = Console(highlight=False)
    console.print(f"{files} files; frames with {elements}", markup=False, soft_wrap=True)
    console.print("max F: longest force in eV/Å; E F S: percent of frames that have them")
    console.print(table)
    if len(rows) > _SHOWN_GROUPS + 1:
        print(f"and {len(rows) - _SHOWN_GROUPS - 1} more groups")
    print()


def _cells(row: dict[str, Any]) -> list[str]:
    shares = [row[f"with_{label}"] / row["frames"] for label in ("energy", "forces", "stress")]
    force, shortest = row["max_force"], row["shortest_distance"]
    return [
        str(row["frames"]),
        _interval(row["atoms_per_frame"], ".0f"),
        _interval(row["energy_per_atom"], ".4g"),
        "-" if force is None else f"{force[1]:.1f}",
        _interval(row["pressure_GPa"], ".3g"),
        "-" if shortest is None else f"{shortest[0]:.2f}",
        " ".join(f"{100 * share:.0f}" if share else "-" for share in shares),
    ]


def _interval(ends: list[float] | None, form: str) -> str:
    if ends is None:
        return "-"
    low, high = (f"{end:{form}}" for end in ends)
    return low if low == high else f"{low}..{high}"


def _print_findings(findings: list[Finding]) -> None:
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    for finding in findings:
        console.print(finding.severity, style=_COLORS[finding.severity], end=": ")
        console.print(str(finding), markup=False)
    if not findings:
        print("nothing suspicious")


def _split(arguments: argparse.Namespace) -> int:
    from mtpot.data import write_atoms
    from mtpot.data.sets import find_files, read_atoms_of_sets
    from mtpot.data.split import choose_aside, numbered
    from mtpot.errors import InputError
    from mtpot.files import check_folder, check_target, make_folder
    from mtpot.train.parsers import parse_paths

    files = find_files(parse_paths(arguments.files))
    targets = [arguments.output / name for name in ("train.xyz", "test.xyz")]
    check_folder(arguments.output)
    for target in targets:
        if arguments.output.exists():
            check_target(target, arguments.overwrite, files)
    pairs = read_atoms_of_sets(files, arguments.species)
    frames = [frame for _, frame in pairs]
    aside = set(choose_aside(frames, arguments.share, arguments.seed, arguments.by).tolist())
    if not aside:
        raise InputError(
            f"no {arguments.by} can be set aside for --share {arguments.share:g}: the groups are "
            "too small; raise --share or choose another --by"
        )
    # A part is one file with gaps: only names tell its trajectories apart.
    for (atoms, _), frame in zip(pairs, numbered(frames), strict=True):
        atoms.info["trajectory"] = frame.trajectory
    make_folder(arguments.output)
    for target, wanted in zip(targets, (False, True), strict=True):
        part = [atoms for index, (atoms, _) in enumerate(pairs) if (index in aside) == wanted]
        write_atoms(target, part, arguments.overwrite)
        print(f"{target}: {len(part)} frames")
    if arguments.by == "trajectory":
        tell_of_trajectories(frames)
    return 0


def tell_of_trajectories(frames: Sequence[Frame]) -> None:
    """Print how many there are, and warn if they can hardly be told apart."""
    from mtpot.data.split import trajectories

    count = int(trajectories(frames).max()) + 1
    print(f"{count} trajectories")
    if count > len(frames) / 2 and not any(frame.trajectory for frame in frames):
        print(
            "warning: most have one frame, as in a shuffled file: name them by the key trajectory"
        )
