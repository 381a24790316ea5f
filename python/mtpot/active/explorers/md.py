"""Molecular dynamics in ASE, where LAMMPS is not at hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import units
from ase.io import write
from ase.md.langevin import Langevin
from ase.md.melchionna import MelchionnaNPT
from ase.md.verlet import VelocityVerlet

from mtpot.active.explorers.collect import Broken, Collector
from mtpot.active.explorers.common import SNAPSHOTS
from mtpot.active.explorers.dynamics import Conditions, conditions, heated
from mtpot.calculator import MTPCalculator

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ase import Atoms
    from ase.md.md import MolecularDynamics as Dynamics

    from mtpot.active.explorers.common import Exploration, Watch


@dataclass(frozen=True, kw_only=True, slots=True)
class MolecularDynamics(Conditions):
    """NVT by Langevin's, NPT by Melchionna's equations."""

    def check(self, starts: Sequence[Atoms]) -> None:
        """Refuse keys without use, and structures that explore nothing; the rest is ASE's."""
        self.check_sense("[[explore]] md")
        self.check_starts(starts, "[[explore]] md")

    def variants(self) -> list[tuple[str, Mapping[str, Any]]]:
        """One for each temperature and pressure."""
        return conditions(self, self.ensemble)

    def explore(  # noqa: PLR0913, PLR0917 - a task has as many parts
        self,
        start: Atoms,
        potential: Path,
        watch: Watch,
        variant: Mapping[str, Any],
        seed: int,
        folder: Path,
    ) -> Exploration:
        """Run in the process of the task."""
        atoms = heated(start, self, variant["temperature"], seed)
        atoms.calc = MTPCalculator(potential)
        dynamics = self.dynamics(atoms, variant, seed)
        collector = Collector(watch, folder)
        (folder / SNAPSHOTS).unlink(missing_ok=True)
        steps, broken = 0, False
        try:
            while True:
                atoms.get_forces()
                collector.look(atoms, atoms.calc.results["grade"], 1e-3 * self.timestep * steps)
                if self.interval and steps % self.interval < watch.every:
                    _keep(atoms, folder)
                if steps >= self.steps:
                    break
                steps = self.advance(dynamics, variant, steps, watch.every)
        except Broken:
            broken = True
        return collector.found(broken, steps, 1e-3 * self.timestep * steps)

    def dynamics(self, atoms: Atoms, variant: Mapping[str, Any], seed: int) -> Dynamics:
        """Return ASE's object for the ensemble.

        For npt the atoms are turned, if need be, so that their cell is upper triangular: ASE's
        barostat takes no other. All that is seen of the simulation is turned as well.
        """
        step, temperature = self.timestep * units.fs, variant["temperature"]
        if self.ensemble == "nve":
            return VelocityVerlet(atoms, step)
        if self.ensemble == "nvt":
            rng = np.random.default_rng(seed + 1)
            # The center of mass moves as it should; ASE's way to hold it is not quite NVT.
            return Langevin(
                atoms,
                step,
                temperature_K=temperature,
                friction=0.01 / units.fs,
                fixcm=False,
                rng=rng,
            )
        _turn_upright(atoms)
        return MelchionnaNPT(
            atoms,
            step,
            temperature_K=temperature,
            externalstress=variant["pressure"] * units.GPa,  # of a scalar, that is the pressure
            ttime=25.0 * units.fs,
            pfactor=(75.0 * units.fs) ** 2 * 100.0 * units.GPa,
        )

    def advance(
        self, dynamics: Dynamics, variant: Mapping[str, Any], steps: int, every: int
    ) -> int:
        """Go from a number of steps so many further, not beyond the end; return the new number."""
        self._heat(dynamics, variant["temperature"], steps)
        taken = min(every, self.steps - steps)
        dynamics.run(taken)
        return steps + taken

    def _heat(self, dynamics: Dynamics, first: float, steps: int) -> None:
        """Set the temperature of a ramp."""
        if self.final_temperature is not None and hasattr(dynamics, "set_temperature"):
            share = steps / self.steps
            now = first + share * (self.final_temperature - first)
            dynamics.set_temperature(temperature_K=now)


def _turn_upright(atoms: Atoms) -> None:
    """Turn cell, positions and momenta so that the cell is upper triangular."""
    if not np.tril(atoms.cell.array, -1).any():
        return
    cell, turn = atoms.cell.standard_form("upper")  # the cell as it is: cell @ turn
    momenta = atoms.get_momenta() @ turn.T
    atoms.set_cell(cell, apply_constraint=False)
    atoms.set_positions(atoms.positions @ turn.T, apply_constraint=False)
    atoms.set_momenta(momenta, apply_constraint=False)


def _keep(atoms: Atoms, folder: Path) -> None:
    """Add a snapshot to the trajectory."""
    image = atoms.copy()
    image.calc = None
    write(folder / SNAPSHOTS, image, format="extxyz", append=True)
