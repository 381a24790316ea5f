"""What explorers share: what they are given, and what they find."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from ase import Atoms

CANDIDATES = "candidates.xyz"
"""File in a task's folder for the structures whose grade is above the threshold."""
SNAPSHOTS = "trajectory.xyz"
"""File in a task's folder for snapshots of its dynamics, if any are asked for."""


@dataclass(frozen=True, slots=True)
class Watch:
    """Where exploring collects structures and where it ends, and how often it looks.

    A structure with a grade above `select` is worth a label; above `stop` forces cannot be trusted.
    """

    select: float
    stop: float
    every: int = 10


@dataclass(frozen=True, slots=True)
class Exploration:
    """What one exploration has found.

    Attributes
    ----------
    ended
        "complete", or "break" if a grade exceeded the upper threshold.
    steps
        Steps of dynamics or relaxation, or structures that were looked at.
    picoseconds
        Simulated time; 0 where there is none.
    largest
        Largest grade seen.
    grades
        Up to a thousand pairs of time (ps, or step) and grade.
    candidates
        Structures above the lower threshold, in `CANDIDATES`.
    """

    ended: Literal["complete", "break"]
    steps: int
    picoseconds: float
    largest: float
    candidates: int
    grades: list[tuple[float, float]] = field(default_factory=list)


class Explorer(Protocol):
    """A way to find structures that a potential does not know."""

    @property
    def every(self) -> int:
        """Steps from one look at the grade to the next."""

    @property
    def repeat(self) -> tuple[int, int, int]:
        """Copies of a starting structure along its cell vectors."""

    @property
    def brings_structures(self) -> bool:
        """Whether it explores from structures of its own, whatever a run starts with."""

    def elements(self, species: tuple[str, ...]) -> set[str]:
        """Elements of the structures that it brings; `species` are for files that name none.

        Raises
        ------
        InputError, FormatError
            A file cannot be read.
        """

    def check(self, starts: Sequence[Atoms]) -> None:
        """Refuse settings that cannot work from these structures, and programs that are missing.

        Raises
        ------
        InputError
            Names the setting.
        """

    def variants(self) -> list[tuple[str, Mapping[str, Any]]]:
        """Explorations to run side by side: names, and settings for `explore`."""

    def explore(  # noqa: PLR0913, PLR0917 - a task has as many parts
        self,
        start: Atoms,
        potential: Path,
        watch: Watch,
        variant: Mapping[str, Any],
        seed: int,
        folder: Path,
    ) -> Exploration:
        """Explore from a structure and leave `CANDIDATES` in the folder."""


@runtime_checkable
class Relaxer(Explorer, Protocol):
    """An explorer that relaxes structures one by one."""

    @property
    def force(self) -> float:
        """Largest force of what is relaxed, eV/angstrom."""

    @property
    def most_steps(self) -> int:
        """Most steps of one relaxation."""

    @property
    def cell(self) -> bool:
        """Whether the cell is relaxed as well."""

    def unrelaxed(
        self, starts: Sequence[Atoms], species: tuple[str, ...], seed: int
    ) -> Iterator[Atoms]:
        """Yield what there is to relax; `species` are for files that name none."""


Look = TypeVar("Look", bound=tuple[float, ...])
"""Time and grade, and what else there is to say."""


def thinned(looks: list[Look], most: int = 1000) -> list[Look]:
    """Keep so many looks: of each stretch that with the largest grade."""
    if len(looks) <= most:
        return looks
    edges = [round(k * len(looks) / most) for k in range(most + 1)]
    stretches = (looks[low:high] for low, high in pairwise(edges))
    return [max(stretch, key=lambda look: look[1]) for stretch in stretches]
