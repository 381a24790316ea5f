"""The candidates of a hull and what is known of each, in a file that is replaced as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from ase.io import iread, write

from mtpot.active.explorers import Relaxer, explorers_of
from mtpot.active.hull.geometry import count_elements, formation_energies
from mtpot.active.loop import read_starts
from mtpot.data.atoms import frame_from_atoms
from mtpot.data.check import elements_of
from mtpot.errors import InputError
from mtpot.files import make_folder, replacing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from ase import Atoms

    from mtpot.active.settings import LearnSettings

State = Literal["new", "relaxed", "unfinished", "lost"]
PLACED: tuple[State, ...] = ("relaxed", "unfinished")
"""States with an energy, which has a place above the hull or on it."""
UNKNOWN = "no calculation of what it meets"
"""Reason of a candidate that is lost since what extrapolates on its way was set aside."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """A structure that may be on the hull.

    Attributes
    ----------
    number
        From 1, in the order in which they were given.
    table
        Place of the table [[explore]] that it came by, and by whose keys it is relaxed.
    atoms
        What its next relaxation begins with: the end of the last one that could be trusted.
    state
        "new" as long as there is none; "unfinished" if its steps were used up; "lost" if there are
        no sound forces or cells, or no calculation of what it meets.
    reason
        Why it is lost.
    stage
        The last stage of screening that it has come to, 1 or 2.
    iteration
        That of the potential which relaxed it last; -1 before.
    energy
        eV, of the cell, by that potential; nan before.
    formation, above
        eV/atom, at the end of its stage: formation energy, and height above the hull.
    """

    number: int
    table: int
    atoms: Atoms
    state: State = "new"
    reason: str = ""
    stage: int = 1
    iteration: int = -1
    energy: float = float("nan")
    formation: float = float("nan")
    above: float = float("nan")


_KINDS: dict[str, type] = {
    "number": int,
    "table": int,
    "state": str,
    "reason": str,
    "stage": int,
    "iteration": int,
    "energy": float,
    "formation": float,
    "above": float,
}
_PREFIX = "hull_"
"""Of names in `info`: some of the plain ones mean something to ASE."""


def write_candidates(path: Path, candidates: Iterable[Candidate]) -> None:
    """Write all of them, or leave the file as it was."""
    make_folder(path.parent)
    with replacing(path, overwrite=True) as temporary:
        write(temporary, [_with_info(each) for each in candidates], format="extxyz")


def read_candidates(path: Path) -> list[Candidate]:
    """Return what `write_candidates` wrote."""
    return [_from_info(atoms) for atoms in iread(path, format="extxyz")]


def given_candidates(settings: LearnSettings) -> list[Candidate]:
    """Return the structures that the tables [[explore]] bring, with their atoms a bit displaced.

    Raises
    ------
    InputError
        A table is of an engine that relaxes nothing, a structure is too large for a label, or an
        element has no structure of its own.
    """
    candidates = [
        Candidate(number=number, table=table, atoms=atoms)
        for number, (table, atoms) in enumerate(_brought(settings), start=1)
    ]
    structures = [candidate.atoms for candidate in candidates]
    elements = elements_in(structures)
    counts = count_elements(structures, elements)
    formation_energies(counts, np.zeros(len(counts)), elements)
    largest = max(candidates, key=lambda each: len(each.atoms))
    most = settings.plan().max_atoms
    if len(largest.atoms) > most:
        raise InputError(
            f"candidate {largest.number} has {len(largest.atoms)} atoms, [label] max-atoms is "
            f"{most}: take it out, or raise max-atoms"
        )
    spread = settings.screening().rattle
    for each in candidates:
        rng = np.random.default_rng([settings.seed, each.number])
        each.atoms.positions += rng.normal(scale=spread, size=each.atoms.positions.shape)
    return candidates


def _brought(settings: LearnSettings) -> Iterator[tuple[int, Atoms]]:
    starts = read_starts(settings)
    species = settings.training((), settings.output).species
    for table, explorer in enumerate(explorers_of(settings)):
        if not isinstance(explorer, Relaxer):
            engine = settings.explore[table].get("engine")
            raise InputError(
                f"[[explore]] {table + 1}: mode hull relaxes candidates, which {engine} does not: "
                "engine is relax (structures of files) or random (of compositions)"
            )
        for atoms in explorer.unrelaxed(starts, species, settings.seed + table):
            yield table, atoms


def first_to_label(candidates: Sequence[Candidate]) -> list[Atoms]:
    """Return the smallest structure of each element, and the smallest with most elements."""
    by_size = sorted((each.atoms for each in candidates), key=len)
    pure = [
        next(atoms for atoms in by_size if set(atoms.symbols) == {element})
        for element in elements_in(by_size)
    ]
    richest = max(by_size, key=lambda atoms: len(set(atoms.symbols)))  # the first of them
    return pure if len(pure) == 1 else [*pure, richest]


def elements_in(structures: Iterable[Atoms]) -> tuple[str, ...]:
    """Elements that occur, in the order of their atomic numbers."""
    return elements_of(frame_from_atoms(atoms) for atoms in structures)


def _with_info(candidate: Candidate) -> Atoms:
    image: Atoms = candidate.atoms.copy()
    image.calc = None
    known = {f"{_PREFIX}{name}": getattr(candidate, name) for name in _KINDS}
    image.info = {name: value for name, value in known.items() if value != ""}
    return image


def _from_info(atoms: Atoms) -> Candidate:
    known = {name: kind(atoms.info.pop(f"{_PREFIX}{name}", "")) for name, kind in _KINDS.items()}
    return Candidate(atoms=atoms, **known)
