"""Relaxation of structures by the potential, collecting those on the way that it does not know."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ase.filters import FrechetCellFilter
from ase.io import write
from ase.optimize import FIRE

from mtpot.active.explorers.collect import Broken, Collector
from mtpot.calculator import MTPCalculator
from mtpot.data.read import iterate_atoms
from mtpot.data.sets import find_files
from mtpot.errors import InputError
from mtpot.potential import MTP
from mtpot.train.option import about
from mtpot.train.parsers import integer, number, parse_paths, parse_switch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from ase import Atoms

    from mtpot.active.explorers.common import Exploration, Watch

RELAXED = "relaxed.xyz"
"""File in a task's folder for the structures whose relaxation came to its end."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Relaxation:
    """Positions, and the cell unless told otherwise, of the starting structure or of files."""

    structures: tuple[Path, ...] = field(
        default=(),
        metadata=about(
            "explore",
            "files of structures to relax instead of the starting ones",
            parse_paths,
            "FILE",
            '["prototypes.xyz"]',
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
    cell: bool = field(
        default=True, metadata=about("explore", "relax the cell as well", parse_switch)
    )

    def check(self) -> None:
        """Refuse files that are not there."""
        for path in find_files(self.structures):
            if not path.exists():
                raise InputError(f"[[explore]] relax: structures: {path}: no such file")

    def variants(self) -> list[tuple[str, Mapping[str, Any]]]:
        """All in one."""
        return [("relax", {})]

    def explore(  # noqa: PLR0913, PLR0917 - a task has as many parts
        self,
        start: Atoms,
        potential: Path,
        watch: Watch,
        variant: Mapping[str, Any],  # noqa: ARG002 - there is one
        seed: int,  # noqa: ARG002 - nothing is random
        folder: Path,
    ) -> Exploration:
        """Relax one after the other; one that extrapolates too far does not keep the rest."""
        images = self._structures(start, MTP.load(potential).species)
        return relax_all(
            images,
            potential,
            watch,
            folder,
            force=self.force,
            most_steps=self.most_steps,
            cell=self.cell,
        )

    def _structures(self, start: Atoms, species: tuple[str, ...]) -> Iterator[Atoms]:
        if not self.structures:
            yield start.copy()
        for path in find_files(self.structures):
            for atoms, _ in iterate_atoms(path, species):
                bare = atoms.copy()
                bare.calc = None
                yield bare


def relax_all(  # noqa: PLR0913 - of keywords
    images: Iterable[Atoms],
    potential: Path,
    watch: Watch,
    folder: Path,
    *,
    force: float,
    most_steps: int,
    cell: bool,
) -> Exploration:
    """Relax structures one after the other; one that extrapolates too far does not keep the rest.

    Those whose relaxation came to its end stand in `RELAXED`, with their energy, their number and
    whether their forces are below `force`.
    """
    calculator = MTPCalculator(potential)
    collector = Collector(watch, folder)
    (folder / RELAXED).unlink(missing_ok=True)
    steps, broken = 0, False
    for index, atoms in enumerate(images):
        atoms.info["number"] = index
        atoms.calc = calculator
        moved = FrechetCellFilter(atoms) if cell and atoms.pbc.all() else atoms
        optimizer = FIRE(moved, logfile=None)
        optimizer.attach(_looking(collector, atoms, calculator, steps, optimizer))
        try:
            converged = optimizer.run(fmax=force, steps=most_steps)
            write(folder / RELAXED, _relaxed(atoms, converged), format="extxyz", append=True)
        except Broken:
            broken = True
        steps += optimizer.nsteps
    return collector.found(broken, steps)


def _looking(
    collector: Collector, atoms: Atoms, calculator: MTPCalculator, steps: int, optimizer: FIRE
) -> Callable[[], None]:
    def look() -> None:
        collector.look(atoms, calculator.results["grade"], float(steps + optimizer.nsteps))

    return look


def _relaxed(atoms: Atoms, converged: bool) -> Atoms:
    image: Atoms = atoms.copy()
    image.info["energy"] = float(atoms.get_potential_energy())
    image.info["relaxed"] = bool(converged)
    return image
