"""Conditions of molecular dynamics, whichever program runs it."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from ase.md.velocitydistribution import Stationary, thermalize_momenta

from mtpot.errors import InputError
from mtpot.train.option import about
from mtpot.train.parsers import choice, integer, number, numbers, parse_repeat

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ase import Atoms


@dataclass(frozen=True, kw_only=True, slots=True)
class Conditions:
    """Ensemble, temperature, pressure and length."""

    brings_structures: ClassVar[bool] = False

    ensemble: Literal["nvt", "npt", "nve"] = field(
        default="nvt",
        metadata=about("explore", "nvt, npt or nve", choice("nvt", "npt", "nve"), "NAME"),
    )
    temperature: tuple[float, ...] = field(
        default=(300.0,),
        metadata=about(
            "explore",
            "K; several, [300, 900], are simulations side by side",
            numbers(0.0, open_low=True),
            "T",
            "300.0",
        ),
    )
    final_temperature: float | None = field(
        default=None,
        metadata=about(
            "explore",
            "K: heat or cool evenly from temperature to it",
            number(0.0, open_low=True),
            "T",
            "2000.0",
        ),
    )
    pressure: tuple[float, ...] = field(
        default=(0.0,),
        metadata=about(
            "explore",
            "GPa, of ensemble npt; several are simulations side by side",
            numbers(float("-inf")),
            "P",
            "0.0",
        ),
    )
    time: float = field(
        default=10.0,
        metadata=about(
            "explore",
            "length in ps that has to pass without extrapolation",
            number(0.0, open_low=True),
        ),
    )
    timestep: float = field(
        default=1.0, metadata=about("explore", "time step in fs", number(0.0, open_low=True))
    )
    every: int = field(
        default=10,
        metadata=about("explore", "steps from one look at the grade to the next", integer(1)),
    )
    snapshots: int = field(
        default=0,
        metadata=about(
            "explore",
            "structures to keep in trajectory.xyz, evenly along the way, to look at or to judge by",
            integer(0),
        ),
    )
    repeat: tuple[int, int, int] = field(
        default=(1, 1, 1),
        metadata=about(
            "explore",
            "copies of the starting structure along its cell vectors; what is too large for a "
            "calculation is cut to the neighborhood of the atoms that extrapolate",
            parse_repeat,
            "[N, N, N]",
        ),
    )

    def check_sense(self, where: str) -> None:
        """Refuse keys that have no use in an ensemble.

        Raises
        ------
        InputError
            Names the key.
        """
        if self.ensemble == "nve" and self.final_temperature is not None:
            raise InputError(f"{where}: final-temperature needs a thermostat: ensemble nvt or npt")
        if self.ensemble != "npt" and self.pressure != (0.0,):
            raise InputError(f"{where}: pressure needs a barostat: ensemble npt")

    def check_starts(self, starts: Sequence[Atoms], where: str) -> None:
        """Refuse structures that explore nothing, or that have no pressure.

        Raises
        ------
        InputError
            Names the structure by its formula.
        """
        for atoms in starts:
            if len(atoms) * prod(self.repeat) == 1:
                raise InputError(
                    f"{where}: one atom alone, {atoms.symbols}, moves against nothing: give "
                    "repeat = 2"
                )
            if self.ensemble == "npt" and not atoms.pbc.all():
                raise InputError(
                    f"{where}: ensemble npt needs a cell that is periodic in all directions, which "
                    f"that of {atoms.symbols} is not: give ensemble nvt"
                )

    def elements(self, species: tuple[str, ...]) -> set[str]:  # noqa: ARG002 - of no files
        """Return none: all atoms are those of a start."""
        return set()

    @property
    def interval(self) -> int:
        """Number of time steps from one snapshot to the next; 0: there are none."""
        return max(1, self.steps // self.snapshots) if self.snapshots else 0

    @property
    def steps(self) -> int:
        """Number of time steps."""
        return max(1, round(1e3 * self.time / self.timestep))


def conditions(given: Conditions, kind: str) -> list[tuple[str, Mapping[str, Any]]]:
    """One run for each temperature and pressure, with its name, which begins with the kind."""
    found: list[tuple[str, Mapping[str, Any]]] = []
    for temperature, pressure in product(given.temperature, given.pressure):
        name = f"{kind}-{temperature:g}K"
        if given.final_temperature is not None:
            name = f"{kind}-{temperature:g}-{given.final_temperature:g}K"
        if kind == "npt" or given.pressure != (0.0,):
            name += f"-{pressure:g}GPa"
        found.append((name, {"temperature": temperature, "pressure": pressure}))
    return found


def heated(start: Atoms, given: Conditions, temperature: float, seed: int) -> Atoms:
    """Return the starting structure, repeated, with velocities of a temperature.

    Those that it comes with are kept. At rest in the mean, so that nothing drifts: one atom is at
    rest.
    """
    atoms: Atoms = start.repeat(given.repeat)
    atoms.calc = None
    if not atoms.get_momenta().any():
        rng = np.random.default_rng(seed)
        thermalize_momenta(atoms, temperature_K=temperature, rng=rng)
        Stationary(atoms, preserve_temperature=len(atoms) > 1)
    return atoms
