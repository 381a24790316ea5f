"""Predict energies, forces and stresses, and compare them with labels.

  mlp evaluate potential.mtp test.xyz --output predicted.xyz --json metrics.json

The output has predictions as energy, forces and stress, and labels as ref_energy, ref_forces and
ref_stress (eV, eV/angstrom, eV/angstrom^3). Groups come from the frames' info key "group", else
"config_type".
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtpot.cli.common import (
    add_overwrite,
    add_potential,
    add_species,
    add_threads,
    load_named,
    make_console,
    print_errors,
    to_json,
)

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from mtpot.train.metrics import Prediction

SUMMARY = "predict frames and measure errors"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    add_potential(parser, "a trained .mtp or .almtp file")
    parser.add_argument("frames", type=Path, metavar="FRAMES", help="structures, labeled or not")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write predictions, as .xyz")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write errors as JSON")
    add_species(parser)
    add_threads(parser)
    add_overwrite(parser)


def run(arguments: argparse.Namespace) -> None:
    """Run the command.

    Raises
    ------
    InputError, FormatError
        A file is refused or malformed, or the potential lacks an element.
    """
    from mtpot.data import read_atoms, write_atoms
    from mtpot.data.check import check_elements
    from mtpot.files import check_target, write_atomic
    from mtpot.train.metrics import evaluate_frames, measure

    for target in filter(None, (arguments.output, arguments.json)):
        check_target(target, arguments.overwrite)
    potential = load_named(arguments.potential, arguments.species)
    pairs = read_atoms(arguments.frames, potential.species)
    frames = [frame for _, frame in pairs]
    check_elements(frames, potential.species)
    predictions = evaluate_frames(potential, frames, arguments.threads)
    metrics = measure(frames, predictions)
    print_errors(make_console(), f"Errors, {arguments.frames}", metrics)
    if arguments.output:
        images = _predicted(pairs, predictions)
        write_atoms(arguments.output, images, arguments.overwrite, potential.species)
    if arguments.json:
        write_atomic(arguments.json, to_json(metrics.as_dict()), arguments.overwrite)


def _predicted(pairs: Sequence[Any], predictions: Sequence[Prediction]) -> list[Any]:
    from mtpot.data.atoms import with_predictions

    return [
        with_predictions(atoms, frame, each.energy, each.forces, each.stress)
        for (atoms, frame), each in zip(pairs, predictions, strict=True)
    ]
