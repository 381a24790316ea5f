"""Random structures of a composition, relaxed by the potential.

Ab initio random structure searching: Pickard & Needs, J. Phys.: Condens. Matter 23 (2011) 053201.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, covalent_radii
from ase.formula import Formula

from mtpot.active.explorers.relax import relax_all
from mtpot.errors import InputError
from mtpot.train.option import about
from mtpot.train.parsers import integer, number, parse_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from mtpot.active.explorers.common import Exploration, Watch
    from mtpot.data.frame import Floats

_CLOSEST = 0.8
"""Of the sum of covalent radii: atoms of a random structure are no closer."""
_PLACES = 200
"""That an atom tries in a cell."""
_CELLS = 5
_SWELLING = 1.1
"""Of the volume, whenever atoms have found no place in so many cells."""
_PACKING = 2.3
"""Volume of an atom over that of the sphere of its covalent radius, in metals about."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RandomSearch:
    """Compositions, and how many structures of each."""

    every: ClassVar[int] = 1
    repeat: ClassVar[tuple[int, int, int]] = (1, 1, 1)
    brings_structures: ClassVar[bool] = True
    cell: ClassVar[bool] = True

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

    def check(self, starts: Sequence[Atoms]) -> None:  # noqa: ARG002 - not needed here
        """Refuse formulas of no elements."""
        for formula in self.compositions:
            try:
                known = all(symbol in atomic_numbers for symbol in Formula(formula).count())
            except ValueError:
                known = False
            if not known:
                raise InputError(f"[[explore]] random: compositions: {formula} is no formula")

    def elements(self, species: tuple[str, ...]) -> set[str]:  # noqa: ARG002 - formulas name all
        """Return those of the compositions."""
        return {symbol for formula in self.compositions for symbol in Formula(formula).count()}

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
            found,
            potential,
            watch,
            folder,
            force=self.force,
            most_steps=self.most_steps,
            cell=self.cell,
        )

    def unrelaxed(
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
        for _ in range(_CELLS):
            cell = _random_cell(total, rng)
            places = _random_places(_CLOSEST * radii, cell, rng)
            if places is not None:
                return Atoms(numbers, cell=cell, scaled_positions=places, pbc=True)
        total *= _SWELLING


def _random_cell(volume: float, rng: np.random.Generator) -> Floats:
    while True:
        shape = np.eye(3) + rng.uniform(-0.5, 0.5, size=(3, 3))
        determinant = np.linalg.det(shape)
        if determinant > 0.3:  # flat cells have no room
            cell: Floats = shape * (volume / determinant) ** (1.0 / 3.0)
            return cell


def _random_places(radii: Floats, cell: Floats, rng: np.random.Generator) -> Floats | None:
    """Put one atom after the other, in fractions of the cell; None if one finds no place.

    No two, images of one atom among them, are closer than the sum of their radii.
    """
    shifts = _shifts(cell, 2.0 * radii.max())
    lengths = np.linalg.norm(shifts @ cell, axis=1)
    if lengths[lengths > 0.0].min(initial=np.inf) < 2.0 * radii.max():
        return None
    places = np.empty((0, 3))
    for count, radius in enumerate(radii):
        limits = radii[:count] + radius
        for place in rng.uniform(size=(_PLACES, 3)):
            between = places - place
            between -= np.rint(between)
            vectors = (between[:, None] + shifts) @ cell
            if (np.linalg.norm(vectors, axis=2).min(axis=1) >= limits).all():
                places = np.vstack([places, place])
                break
        else:
            return None
    return places


def _shifts(cell: Floats, reach: float) -> Floats:
    """Lattice vectors, in units of the cell's, that images of atoms within a reach differ by.

    The atoms are less than half a cell apart in each direction.
    """
    heights = 1.0 / np.linalg.norm(np.linalg.inv(cell), axis=0)
    ranges = [np.arange(-n, n + 1) for n in np.floor(reach / heights + 0.5).astype(int)]
    shifts: Floats = np.stack(np.meshgrid(*ranges), axis=-1).reshape(-1, 3).astype(float)
    return shifts
