"""Keeping structures that extrapolate, for explorers that move atoms in Python."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ase.io import write

from mtpot.active.explorers.candidates import thin
from mtpot.active.explorers.common import CANDIDATES, Exploration, Watch, thinned

if TYPE_CHECKING:
    from pathlib import Path

    from ase import Atoms


class Broken(Exception):  # noqa: N818 - a reason to stop, not an error
    """A grade exceeded the upper threshold."""


class Collector:
    """Looks at structures, keeps those above the lower threshold and stops above the upper one.

    Parameters
    ----------
    watch
        The thresholds.
    folder
        Where structures are kept.
    growth
        Once one is kept, others of the same path are only if their grade is so many times that of
        the last: what is a small step away and hardly less known is much like it.
    """

    def __init__(self, watch: Watch, folder: Path, growth: float = 0.0) -> None:
        self._watch = watch
        self._growth = growth
        self._last = 0.0
        self._path = folder / CANDIDATES
        self._grades: list[tuple[float, float]] = []

    def begin_path(self) -> None:
        """Forget what was kept last: what comes now has nothing to do with it."""
        self._last = 0.0

    def look(self, atoms: Atoms, grade: float, time: float) -> None:
        """Take a structure with its grade at a time (ps, or step).

        Raises
        ------
        Broken
            The grade exceeds the upper threshold, or is no number.
        """
        grade = grade if grade >= 0.0 else math.inf  # as the pair style of LAMMPS has it
        self._grades.append((time, grade))
        if grade > max(self._watch.select, self._growth * self._last):
            image = atoms.copy()
            image.calc = None
            image.info["grade"] = grade
            write(self._path, image, format="extxyz", append=True)
            self._last = grade
        if grade > self._watch.stop:
            raise Broken

    def found(self, broken: bool, steps: int, picoseconds: float = 0.0) -> Exploration:
        """Return what has been seen."""
        return Exploration(
            ended="break" if broken else "complete",
            steps=steps,
            picoseconds=picoseconds,
            largest=max((grade for _, grade in self._grades), default=0.0),
            candidates=thin(self._path),
            grades=thinned(self._grades),
        )
