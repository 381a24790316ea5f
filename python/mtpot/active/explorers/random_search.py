"""Random structures of a composition, relaxed by the potential.

Ab initio random structure searching: Pickard & Needs, J. Phys.: Condens. Matter 23 (2011) 053201.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, covalent_radii
from ase.formula import Formula
from ase.neighborlist import neighbor_list

from mtpot.active.explorers.relax import relax_all
from mtpot.errors import InputError
from mtpot.train.option import about
from mtpot.train.parsers import integer, number, parse_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from mtpot.active.explorers.common import Exploration, Watch

_CLOSEST = 0.8
"""Of the sum of covalent radii: atoms of a random structure are no closer."""
_TRIES = 100
_SWELLING = 1.1
"""Of the volume, whenever atoms have found no place in so many tries."""
_PACKING = 2.3
"""Volume of an atom over that of the sphere of its covalent radius, in metals about."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RandomSearch:
    """Compositions, and how many structures of each."""

    compositions: tuple[str, ...] = field(
        metadata=about(
            "explore", "formulas of the cells", parse_names, "NAME", '["Al4Ni4", "Al6Ni2"]'
        )
    )
    count: int = field(
        default=20, metadata=about("explore", "structures of each composition", integer(1))
    )
    volume: float | None = field(
        default=None,
        metadata=about(
            "explore",
            "angstrom^3 an atom to begin with; without, from covalent radii",
            number(0.0, open_low=True),
            "V",
            "15.0",
        ),
    )
    force: float = field(
        default=0.01,
        metadata=about(
            "explore",
            "eV/angstrom: relaxed is what has no larger force",
            number(0.0, open_low=True),
        ),
    )
    most_steps: int = field(
        default=500, metadata=about("explore", "most steps of one relaxation", integer(1))
    )

    def check(self) -> None:
        """Refuse formulas of no elements."""
        for formula in self.compositions:
            try:
                known = all(symbol in atomic_numbers for symbol in Formula(formula).count())
            except ValueError:
                known = False
            if not known:
                raise InputError(f"[[explore]] random: compositions: {formula} is no formula")

    def variants(self) -> list[tuple[str, Mapping[str, Any]]]:
        """One for each composition."""
        return [(formula, {"formula": formula}) for formula in self.compositions]

    def explore(  # noqa: PLR0913, PLR0917 - a task has as many parts
        self,
        start: Atoms,  # noqa: ARG002 - not needed here
        potential: Path,
        watch: Watch,
        variant: Mapping[str, Any],
        seed: int,
        folder: Path,
    ) -> Exploration:
        """Relax one structure after the other."""
        found = self._structures(variant["formula"], np.random.default_rng(seed))
        return relax_all(
            found, potential, watch, folder, force=self.force, most_steps=self.most_steps, cell=True
        )

    def images(
        self,
        starts: Sequence[Atoms],  # noqa: ARG002 - not needed here
        species: tuple[str, ...],  # noqa: ARG002
        seed: int,
    ) -> Iterator[Atoms]:
        """Yield the structures of all compositions."""
        rng = np.random.default_rng(seed)
        for formula in self.compositions:
            yield from self._structures(formula, rng)

    def _structures(self, formula: str, rng: np.random.Generator) -> Iterator[Atoms]:
        for _ in range(self.count):
            yield random_structure(formula, rng, self.volume)


def random_structure(formula: str, rng: np.random.Generator, volume: float | None = None) -> Atoms:
    """Return atoms at random places of a random cell, none of them too close to another.

    Parameters
    ----------
    formula
        Of the cell, like "Al6Ni2".
    rng
        Source of randomness.
    volume
        Of an atom, angstrom^3; grows while atoms find no place. Without, from covalent radii.
    """
    numbers = np.array([atomic_numbers[symbol] for symbol in Formula(formula)])
    radii = covalent_radii[numbers]
    total = _PACKING * float((4.0 / 3.0 * np.pi * radii**3).sum())
    total = total if volume is None else volume * len(numbers)
    while True:
        for _ in range(_TRIES):
            shape = np.eye(3) + rng.uniform(-0.5, 0.5, size=(3, 3))
            determinant = np.linalg.det(shape)
            if determinant < 0.3:  # flat cells have no room
                continue
            cell = shape * (total / determinant) ** (1.0 / 3.0)
            places = rng.uniform(size=(len(numbers), 3))
            atoms = Atoms(numbers, cell=cell, scaled_positions=places, pbc=True)
            if not len(neighbor_list("i", atoms, list(_CLOSEST * radii))):
                return atoms
        total *= _SWELLING
