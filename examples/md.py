"""Molecular dynamics of silicon: constant energy, then constant temperature, with a plot."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from ase import units
from ase.build import bulk
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import Stationary
from ase.md.verlet import VelocityVerlet
from matplotlib.figure import Figure

from mtpot import MTPCalculator, potential_path

if TYPE_CHECKING:
    from ase import Atoms
    from ase.md.md import MolecularDynamics

TEMPERATURE = 600  # K
TIME_STEP = 1.0  # fs


def record(dynamics: MolecularDynamics, atoms: Atoms, steps: int) -> np.ndarray:
    """Run; return time (ps), total energy (eV/atom) and temperature (K) of every fifth step."""
    rows: list[tuple[float, float, float]] = []

    def observe() -> None:
        time = dynamics.get_time() / (1000 * units.fs)
        rows.append((time, atoms.get_total_energy() / len(atoms), atoms.get_temperature()))

    dynamics.attach(observe, interval=5)
    dynamics.run(steps)
    return np.array(rows).T


def simulate(steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Run at constant energy, and from where it ends at constant temperature."""
    rng = np.random.default_rng(0)
    atoms = bulk("Si", cubic=True).repeat(2)
    atoms.calc = MTPCalculator(potential_path("silicon"))
    # Twice the variance: a crystal turns half of its kinetic energy into potential energy.
    variance = 2 * units.kB * TEMPERATURE / atoms.get_masses()[:, None]
    atoms.set_velocities(np.sqrt(variance) * rng.normal(size=(len(atoms), 3)))
    Stationary(atoms)
    nve = record(VelocityVerlet(atoms, TIME_STEP * units.fs), atoms, steps)
    thermostat = Langevin(
        atoms,
        TIME_STEP * units.fs,
        temperature_K=TEMPERATURE,
        friction=0.01 / units.fs,
        fixcm=False,
        rng=rng,
    )
    return nve, record(thermostat, atoms, steps)


def plot(nve: np.ndarray, nvt: np.ndarray, path: Path) -> None:
    """Draw the energy drift at constant energy, and both temperatures."""
    figure = Figure(figsize=(6, 5), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    above.plot(nve[0], 1000 * (nve[1] - nve[1, 0]), color="#0072b2")
    above.set_ylabel("energy drift, NVE (meV/atom)")
    below.plot(nve[0], nve[2], color="#0072b2", label="NVE")
    below.plot(nvt[0], nvt[2], color="#d55e00", label="NVT (Langevin)")
    below.axhline(TEMPERATURE, color="0.6", linewidth=0.8)
    below.set(xlabel="time (ps)", ylabel="temperature (K)")
    below.legend(frameon=False)
    figure.savefig(path, dpi=150)


def main() -> None:
    """Simulate, report and plot."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument(
        "--steps", type=int, default=1000, help="time steps of each of the two runs (1000)"
    )
    parser.add_argument("--output", type=Path, default=Path("md.png"), help="plot (md.png)")
    arguments = parser.parse_args()
    nve, nvt = simulate(arguments.steps)
    drift = 1000 * np.ptp(nve[1])
    half = nvt.shape[1] // 2
    print(f"NVE: the total energy stays within {drift:.3f} meV/atom")
    print(f"NVT: {nvt[2, half:].mean():.0f} K on average over the second half")
    plot(nve, nvt, arguments.output)
    print(f"Plot: {arguments.output}")


if __name__ == "__main__":
    main()
