"""What is labeled next, of the structures that simulations have collected.

There may be thousands of them, and large ones. So they stay in their files: records say where each
is, selecting passes over frames in a scratch file, and those that are taken are read again.
"""

from __future__ import annotations

import math
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mtpot.active.cut import NoCellError, cut_sites
from mtpot.active.cut.surroundings import least_neighborhood
from mtpot.active.explorers import candidates_of, explorers_of
from mtpot.active.select import grade_frame, select_frames
from mtpot.active.tasks import WORK
from mtpot.active.training import labeled_frames
from mtpot.data import stored
from mtpot.data.atoms import atoms_from_frame, frame_from_atoms
from mtpot.errors import InputError, MtpotError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from ase import Atoms

    from mtpot.active.cut import Cut
    from mtpot.active.driver import Run
    from mtpot.active.settings import LearnSettings
    from mtpot.data.frame import Frame
    from mtpot.potential import MTP


def check_room(settings: LearnSettings, starts: Sequence[Atoms]) -> None:
    """Refuse simulations of large structures whose neighborhoods no calculation can hold.

    Raises
    ------
    InputError
        Names the table.
    """
    most, cutoff = settings.plan().max_atoms, settings.training((), settings.output).cutoff
    for number, explorer in enumerate(explorers_of(settings), start=1):
        for start in starts:
            count = len(start) * math.prod(explorer.repeat)
            needed = least_neighborhood(start, explorer.repeat, cutoff) if count > most else 0
            if needed > most:
                raise InputError(
                    f"[[explore]] {number} simulates {count} atoms, of which neighborhoods are to "
                    f"be labeled, and these have {needed} atoms and more; [label] max-atoms is "
                    f"{most}: raise it to at least twice as many as a neighborhood has"
                )


class Candidate(NamedTuple):
    """A structure that extrapolates: what found it, its number in that file, atoms and grade."""

    origin: str
    number: int
    atoms: int
    grade: float

    def __str__(self) -> str:
        return f"candidate {self.number} of {self.origin}, {self.atoms} atoms"


class Part(NamedTuple):
    """What of a candidate is labeled: all of it, or a neighborhood that is cut out."""

    candidate: Candidate
    cut: Cut | None = None

    @property
    def origin(self) -> str:
        """What it came from."""
        return self.candidate.origin if self.cut is None else f"{self.candidate.origin}-cut"

    @property
    def grade(self) -> float:
        """Its largest grade, or that of its site."""
        return self.candidate.grade if self.cut is None else self.cut.grade


def collected(explorations: Path) -> Iterator[tuple[Candidate, Atoms]]:
    """Read what the explorations in a folder have collected, one structure after the other."""
    for folder in sorted(explorations.iterdir()):
        for number, atoms in enumerate(candidates_of(folder / WORK)):
            yield Candidate(folder.name, number, len(atoms), float(atoms.info["grade"])), atoms


def untried(run: Run, explorations: Path) -> tuple[list[Candidate], stored.StoredFrames]:
    """Return those that the run does not have, and the frame of each in a scratch file.

    Raises
    ------
    MtpotError
        There is no room for that file.
    """
    candidates: list[Candidate] = []

    def frames() -> Iterator[Frame]:
        for candidate, atoms in collected(explorations):
            if not run.store.has(atoms):
                candidates.append(candidate)
                yield frame_from_atoms(atoms, str(candidate))

    try:
        return candidates, stored.store(frames(), run.folder)
    except OSError as error:
        raise MtpotError(f"{run.folder}: candidates cannot be kept there: {error}") from error


def choose(
    run: Run, potential: MTP, candidates: Sequence[Candidate], frames: Sequence[Frame], room: int
) -> list[Part]:
    """Choose what is labeled, the largest grade of sound structures first.

    Those are taken after whose training no other one extrapolates. If there are none, or none of
    them can be labeled, one of the others is taken, if possible one that is not too large.

    Parameters
    ----------
    candidates, frames
        As `untried` returns them.
    room
        The most parts.

    Returns
    -------
    None if all neighborhoods that extrapolate were tried before.

    Raises
    ------
    MtpotError
        Structures are too large, and none of their neighborhoods fits into `max-atoms`.
    """
    settings, max_atoms = run.settings, run.settings.plan().max_atoms

    def order(index: int) -> tuple[bool, float]:
        # Above the upper threshold the forces that led there are not to be trusted.
        return candidates[index].grade > settings.break_threshold, -candidates[index].grade

    def affordable(indexes: Sequence[int], most: int) -> list[Part]:
        tried = ((candidates[i], frames[i]) for i in indexes)
        return list(islice(_affordable(run, potential, tried, left_out), most))

    worth = select_frames(
        potential, labeled_frames(run.store), frames, settings.select_threshold, settings.threads
    )
    left_out: list[str] = []
    first = sorted(worth, key=order)
    others = sorted(
        {*range(len(candidates))} - {*worth},
        key=lambda index: (candidates[index].atoms > max_atoms, order(index)),
    )
    parts = affordable(first, room) or affordable(others, 1)
    if left_out and not parts:
        raise MtpotError(
            f"nothing that extrapolates fits into [label] max-atoms {max_atoms}: raise it, and go "
            f"on with --resume; the last one: {left_out[-1]}"
        )
    return parts


def _affordable(
    run: Run, potential: MTP, tried: Iterable[tuple[Candidate, Frame]], left_out: list[str]
) -> Iterator[Part]:
    """Yield the parts of some structures; tell and list those that are too large."""
    most = run.settings.plan().max_atoms
    for candidate, frame in tried:
        if candidate.atoms <= most:
            yield Part(candidate)
            continue
        try:
            cuts = _cuts(run, potential, frame)
        except NoCellError as error:
            left_out.append(f"{candidate}: {error}")
            run.tell(f"left out, with [label] max-atoms {most}: {left_out[-1]}")
        else:
            yield from (Part(candidate, cut) for cut in cuts if not run.store.has(cut.atoms))


def _cuts(run: Run, potential: MTP, frame: Frame) -> list[Cut]:
    """Cut the neighborhoods that extrapolate out of a structure that is too large."""
    settings = run.settings
    grades = grade_frame(potential, frame, settings.threads).sites
    assert grades is not None
    threshold = settings.select_threshold
    return cut_sites(
        atoms_from_frame(frame),
        potential,
        np.flatnonzero(grades > min(threshold, 0.999 * grades.max())).tolist(),
        max_atoms=settings.plan().max_atoms,
        threshold=threshold,
        threads=settings.threads,
    )


def structures_of(parts: Sequence[Part], explorations: Path) -> list[Atoms]:
    """Return what is to be labeled, with all that a frame has no place for."""
    wanted = {part.candidate for part in parts if part.cut is None}
    found = {each: atoms for each, atoms in collected(explorations) if each in wanted}
    return [found[part.candidate] if part.cut is None else part.cut.atoms for part in parts]
