"""Relaxation of a distorted silicon crystal, cell and atoms, and its equation of state."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

import numpy as np
from ase import Atoms, units
from ase.build import bulk
from ase.eos import EquationOfState
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS
from matplotlib.figure import Figure

from mtpot import MTPCalculator, potential_path


def relaxed(steps: int) -> Atoms:
    """Relax a strained and shaken diamond cell to 1 meV/angstrom."""
    atoms = bulk("Si", cubic=True)
    atoms.set_cell(atoms.cell.array @ [[1.03, 0.02, 0], [0, 0.98, 0.01], [0, 0, 1.01]], True)
    atoms.rattle(0.05, seed=0)
    atoms.calc = MTPCalculator(potential_path("silicon"))
    BFGS(FrechetCellFilter(atoms), logfile=None).run(fmax=1e-3, steps=steps)
    return atoms


def energies_of_volumes(atoms: Atoms) -> tuple[np.ndarray, np.ndarray]:
    """Return volumes (angstrom^3) and energies (eV) per atom, scaling lengths by -3 to 3 %."""
    points = []
    for scale in np.linspace(0.97, 1.03, 13):
        scaled = atoms.copy()
        scaled.calc = atoms.calc
        scaled.set_cell(scale * atoms.cell.array, scale_atoms=True)
        points.append((scaled.get_volume(), scaled.get_potential_energy()))
    volumes, energies = np.array(points).T / len(atoms)
    return volumes, energies


def plot(state: EquationOfState, path: Path) -> None:
    """Draw the points and the fitted curve."""
    fitted = state.getplotdata()
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot(fitted[4], fitted[5], color="#0072b2", label="Birch-Murnaghan")
    axes.plot(fitted[6], fitted[7], "o", color="#d55e00", label="potential")
    axes.set(xlabel="volume (Å³/atom)", ylabel="energy (eV/atom)")
    axes.legend(frameon=False)
    figure.savefig(path, dpi=150)


def main() -> None:
    """Relax, fit, report and plot."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=200, help="most steps of the relaxation (200)")
    parser.add_argument("--output", type=Path, default=Path("eos.png"), help="plot (eos.png)")
    arguments = parser.parse_args()
    atoms = relaxed(arguments.steps)
    volumes, energies = energies_of_volumes(atoms)
    state = EquationOfState(volumes, energies, eos="birchmurnaghan")
    volume, energy, modulus = state.fit()
    print(f"Lattice constant: {(8 * volume) ** (1 / 3):.4f} angstrom")
    print(f"Energy: {energy:.4f} eV/atom")
    print(f"Bulk modulus: {modulus / units.GPa:.1f} GPa")
    plot(state, arguments.output)
    print(f"Plot: {arguments.output}")


if __name__ == "__main__":
    main()
