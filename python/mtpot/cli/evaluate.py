"""Predict energies, forces and stresses, and compare them with labels.

  mlp evaluate potential.mtp test.xyz --output predicted.xyz --json metrics.json

The output has predictions as energy, forces and stress, and labels as ref_energy, ref_forces and
ref_stress (eV, eV/angstrom, eV/angstrom^3); .xyz has 8 decimals of forces. Groups come from the
frames' info key "group", else "config_type". A potential with members (mlp train --ensemble) adds
energy_std and forces_std, the errors to expect, and the share of real errors inside intervals.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mtpot.cli.common import (
    add_overwrite,
    add_potential,
    add_species,
    add_threads,
    load_named,
    print_errors,
    read_fitting,
    to_json,
)

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from mtpot.data.frame import Floats, Frame
    from mtpot.potential import MTP
    from mtpot.train.metrics import Prediction

SUMMARY = "predict frames and measure errors"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    add_potential(parser, "a trained .mtp or .almtp file")
    parser.add_argument("frames", type=Path, metavar="FRAMES", help="structures, labeled or not")
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="write predictions: .xyz, or what else ASE writes",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write errors as JSON")
    add_species(parser)
    parser.add_argument(
        "--precision",
        choices=["double", "mixed"],
        default="double",
        help="of the arithmetic (default: %(default)s); mixed is faster and keeps five digits",
    )
    add_threads(parser)
    add_overwrite(parser)


def run(arguments: argparse.Namespace) -> None:
    """Run the command.

    Raises
    ------
    InputError, FormatError
        A file is refused or malformed, or the potential lacks an element.
    """
    from mtpot.data import write_atoms
    from mtpot.data.atoms import with_predictions
    from mtpot.files import write_atomic
    from mtpot.train.metrics import evaluate_frames, measure

    _check_targets(arguments)
    potential = load_named(arguments.potential, arguments.species)
    images, frames = read_fitting(arguments.frames, potential)
    predictions = evaluate_frames(potential, frames, arguments.threads, arguments.precision)
    metrics = measure(frames, predictions)
    print_errors(f"Errors, {arguments.frames}", metrics)
    expected = _expected_errors(arguments, potential, frames, predictions)
    if arguments.output:
        predicted = [
            with_predictions(atoms, frame, each.energy, each.forces, each.stress)
            for atoms, frame, each in zip(images, frames, predictions, strict=True)
        ]
        if expected:
            for atoms, (energy, forces) in zip(predicted, expected, strict=True):
                atoms.info["energy_std"] = energy
                atoms.set_array("forces_std", forces)
        write_atoms(arguments.output, predicted, arguments.overwrite)
        print(f"{arguments.output}: predictions of {len(images)} frames")
    if arguments.json:
        write_atomic(arguments.json, to_json(metrics.as_dict()), arguments.overwrite)
        print(f"{arguments.json}: errors")


def _expected_errors(
    arguments: argparse.Namespace,
    potential: MTP,
    frames: Sequence[Frame],
    predictions: Sequence[Prediction],
) -> list[tuple[float, Floats]]:
    """Find the standard deviations of energies and forces by members, and tell how they fare."""
    from mtpot.train.calibration import beside, describe_coverage, expected_errors, spreads

    if not potential.members:
        return []
    found = spreads(potential, frames, arguments.threads)
    for line in describe_coverage(potential.intervals, beside(frames, predictions, found)):
        print(line)
    return expected_errors(potential.intervals, found)


def _check_targets(arguments: argparse.Namespace) -> None:
    from mtpot.data import check_format
    from mtpot.data.read import kind
    from mtpot.errors import InputError
    from mtpot.files import check_target

    targets = [path for path in (arguments.output, arguments.json) if path]
    for target in targets:
        check_target(target, arguments.overwrite, (arguments.potential, arguments.frames))
    if arguments.output:
        check_format(arguments.output)
    if len({path.resolve() for path in targets}) < len(targets):
        raise InputError(f"--output and --json are the same file, {arguments.json}")
    if arguments.output and kind(arguments.output) == ".cfg":
        raise InputError(f"{arguments.output}: .cfg cannot hold labels and predictions; write .xyz")
