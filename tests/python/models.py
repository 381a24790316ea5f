"""Potentials with seeded random parameters, and structures for them: where tests start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import oracle
from ase import Atoms

from mtpot import MTP, _core
from mtpot.neighbors import neighborhoods

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

SPECIES = ("Si", "Al", "Ni")
CUTOFF = 5.0
MIN_DISTANCE = 1.9
CLOSEST = 1.7  # some pairs lie below the minimum distance
CORE_OUTER = 2.6  # angstrom: cores act on many pairs
KINK_MARGIN = 0.03  # no pair so close to a distance where a derivative jumps
TOLERANCES = {"double": 1e-12, "mixed": 1e-5}  # of each precision, relative to the largest number


@dataclass(frozen=True)
class Case:
    """One functional form; `str` of it is the test's id."""

    basis: str
    level: int
    species_count: int
    core: Literal["none", "zbl"] = "none"

    def __str__(self) -> str:
        core = "" if self.core == "none" else f"-{self.core}"
        return f"{self.basis}-level{self.level}-{self.species_count}species{core}"

    @property
    def species(self) -> tuple[str, ...]:
        """Symbols in the order of types."""
        return SPECIES[: self.species_count]

    def potential(self, seed: int = 0) -> MTP:
        """Random parameters that give site energies of the order of an electronvolt."""
        potential = MTP.new(
            level=self.level,
            species=self.species,
            cutoff=CUTOFF,
            min_distance=MIN_DISTANCE,
            radial_size=6,
            radial_basis=self.basis,
            core=self.core,
            core_outer=CORE_OUTER,
        )
        potential.parameters = random_parameters(potential, seed)
        return potential


def random_parameters(potential: MTP, seed: int) -> NDArray[np.float64]:
    """Radial | species | linear, each of the size that keeps energies of the order of 1 eV."""
    core = potential.core
    rng = np.random.default_rng(seed)
    count = core.species_count**2 * core.radial_function_count
    radial = 0.25 * rng.normal(size=(count, core.radial_size)) / np.arange(1, core.radial_size + 1)
    linear = rng.normal(size=len(core.scalars)) / np.sqrt(len(core.scalars))
    return np.concatenate([radial.ravel(), rng.normal(size=core.species_count), linear])


BASES = _core.radial_basis_names()
CORE_CASE = Case("RBChebyshev_clamped", 8, 2, "zbl")
CASES = [
    Case(basis, level, count)
    for basis in BASES
    for level, count in ((4, 1), (8, 2), (12, 3), (16, 1))
] + [CORE_CASE]
SMALL_CASES = [Case(basis, 8, 2) for basis in BASES] + [CORE_CASE]


def cluster(symbols: str, seed: int = 0, size: float = 4.5) -> Atoms:
    """A disordered cluster without periodicity, some of its pairs beyond the cutoff."""
    rng = np.random.default_rng(seed)
    return _filled(Atoms(symbols), size * np.eye(3), [False] * 3, rng)


def crystal(symbols: str, seed: int = 0, volume: float = 14.0) -> Atoms:
    """A disordered triclinic cell, smaller than the cutoff; volume in angstrom^3 per atom."""
    rng = np.random.default_rng(seed)
    atoms = Atoms(symbols)
    edge = (volume * len(atoms)) ** (1 / 3)
    while True:
        cell = edge * (np.eye(3) + rng.uniform(-0.15, 0.15, (3, 3)))
        if _fits(np.zeros((1, 3)), cell, [True] * 3):
            return _filled(atoms, cell, [True] * 3, rng)


def _filled(atoms: Atoms, cell: NDArray[Any], pbc: list[bool], rng: np.random.Generator) -> Atoms:
    """The same atoms at random places, put down one after the other."""
    points = np.zeros((1, 3))
    while len(points) < len(atoms):
        candidate = np.vstack([points, rng.uniform(size=3) @ cell])
        if _fits(candidate, cell, pbc):
            points = candidate
    atoms.positions = points
    if any(pbc):
        atoms.cell, atoms.pbc = cell, pbc
    return atoms


def _fits(positions: NDArray[Any], cell: NDArray[Any], pbc: list[bool]) -> bool:
    """Whether no pair is too close, or near a distance where a derivative jumps."""
    pairs = oracle.find_pairs(positions, cell, pbc, CUTOFF + KINK_MARGIN)
    distances = np.linalg.norm(pairs.vectors, axis=1)
    gaps = np.abs(distances[:, None] - [CUTOFF, MIN_DISTANCE])
    return bool(np.all(distances > CLOSEST) and np.all(gaps > KINK_MARGIN))


def types(potential: MTP, atoms: Atoms) -> NDArray[np.int64]:
    """0-based type of each atom."""
    return np.array([potential.species.index(symbol) for symbol in atoms.symbols])


def expected(potential: MTP, atoms: Atoms) -> oracle.Prediction:
    """What the oracle predicts for a structure."""
    return oracle.from_engine(potential).predict(
        types(potential, atoms), atoms.positions, atoms.cell.array, atoms.pbc
    )


def hoods(potential: MTP, atoms: Atoms) -> Any:
    """The engine's neighborhoods of a structure."""
    return neighborhoods(
        potential, atoms.get_chemical_symbols(), atoms.positions, atoms.cell.array, atoms.pbc
    )


def evaluate(
    potential: MTP, atoms: Atoms, threads: int = 1, precision: str = "double"
) -> tuple[Any, Any, Any]:
    """Site energies, forces and virial [3, 3] straight from the engine."""
    return _core.Evaluator(potential.core, precision).evaluate(hoods(potential, atoms), threads)


def assert_close(values: Iterable[Any], targets: Iterable[Any], tolerance: float) -> None:
    """Each array relative to its largest element."""
    for value, target in zip(values, targets, strict=True):
        assert np.abs(value - target).max() <= tolerance * np.abs(target).max()


def assert_agrees(potential: MTP, atoms: Atoms, tolerance: float) -> None:
    """Energies (eV/atom), forces and virial as the oracle has them, relative where above 1."""
    reference = expected(potential, atoms)
    for value, target in zip(evaluate(potential, atoms), reference.parts, strict=True):
        assert np.abs(value - target).max() <= tolerance * max(1, np.abs(target).max())
