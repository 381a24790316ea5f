"""Nudged elastic bands: the way from the starting structure to another, and what it passes.

Henkelman & Jónsson, J. Chem. Phys. 113 (2000) 9978, by ASE.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from ase.io import write
from ase.mep import NEB
from ase.optimize import FIRE

from mtpot.active.explorers.collect import Broken, Collector
from mtpot.calculator import MTPCalculator
from mtpot.data.read import read_atoms
from mtpot.errors import InputError
from mtpot.potential import MTP
from mtpot.train.option import about
from mtpot.train.parsers import integer, number, parse_path, parse_switch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from ase import Atoms

    from mtpot.active.explorers.common import Exploration, Watch

BAND = "band.xyz"
"""File in a task's folder for the images at the end, with their energies."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ElasticBand:
    """From the starting structure to `final`, atom by atom."""

    every: ClassVar[int] = 1
    repeat: ClassVar[tuple[int, int, int]] = (1, 1, 1)
    brings_structures: ClassVar[bool] = False

    final: Path = field(
        metadata=about(
            "explore",
            "structure at the other end: the atoms of the start, in its order and cell",
            parse_path,
            "FILE",
            '"final.xyz"',
        )
    )
    images: int = field(
        default=7, metadata=about("explore", "structures between the ends", integer(1))
    )
    climb: bool = field(
        default=True, metadata=about("explore", "let the highest image climb", parse_switch)
    )
    force: float = field(
        default=0.05,
        metadata=about(
            "explore",
            "eV/angstrom: done is a band that has no larger force",
            number(0.0, open_low=True),
        ),
    )
    most_steps: int = field(default=300, metadata=about("explore", "most steps", integer(1)))

    def check(self, starts: Sequence[Atoms]) -> None:
        """Refuse a final structure that is not there, or has other atoms than a start."""
        if not self.final.exists():
            raise InputError(f"[[explore]] neb: final: {self.final}: no such file")
        for start in starts:
            self._final(start)

    def elements(self, species: tuple[str, ...]) -> set[str]:  # noqa: ARG002
        """Return none: the other end has the atoms of the start."""
        return set()

    def variants(self) -> list[tuple[str, Mapping[str, Any]]]:
        """One band."""
        return [("neb", {})]

    def explore(  # noqa: PLR0913, PLR0917 - a task has as many parts
        self,
        start: Atoms,
        potential: Path,
        watch: Watch,
        variant: Mapping[str, Any],  # noqa: ARG002 - there is one
        seed: int,  # noqa: ARG002 - nothing is random
        folder: Path,
    ) -> Exploration:
        """Relax both ends, then the band between them."""
        model = MTP.load(potential)
        ends = [start.copy(), self._final(start)]
        collector = Collector(watch, folder)
        steps, broken = 0, False
        try:
            for end in ends:
                steps += self._relax([end], end, model, collector, steps)
            band = [ends[0], *(ends[0].copy() for _ in range(self.images)), ends[1]]
            path = NEB(band, climb=self.climb)
            path.interpolate("idpp", mic=True)
            steps += self._relax(band, path, model, collector, steps)
            write(folder / BAND, [_with_energy(image) for image in band], format="extxyz")
        except Broken:
            broken = True
        return collector.found(broken, steps)

    def _final(self, start: Atoms) -> Atoms:
        final, _ = read_atoms(self.final)[-1]
        if len(final) != len(start) or (final.numbers != start.numbers).any():
            raise InputError(
                f"[[explore]] neb: final: {self.final} does not have the atoms of the starting "
                "structure in its order"
            )
        moved: Atoms = start.copy()
        moved.set_scaled_positions(final.get_scaled_positions(wrap=False))
        return moved

    def _relax(
        self, images: list[Atoms], whole: Any, model: MTP, collector: Collector, before: int
    ) -> int:
        """Move images as a whole, looking at each in every step; return the number of steps."""
        for image in images:
            image.calc = MTPCalculator(model)
        optimizer = FIRE(whole, logfile=None)
        optimizer.attach(_looking(images, collector, before, optimizer))
        optimizer.run(fmax=self.force, steps=self.most_steps)
        return int(optimizer.nsteps)


def _looking(
    images: list[Atoms], collector: Collector, before: int, optimizer: FIRE
) -> Callable[[], None]:
    def look() -> None:
        for image in images:
            image.get_forces()
            time = float(before + optimizer.nsteps)
            collector.look(image, image.calc.results["grade"], time)

    return look


def _with_energy(image: Atoms) -> Atoms:
    copy: Atoms = image.copy()
    copy.info["energy"] = float(image.get_potential_energy())
    return copy
