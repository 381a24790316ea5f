"""What lies below the data: python benchmarks/short_range.py DATA.xyz Mo --structure bcc.

Trains a potential on the frames of one element without and with a clamped basis and a core, and
prints for each the errors of its training forces, the deepest hole of two atoms alone, of an
atom pushed onto its neighbor in a crystal, and the lowest energy of random cells, in eV above
the crystal. With --figure the curves of dimer and crystal are drawn as well.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from ase.build import bulk
from matplotlib.figure import Figure

from mtpot import MTP, MTPCalculator
from mtpot.data import read_frames
from mtpot.neighbors import shortest_distance
from mtpot.short_range import dimer_curve
from mtpot.train.metrics import evaluate_frames, measure
from mtpot.train.settings import Settings
from mtpot.train.trainer import train

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ase import Atoms
    from numpy.typing import NDArray

    from mtpot.data.frame import Frame

    Floats = NDArray[np.float64]

SHAPES = (
    ("RBChebyshev", "none", 1.0),
    ("RBChebyshev_clamped", "none", 1.0),
    ("RBChebyshev_clamped", "zbl", 1.0),
    ("RBChebyshev_clamped", "zbl", 1.06),
)
"""Basis, core, and where both begin as a multiple of the shortest distance of the data."""

CUTOFF = 5.0
SCALES = (1.0, 0.95, 0.9, 0.85, 0.8)
"""Lengths of compressed cells, relative."""


@dataclass(frozen=True)
class Curves:
    """Energies in eV over distances in angstrom, of a dimer and of a pushed atom."""

    label: str
    distances: Floats
    dimer: Floats
    crystal: Floats


def pushed(potential: MTP, crystal: Atoms, distances: Floats) -> Floats:
    """Energy of a crystal with an atom at these distances from its neighbor, eV."""
    atoms = crystal * (3, 3, 3)
    atoms.calc = MTPCalculator(potential)
    whole = atoms.get_potential_energy()
    others = np.arange(1, len(atoms))
    nearest = int(others[atoms.get_distances(0, others, mic=True).argmin()])
    vector = atoms.get_distance(nearest, 0, mic=True, vector=True)
    unit, place = vector / np.linalg.norm(vector), atoms.positions[nearest].copy()
    energies = []
    for distance in distances:
        atoms.positions[0] = place + distance * unit
        energies.append(atoms.get_potential_energy() - whole)
    return np.array(energies)


def lowest(potential: MTP, crystal: Atoms, scale: float, count: int = 12) -> float:
    """Lowest energy of random cells of this size, in eV per atom above the crystal."""
    rng = np.random.default_rng(0)
    calculator = MTPCalculator(potential)
    atoms = crystal * (2, 2, 2)
    calculator.calculate(atoms)
    ground = calculator.results["energy"]
    atoms.set_cell(scale * atoms.cell)
    energies = []
    for _ in range(count):
        atoms.positions = rng.uniform(size=(len(atoms), 3)) @ atoms.cell.array
        calculator.calculate(atoms)
        energies.append((calculator.results["energy"] - ground) / len(atoms))
    return min(energies)


def hole(curve: Floats) -> float:
    """How far a curve falls towards short distances, in front of walls of 20 eV."""
    inward = curve[::-1] - curve[-1]
    walls = np.flatnonzero(inward > 20.0)
    return abs(float(inward[: walls[0] if len(walls) else None].min()))


def row(label: str, potential: MTP, frames: Sequence[Frame], crystal: Atoms) -> Curves:
    """Print a line of the table and return the curves."""
    shortest = shortest_distance(frames, potential.cutoff)
    distances = np.linspace(0.2, 1.0, 161) * shortest
    (element,) = potential.species
    dimer = dimer_curve(potential, element, element, distances)
    curves = Curves(label, distances, dimer, pushed(potential, crystal, distances))
    errors = measure(frames, evaluate_frames(potential, frames)).as_dict()
    cells = " | ".join(f"{lowest(potential, crystal, scale):.3g}" for scale in SCALES)
    holes = " | ".join(f"{hole(curve):.2g}" for curve in (curves.dimer, curves.crystal))
    print(f"| {label} | {errors['force_rmse']:.4f} | {holes} | {cells} |", flush=True)
    return curves


def draw(path: Path, element: str, all_curves: Sequence[Curves]) -> None:
    """Draw both kinds of curves beside each other."""
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    axes = figure.subplots(1, 2, sharex=True)
    for curves in all_curves:
        axes[0].plot(curves.distances, curves.dimer, label=curves.label)
        axes[1].plot(curves.distances, curves.crystal, label=curves.label)
    titles = f"two {element} atoms alone", f"a {element} atom pushed onto its neighbor"
    for axis, title in zip(axes, titles, strict=True):
        axis.set(title=title, xlabel="distance (Å)", ylabel="energy (eV)", ylim=(-30, 60))
    axes[0].legend(fontsize="small")
    figure.savefig(path)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("element")
    parser.add_argument("--structure", default=None, help="of ASE's bulk, as bcc or diamond")
    parser.add_argument("--level", type=int, default=12)
    parser.add_argument("--figure", type=Path)
    given = parser.parse_args()
    frames = read_frames(given.data, (given.element,))
    crystal = bulk(given.element, given.structure, cubic=True)
    scales = " | ".join(f"{scale:g}" for scale in SCALES)
    print(f"| basis, core, minimum distance | F RMSE | hole, dimer | hole, crystal | {scales} |")
    print("|---" * (4 + len(SCALES)) + "|")
    found = []
    for basis, core, share in SHAPES:
        settings = Settings(
            data=given.data,
            output=Path(),
            species=(given.element,),
            level=given.level,
            cutoff=CUTOFF,
            min_distance=share * shortest_distance(frames, CUTOFF),
            core_outer=share * shortest_distance(frames, CUTOFF),
            radial_basis=basis,
            core=core,
        )
        potential = train(settings, frames).potential
        found.append(row(f"{basis}, {core}, {share:g}", potential, frames, crystal))
    if given.figure:
        draw(given.figure, given.element, found)


if __name__ == "__main__":
    main()
