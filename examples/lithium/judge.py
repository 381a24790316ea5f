"""Judge the potential of a learning run on structures of its simulation that were never labeled.

python judge.py run/lithium [--stand-in stand_in.mtp]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from ase.io import read

from mtpot import MTPCalculator


def main() -> None:
    """Compare the learned potential with what gave the labels."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="folder of the run")
    parser.add_argument(
        "--stand-in", type=Path, default=Path(__file__).parent / "stand_in.mtp", help="labeler"
    )
    arguments = parser.parse_args()
    reference = MTPCalculator(arguments.stand_in)
    learned = MTPCalculator(arguments.run / "potential.mtp")
    images = read(arguments.run / "trajectory.xyz", index=":")
    energies, forces = [], []
    for atoms in images:
        atoms.calc = reference
        energy, force = atoms.get_potential_energy(), atoms.get_forces()
        atoms.calc = learned
        energies.append((atoms.get_potential_energy() - energy) / len(atoms))
        forces.append(atoms.get_forces() - force)
        print(
            f"{atoms.info['time']:7.3f} ps  {atoms.info['temperature']:5.0f} K  "
            f"grade {atoms.info['grade']:.2f}  {1e3 * energies[-1]:+.3f} meV/atom  "
            f"{root_mean_square(forces[-1]):.4f} eV/angstrom"
        )
    print(
        f"{len(images)} structures: {1e3 * root_mean_square(energies):.3f} meV/atom, "
        f"{root_mean_square(forces):.4f} eV/angstrom RMSE"
    )


def root_mean_square(values: object) -> float:
    """Of all components."""
    return float(np.sqrt(np.mean(np.square(values))))


if __name__ == "__main__":
    main()
