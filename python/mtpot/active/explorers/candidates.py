"""Files of candidates: however many an exploration collects, so many are kept as memory takes."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, NamedTuple

from ase.io import iread

from mtpot.active.explorers.common import CANDIDATES, thinned
from mtpot.files import replacing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from ase import Atoms

MOST = 1000
"""Candidates of one exploration that are kept."""
MOST_ATOMS = 1_000_000
"""Atoms of all of them; two candidates are kept whatever their size."""
_GRADE = re.compile(rb"(?:^|\s)grade=(\S+)")


class _Frame(NamedTuple):
    """Where a structure stands in a file, in bytes, its grade, and the number of its atoms."""

    start: int
    grade: float
    atoms: int
    end: int


def candidates_of(folder: Path) -> Iterator[Atoms]:
    """Read the structures that an exploration has collected where it worked, one after the other.

    One that was ended before its time may have left more than is kept.
    """
    path = folder / CANDIDATES
    if thin(path):
        yield from iread(path, format="extxyz")


def thin(path: Path) -> int:
    """Keep at most `MOST` candidates with `MOST_ATOMS` atoms in a file; return how many there are.

    Of each stretch of the file that with the largest grade is kept, and the last of all. Those
    without a finite grade are left out, since nothing can be learned from them, and what is cut off
    at the end. No structure is held in memory.
    """
    if not path.exists():
        return 0
    chosen = _chosen([frame for frame in _frames(path) if math.isfinite(frame.grade)])
    if sum(frame.end - frame.start for frame in chosen) < path.stat().st_size:
        with replacing(path, overwrite=True) as temporary:
            _copy(path, temporary, chosen)
    return len(chosen)


def _chosen(frames: Sequence[_Frame]) -> Sequence[_Frame]:
    most = MOST
    while True:
        chosen = frames
        if len(frames) > most:
            chosen = [*thinned(list(frames[:-1]), most - 1), frames[-1]]
        atoms = sum(frame.atoms for frame in chosen)
        if atoms <= MOST_ATOMS or len(chosen) <= 2:
            return chosen
        most = max(2, min(len(chosen) - 1, len(chosen) * MOST_ATOMS // atoms))


def _copy(path: Path, target: Path, frames: Sequence[_Frame]) -> None:
    with path.open("rb") as old, target.open("wb") as new:
        for frame in frames:
            old.seek(frame.start)
            new.write(old.read(frame.end - frame.start))


def _frames(path: Path) -> Iterator[_Frame]:
    """Yield the whole structures of a file in extended XYZ."""
    with path.open("rb") as file:
        start = 0
        while line := file.readline():
            count, comment = int(line), file.readline()
            for _ in range(count):
                line = file.readline()
            if not line.endswith(b"\n"):
                return
            grade = _GRADE.search(comment)
            end = file.tell()
            yield _Frame(start, float(grade[1]) if grade else 0.0, count, end)
            start = end
