"""Relaxation of structures by the potential, collecting those on the way that it does not know."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from ase.filters import UnitCellFilter
from ase.io import write
from ase.optimize import BFGS

from mtpot.active.explorers.collect import Broken, Collector
from mtpot.calculator import MTPCalculator
from mtpot.data.check import elements_of
from mtpot.data.read import iterate_atoms
from mtpot.data.sets import find_files, iterate_sets
from mtpot.errors import InputError, MtpotError, NumericalError
from mtpot.potential import MTP
from mtpot.train.option import about
from mtpot.train.parsers import integer, number, parse_paths, parse_switch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from ase import Atoms
    from ase.optimize.optimize import Optimizer

    from mtpot.active.explorers.common import Exploration, Watch

RELAXED = "relaxed.xyz"
"""File in a task's folder for the structures as their relaxations left them."""
ENDS = ("relaxed", "unfinished", "break", "failed")
"""How a relaxation can end: forces are small, steps are used up, the potential does not know the
structure, or there are no sound forces or cells."""
GROWTH = 1.2
"""Of the grade along a relaxation, after which another structure is kept."""
MOST_SWELLING = 3.0
"""Factor by which a volume may grow or shrink; beyond, a cell explodes or collapses."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Relaxation:
    """Positions, and the cell unless told otherwise, of the starting structure or of files."""

    every: ClassVar[int] = 1
    repeat: ClassVar[tuple[int, int, int]] = (1, 1, 1)

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

    @property
    def brings_structures(self) -> bool:
        """Whether there are files."""
        return bool(self.structures)

    def check(self, starts: Sequence[Atoms]) -> None:  # noqa: ARG002 - not needed here
        """Refuse files that are not there."""
        for path in find_files(self.structures):
            if not path.exists():
                raise InputError(f"[[explore]] relax: structures: {path}: no such file")

    def elements(self, species: tuple[str, ...]) -> set[str]:
        """Return those that occur in the files."""
        return set(elements_of(iterate_sets(self.structures, species)))

    def variants(self) -> list[tuple[str, Mapping[str, Any]]]:
        """All in one."""
        return [("relax", {})]

    def explore(  # noqa: PLR0913, PLR0917 - a task has as many parts
        self,
        start: Atoms,
        potential: Path,
        watch: Watch,
        variant: Mapping[str, Any],  # noqa: ARG002 - there is one
        seed: int,
        folder: Path,
    ) -> Exploration:
        """Relax one after the other; one that extrapolates too far does not keep the rest."""
        images = self.unrelaxed([start], MTP.load(potential).species, seed)
        return relax_all(
            images,
            potential,
            watch,
            folder,
            force=self.force,
            most_steps=self.most_steps,
            cell=self.cell,
        )

    def unrelaxed(
        self,
        starts: Sequence[Atoms],
        species: tuple[str, ...],
        seed: int,  # noqa: ARG002 - nothing is random
    ) -> Iterator[Atoms]:
        """Yield what there is to relax; `species` are for files that name none."""
        if not self.structures:
            yield from map(_bare, starts)
        for path in find_files(self.structures):
            for atoms, _ in iterate_atoms(path, species):
                yield _bare(atoms)


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
    """Relax structures one after the other; one that cannot be relaxed does not keep the rest.

    All of them stand in `RELAXED` as their relaxations left them. In `info` are `number`, their
    place from 0; `ended`, one of `ENDS`; `reason` if it failed; `steps`; `largest`, the largest
    grade on the way; and `potential_energy`, eV, unless it failed.

    Raises
    ------
    MtpotError
        Not one could be relaxed; says why the last one could not.
    """
    calculator = MTPCalculator(potential)
    collector = Collector(watch, folder, GROWTH)
    (folder / RELAXED).unlink(missing_ok=True)
    steps, ends = 0, set()
    for index, atoms in enumerate(images):
        atoms.calc = calculator
        path = _Path(collector, atoms, steps)
        moved: Any = UnitCellFilter(atoms) if cell and atoms.pbc.all() else atoms
        ended, reason = path.follow(BFGS(moved, logfile=os.devnull), force, most_steps)
        image = _bare(atoms)
        image.info = {"number": index, "ended": ended, "steps": path.steps, "largest": path.largest}
        image.info |= {"reason": reason} if ended == "failed" else {"potential_energy": path.energy}
        write(folder / RELAXED, image, format="extxyz", append=True)
        steps += path.steps
        ends.add(ended)
    if ends == {"failed"}:
        raise MtpotError(f"nothing could be relaxed: {reason}")
    return collector.found("break" in ends, steps)


class _Path:
    """The way of one relaxation."""

    def __init__(self, collector: Collector, atoms: Atoms, before: int) -> None:
        self._collector = collector
        collector.begin_path()
        self._atoms = atoms
        self._before = before
        self._volume = atoms.cell.volume
        self.steps = 0
        self.largest = 0.0
        self.energy = float("nan")

    def follow(self, optimizer: Optimizer, force: float, most_steps: int) -> tuple[str, str]:
        """Go to the end, and return one of `ENDS`, and the reason if it is a failure."""
        optimizer.attach(self._look, optimizer=optimizer)
        try:
            converged = optimizer.run(fmax=force, steps=most_steps)
        except Broken:
            return "break", ""
        except (MtpotError, ArithmeticError, ValueError, np.linalg.LinAlgError) as error:
            return "failed", str(error).partition("\n")[0] or type(error).__name__
        return ("relaxed" if converged else "unfinished"), ""

    def _look(self, optimizer: Optimizer) -> None:
        results = self._atoms.calc.results
        self.steps, self.energy = optimizer.nsteps, float(results["energy"])
        grade, time = float(results["grade"]), float(self._before + self.steps)
        self.largest = max(self.largest, grade)
        self._collector.look(self._atoms, grade, time)
        swelling = self._atoms.cell.volume / self._volume if self._volume else 1.0
        if not 1.0 / MOST_SWELLING < swelling < MOST_SWELLING:
            raise NumericalError(f"the volume changed to {swelling:.2g} of what it was")


def _bare(atoms: Atoms) -> Atoms:
    image: Atoms = atoms.copy()
    image.calc = None
    return image
