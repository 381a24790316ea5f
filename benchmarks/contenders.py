"""What is measured: crystals, and the potentials that run on them in LAMMPS or in ASE."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from ase.build import bulk
from ase.neighborlist import neighbor_list

from machine import NAMES, instruction_sets
from mtpot import MTP, _core
from mtpot.active.select import build_selection
from mtpot.data.frame import Frame

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from ase import Atoms

CUTOFF = 5.0


@dataclass(frozen=True)
class Crystal:
    """A cubic crystal, in the units of LAMMPS' `metal`."""

    lattice: str
    element: str
    constant: float
    mass: float

    def __str__(self) -> str:
        return f"{self.lattice} {self.element}"

    def cells(self, edge: int) -> tuple[int, int, int]:
        """Cubic cells along x, y and z that make 4 edge^3 atoms."""
        return edge, edge, edge if self.lattice == "fcc" else 2 * edge

    def atoms(self, edge: int) -> Atoms:
        """Make 4 edge^3 atoms, a hundredth of an angstrom from their places."""
        cell = bulk(self.element, self.lattice, a=self.constant, cubic=True)
        made: Atoms = cell * self.cells(edge)
        made.rattle(0.01, seed=0)
        return made

    def neighbors(self, distance: float) -> int:
        """Atoms within the distance of an atom."""
        atoms = bulk(self.element, self.lattice, a=self.constant)
        return len(neighbor_list("i", atoms, distance))


ALUMINUM = Crystal("fcc", "Al", 4.05, 26.98)
COPPER = Crystal("fcc", "Cu", 3.615, 63.546)
MOLYBDENUM = Crystal("bcc", "Mo", 3.147, 95.95)
NIOBIUM = Crystal("bcc", "Nb", 3.3005, 92.906)
TANTALUM = Crystal("bcc", "Ta", 3.316, 180.95)
TUNGSTEN = Crystal("bcc", "W", 3.1803, 183.84)


@dataclass(frozen=True)
class Contender:
    """A potential as LAMMPS takes it.

    `commands` define it; they find files in LAMMPS' own folder of potentials, {potentials}.
    `level`, `variant` and `simd` are those of a moment tensor potential.
    """

    name: str
    crystal: Crystal
    commands: str
    level: int | None = None
    variant: str = ""
    simd: str = field(default_factory=_core.simd_name)


PEERS = (
    Contender("EAM, Foiles 1986", COPPER, "pair_style eam/opt\npair_coeff * * Cu_u3.eam"),
    Contender("UF3, 2+3-body", NIOBIUM, "pair_style uf3 3\npair_coeff * * Nb.uf3 Nb"),
    Contender(
        "POD, 2+3-body", TANTALUM, "pair_style pod\npair_coeff * * Ta_param.pod Ta_coeff.pod Ta"
    ),
    Contender("SNAP, Zuo 2020, 2J = 6", MOLYBDENUM, "include {potentials}/Mo_Zuo_JPCA2020.snap"),
    Contender("SNAP, Zuo 2020, 2J = 8", COPPER, "include {potentials}/Cu_Zuo_JPCA2020.snap"),
    Contender("SNAP, Wood 2017, 2J = 8", TUNGSTEN, "include {potentials}/W_2940_2017_2.snap"),
    Contender(
        "quadratic SNAP, Zuo 2020, 2J = 6",
        MOLYBDENUM,
        "include {potentials}/Mo_Zuo_JPCA2020.quadratic.snap",
    ),
)
"""Published potentials whose files come with LAMMPS."""


def ours(level: int) -> Iterator[Contender]:
    """Yield this package's pair styles, for the files that `write_potential` has written."""
    yield _ours(level, "double", f"mtp {level}.mtp")
    yield _ours(level, "mixed", f"mtp {level}.mtp precision mixed")
    yield _ours(level, "grades", f"mtp/extrapolation {level}.almtp every 1")
    for simd in instruction_sets()[1:]:
        yield _ours(level, NAMES[simd], f"mtp {level}.mtp", simd)


def plain(level: int, options: str = "") -> Contender:
    """Make the default of this package, perhaps with options."""
    return _ours(level, "double", f"mtp {level}.mtp {options}")


def _ours(level: int, variant: str, style: str, simd: str | None = None) -> Contender:
    return Contender(
        f"MTP level {level}, {variant}",
        ALUMINUM,
        f"pair_style {style}\npair_coeff * * Al",
        level,
        variant,
        simd or _core.simd_name(),
    )


def random_potential(level: int, **limits: int) -> MTP:
    """Make a potential of which every scalar is in use; limits as of `MTP.new`.

    The time depends on which are, not on their coefficients; these are so small that the crystal
    stays what it is.
    """
    potential = MTP.new(level, [ALUMINUM.element], CUTOFF, **limits)
    potential.parameters = 1e-3 * np.random.default_rng(0).normal(size=len(potential.parameters))
    return potential


def write_potentials(folder: Path, levels: Sequence[int]) -> dict[int, MTP]:
    """Write LEVEL.mtp and, with an active set, LEVEL.almtp of random potentials."""
    return {level: _write_potential(folder, level) for level in levels}


def _write_potential(folder: Path, level: int) -> MTP:
    potential = random_potential(level)
    potential.save(folder / f"{level}.mtp")
    selection = build_selection(potential, _disordered_frames(), "nbh")
    MTP(potential.core, selection).save(folder / f"{level}.almtp")
    return potential


def _disordered_frames() -> list[Frame]:
    """Make structures for an active set, whose grades then stay low."""
    rng = np.random.default_rng(1)
    cell = 8.1 * np.eye(3)
    return [
        Frame(
            symbols=("Al",) * 32,
            positions=rng.uniform(size=(32, 3)) @ cell,
            cell=cell,
            pbc=np.ones(3, bool),
            energy=0.0,
        )
        for _ in range(10)
    ]
