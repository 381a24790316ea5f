"""Elastic constants and phonon frequencies of silicon with error bars."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

import numpy as np
from ase.build import bulk
from matplotlib.figure import Figure

from mtpot import MTP, MTPCalculator, potential_path
from mtpot.data import read_frames
from mtpot.simulate import (
    Propagated,
    bulk_modulus,
    elastic_constants,
    phonon_frequencies,
    propagate,
    relaxed,
)
from mtpot.train.calibration import calibrate, score, spreads
from mtpot.train.committee import bag
from mtpot.train.loss import Weights

DATA = Path(__file__).parent / "silicon"

# From the center of the zone to X and to L, in units of the reciprocal cell vectors.
PATH = np.array([[x, x, 0.0] for x in np.linspace(0.0, 0.5, 11)])
L = [0.5, 0.5, 0.5]


def with_error_bars(members: int) -> MTP:
    """Give the potential of silicon that comes with mtpot a committee, and calibrate it."""
    potential = MTP.load(potential_path("silicon"))
    frames, others = (read_frames(DATA / f"{name}.xyz") for name in ("train", "test"))
    linear = bag(potential, frames, Weights(), count=members)
    committee = potential.with_members(linear)
    scored = score(committee, others, spreads(committee, others))
    return potential.with_members(linear, calibrate(scored))


def elasticity(calculator: MTPCalculator) -> list[float]:
    """C11, C12, C44 and the bulk modulus, GPa."""
    constants = elastic_constants(bulk("Si"), calculator, force=1e-4)
    return [constants[0, 0], constants[0, 1], constants[3, 3], bulk_modulus(constants)]


def vibrations(calculator: MTPCalculator) -> np.ndarray:
    """Frequencies in THz along the path and at L, at the equilibrium of the calculator."""
    silicon = relaxed(bulk("Si"), calculator, force=1e-4)
    return phonon_frequencies(silicon, calculator, [*PATH, L])


def plot(found: Propagated, path: Path) -> None:
    """Draw the branches with bands of one standard deviation."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for value, deviation in zip(found.value[:-1].T, found.deviation[:-1].T, strict=True):
        axes.plot(2 * PATH[:, 0], value, color="#0072b2")
        axes.fill_between(2 * PATH[:, 0], value - deviation, value + deviation, color="0.85")
    axes.set(
        xlabel="wave vector from Γ to X", ylabel="frequency (THz)", xlim=(0, 1), ylim=(0, None)
    )
    figure.savefig(path, dpi=150)


def main() -> None:
    """Make the committee, compute, report and plot."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--members", type=int, default=8, help="of the committee (8)")
    parser.add_argument(
        "--output", type=Path, default=Path("uncertainty.png"), help="plot (uncertainty.png)"
    )
    arguments = parser.parse_args()
    potential = with_error_bars(arguments.members)
    found = propagate(elasticity, potential, threads=1)
    for name, value, deviation in zip(
        ("C11", "C12", "C44", "Bulk modulus"), found.value, found.deviation, strict=True
    ):
        print(f"{name}: {value:.1f} +- {deviation:.1f} GPa")
    phonons = propagate(vibrations, potential, threads=1)
    for name, index, branch in (
        ("Γ, optical", 0, -1),
        ("X, acoustic", -2, 0),
        ("L, acoustic", -1, 0),
    ):
        value, deviation = phonons.value[index, branch], phonons.deviation[index, branch]
        print(f"{name}: {value:.2f} +- {deviation:.2f} THz")
    plot(phonons, arguments.output)
    print(f"Plot: {arguments.output}")


if __name__ == "__main__":
    main()
