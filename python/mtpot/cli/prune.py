"""Remove what a potential can do without, for speed, and fit the rest anew.

  mlp prune run/potential.mtp --data train.xyz --test test.xyz --output pruned
  mlp prune run/potential.mtp --settings settings.toml --force-error 5% --output pruned

Scalars and radial functions go by what they add to the loss on the training set and to the time;
give the data and the weights of the training, by flags or by its settings file. Leaves in the
output folder: potential.mtp, the fastest within these errors; potential.almtp, the same with its
active set; points/NN.mtp, the stages on the way to it; pareto.md, pareto.json and pareto.png,
their errors against time. Ctrl-C ends the search and writes what has been found.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtpot.cli.common import add_overwrite, add_potential, load_named, parsed, to_json
from mtpot.cli.train import add_flag, check_inputs, read_data, save_active_set
from mtpot.train.parsers import number
from mtpot.train.settings import Settings, options
from mtpot.train.settings_file import load_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mtpot.cli.train import Data
    from mtpot.train.pareto import Row
    from mtpot.train.prune import Point, PruneOptions, PruneResult

SUMMARY = "trade a little accuracy for speed"

_FLAGS = ("data", "test", "species", "active_set", "threads", "seed")
_FILES = ("potential.mtp", "potential.almtp", "pareto.md", "pareto.json", "pareto.png")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line: flags of a training, and what is allowed to get worse."""
    add_potential(parser, "a trained .mtp or .almtp file")
    add = parser.add_argument
    add("--output", type=Path, required=True, metavar="DIR", help="folder for the results")
    add(
        "--force-error",
        type=parsed(_share),
        default=0.1,
        metavar="SHARE",
        help="by how much the RMSE of the training forces may grow, 0.1 or 10%% (default: 0.1)",
    )
    add(
        "--energy-error",
        type=parsed(_share),
        metavar="SHARE",
        help="by how much the RMSE of the training energies may grow (default: any)",
    )
    add(
        "--settings",
        type=Path,
        metavar="FILE.toml",
        help="settings file of the training: its data, test, species, weights, threads and seed",
    )
    add_overwrite(parser)
    group = parser.add_argument_group("as in mlp train")
    for name, option, default in options():
        if name in _FLAGS or option.section == "loss":
            add_flag(group, name, option, default)


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit code.

    Raises
    ------
    InputError, FormatError
        A setting, a file or a frame is refused; nothing has been written then.
    """
    from mtpot.cli.progress import Progress
    from mtpot.errors import InputError
    from mtpot.files import probe_folder
    from mtpot.train.loss import weights_of
    from mtpot.train.prune import PruneOptions, prune

    settings = _settings(arguments)
    ridge = settings.ridge
    if ridge == "auto":
        raise InputError("ridge auto is mlp-train's alone: give mlp prune a number, such as 1e-10")
    _check_outputs(settings, arguments.potential)
    check_inputs(settings, arguments.settings)
    potential = load_named(arguments.potential, settings.species or None)
    settings, data = read_data(settings)
    probe_folder(settings.output)
    if potential.selection is not None:
        print("the active set of the potential does not fit a pruned one and is left out")
    energy_error = arguments.energy_error
    wishes = PruneOptions(
        force_error=arguments.force_error,
        energy_error=math.inf if energy_error is None else energy_error,
        weights=weights_of(settings),
        ridge=ridge,
        threads=settings.threads,
        seed=settings.seed,
    )
    with Progress(_Describe()) as progress:
        result = prune(potential, data.train, wishes, progress)
    if len(result.points) == 1:
        reason = "interrupted" if result.interrupted else "nothing can go within this error"
        print(f"{reason}; {settings.output} is not written")
        return 1
    _save(settings, data, result, wishes)
    return 1 if result.interrupted else 0


def _share(text: str) -> float:
    """Parse a share, 0.1 or 10%."""
    percent = text.endswith("%")
    value = float(number(0.0)(text.removesuffix("%").removeprefix("+")))
    if value > 1.0 and not percent:
        raise argparse.ArgumentTypeError(f"{text} is more than twice the error; {text}% is meant?")
    return value / 100.0 if percent else value


def _settings(arguments: argparse.Namespace) -> Settings:
    flags = {name: getattr(arguments, name) for name, _, _ in options() if name in arguments}
    # These three never come from the settings file, where they mean the training's.
    fixed = {"start": str(arguments.potential), "output": str(arguments.output)}
    return load_settings(arguments.settings, flags | fixed | {"overwrite": arguments.overwrite})


def _check_outputs(settings: Settings, potential: Path) -> None:
    """Refuse what could not be written after the search."""
    from mtpot.errors import InputError
    from mtpot.files import check_folder, check_target

    check_folder(settings.output)
    if not settings.output.exists():
        return
    for name in _FILES:
        check_target(settings.output / name, settings.overwrite, [potential])
    points = settings.output / "points"
    check_folder(points)
    if points.exists() and any(points.iterdir()) and not settings.overwrite:
        raise InputError(f"{points} has files; choose another --output or give --overwrite")
    for each in points.glob("*.mtp"):
        check_target(each, settings.overwrite, [potential])


class _Describe:
    """A line for every fit: what is left, its estimated time, and its errors beside the first."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._first: Point | None = None

    def __call__(self, point: Point) -> str:
        first = self._first = self._first or point
        core = point.potential.core
        return (
            f"{len(core.scalars):3d} scalars K {core.radial_function_count} "
            f"estimated {1e-3 * point.effort:.2f} µs/atom F {point.force_rmse:.4f} eV/Å "
            f"{_growth(point.force_rmse, first.force_rmse)} "
            f"E {_growth(point.energy_rmse, first.energy_rmse)} "
            f"{time.perf_counter() - self._started:.0f} s"
        )


def _growth(error: float, first: float) -> str:
    return f"{100.0 * (error / first - 1.0):+.0f}%" if first > 0.0 else f"from {first:.0f}"


def _save(settings: Settings, data: Data, result: PruneResult, wishes: PruneOptions) -> None:
    """Save the potentials before anything else can fail: they are what took the time."""
    from mtpot.files import make_folder, write_atomic
    from mtpot.train.pareto import judge, pareto_figure, pareto_page
    from mtpot.train.report import to_png

    points = make_folder(settings.output / "points")
    for old in (*points.glob("*.mtp"), *(settings.output / name for name in _FILES)):
        old.unlink(missing_ok=True)
    for place, point in enumerate(result.points[1:], start=1):
        point.potential.save(points / f"{place:02d}.mtp")
    best = result.points[-1].potential
    best.save(settings.output / "potential.mtp")
    rows = judge(result.points, data.train, data.test, settings.threads)
    content = {
        "force_error": wishes.force_error,
        "energy_error": wishes.energy_error if math.isfinite(wishes.energy_error) else None,
        "interrupted": result.interrupted,
        "settings": _shown(settings),
        "points": [row.as_dict() for row in rows],
    }
    write_atomic(settings.output / "pareto.json", to_json(content))
    write_atomic(settings.output / "pareto.md", pareto_page(rows, _aim(wishes, result)))
    most = (1.0 + wishes.force_error) * result.points[0].force_rmse
    write_atomic(settings.output / "pareto.png", to_png(pareto_figure(rows, most)))
    _print_rows(rows)
    if not result.interrupted:
        save_active_set(settings, best, data.train)
    if result.interrupted:
        print("interrupted: no active set, and there may be faster ones")
    faster = rows[0].microseconds / rows[-1].microseconds
    first, last = result.points[0], result.points[-1]
    print(
        f"{settings.output / 'potential.mtp'} is point {len(rows) - 1}: {faster:.2f} times faster, "
        f"forces {_growth(last.force_rmse, first.force_rmse)}, "
        f"energies {_growth(last.energy_rmse, first.energy_rmse)}; see pareto.md beside it"
    )


def _aim(wishes: PruneOptions, result: PruneResult) -> str:
    """Say in words what was allowed, and whether the search came to its end."""
    allowed = f"forces at most {100.0 * wishes.force_error:.3g} % worse"
    if math.isfinite(wishes.energy_error):
        allowed += f", energies at most {100.0 * wishes.energy_error:.3g} % worse"
    return allowed + (", but the search was interrupted" if result.interrupted else "")


def _shown(settings: Settings) -> dict[str, Any]:
    """Return the settings that matter here."""
    loss = [name for name, option, _ in options() if option.section == "loss"]
    values = settings.as_dict()
    return {name: values[name] for name in ("start", *_FLAGS, *loss)}


def _print_rows(rows: Sequence[Row]) -> None:
    """Print the table, narrow enough for 80 columns."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
    heads = ("point", "scalars", "K", "µs/atom", "faster", "E train", "F train", "E test", "F test")
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    for place, row in enumerate(rows):
        core = row.point.potential.core
        cells = [str(place), str(len(core.scalars)), str(core.radial_function_count)]
        cells += [f"{row.microseconds:.2f}", f"{rows[0].microseconds / row.microseconds:.2f}"]
        for summary in (row.train, row.test):
            energy, force = (summary.energy, summary.forces) if summary else (None, None)
            cells.append(f"{1e3 * energy.rmse:.2f}" if energy else "-")
            cells.append(f"{force.rmse:.4f}" if force else "-")
        table.add_row(*cells)
    console = Console(highlight=False)
    console.print("energy RMSE E in meV/atom, force RMSE F in eV/Å; K radial functions")
    console.print(table)
