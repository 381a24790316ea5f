"""Structures that are there already: those that extrapolate are worth a label."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from mtpot.active.explorers.collect import Broken, Collector
from mtpot.active.select import grade_frame
from mtpot.data.check import elements_of
from mtpot.data.read import iterate_atoms
from mtpot.data.sets import find_files, iterate_sets
from mtpot.errors import InputError
from mtpot.potential import MTP
from mtpot.train.option import about
from mtpot.train.parsers import parse_paths

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ase import Atoms

    from mtpot.active.explorers.common import Exploration, Watch


@dataclass(frozen=True, kw_only=True, slots=True)
class Pool:
    """Files of structures, whose labels are not looked at."""

    every: ClassVar[int] = 1
    repeat: ClassVar[tuple[int, int, int]] = (1, 1, 1)
    brings_structures: ClassVar[bool] = True

    structures: tuple[Path, ...] = field(
        metadata=about("explore", "files of structures", parse_paths, "FILE", '["candidates.xyz"]')
    )

    def check(self, starts: Sequence[Atoms]) -> None:  # noqa: ARG002 - not needed here
        """Refuse files that are not there."""
        for path in find_files(self.structures):
            if not path.exists():
                raise InputError(f"[[explore]] pool: structures: {path}: no such file")

    def elements(self, species: tuple[str, ...]) -> set[str]:
        """Return those that occur in the files."""
        return set(elements_of(iterate_sets(self.structures, species)))

    def variants(self) -> list[tuple[str, Mapping[str, Any]]]:
        """All in one."""
        return [("pool", {})]

    def explore(  # noqa: PLR0913, PLR0917 - a task has as many parts
        self,
        start: Atoms,  # noqa: ARG002 - not needed here
        potential: Path,
        watch: Watch,
        variant: Mapping[str, Any],  # noqa: ARG002 - there is one
        seed: int,  # noqa: ARG002 - nothing is random
        folder: Path,
    ) -> Exploration:
        """Grade all of them; a large grade ends nothing."""
        model = MTP.load(potential)
        collector = Collector(watch, folder)
        count, broken = 0, False
        for path in find_files(self.structures):
            for atoms, frame in iterate_atoms(path, model.species):
                try:
                    collector.look(atoms, grade_frame(model, frame).frame, float(count))
                except Broken:
                    broken = True
                count += 1
        return collector.found(broken, count)
