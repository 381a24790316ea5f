"""Seeded splits of a data set that keep the proportions of its groups.

Snapshots of one run of dynamics resemble each other, so that a random split tests a potential on
frames next to those it has learned. Whole trajectories, or whole groups, stay on one side then.
Frames with the same atoms, cell and positions stay together, unless they belong to two of these.
"""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter, defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from mtpot.data.check import fingerprint
from mtpot.data.stored import take
from mtpot.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mtpot.data.frame import Frame

By = Literal["frame", "trajectory", "group"]
Indices = NDArray[np.int64]

_CELL_STEP = 0.05
"""Of the longest edge; a barostat moves a cell by less from one snapshot to the next."""


def split_off(
    frames: Sequence[Frame], share: float, seed: int, by: By = "frame"
) -> tuple[Sequence[Frame], Sequence[Frame]]:
    """Set a share of every group aside: (kept, set aside), both in the order of `frames`.

    What is set aside is `choose_aside`.
    """
    aside = choose_aside(frames, share, seed, by)
    kept = np.setdiff1d(np.arange(len(frames)), aside)
    return take(frames, kept), take(frames, aside)


def choose_aside(frames: Sequence[Frame], share: float, seed: int, by: By = "frame") -> Indices:
    """Draw a share of the frames, without parting what belongs together: sorted indices.

    The same frames, share and seed give the same choice.

    Parameters
    ----------
    frames
        The data set.
    share
        Of the frames of every group; rounded to whole frames, and each group keeps at least one.
        With ``by="group"``, of all frames.
    seed
        Of the draw.
    by
        What stays together: equal structures, trajectories (see `trajectories`) or groups. Whole
        trajectories come as near to the share as they do; a group that is one trajectory is kept.
    """
    generator = np.random.default_rng(seed)
    aside: list[int] = []
    for units in _strata(frames, by):
        total = sum(map(len, units))
        budget = min(round(share * total), total - 1)
        taken = 0
        for index in generator.permutation(len(units))[: len(units) - 1]:
            unit = units[index]
            if abs(taken + len(unit) - budget) < abs(taken - budget):
                taken += len(unit)
                aside.extend(unit)
    return np.array(sorted(aside), dtype=np.int64)


def folds(frames: Sequence[Frame], count: int, seed: int = 0, by: By = "frame") -> list[Indices]:
    """Part the frames into `count` folds for cross-validation, each with its share of every group.

    The same frames, count and seed give the same folds.

    Parameters
    ----------
    frames
        The data set.
    count
        At least 2.
    seed
        Of the draw.
    by
        What stays together: equal structures, trajectories (see `trajectories`) or groups.

    Returns
    -------
    folds
        Sorted indices into `frames`; every frame is in exactly one fold, and none is empty.

    Raises
    ------
    InputError
        There are fewer frames, trajectories or groups than folds.
    """
    strata = _strata(frames, by)
    units = sum(map(len, strata))
    if count < 2 or units < count:
        raise InputError(f"{units} of {by} cannot make {count} folds: give 2 to {units}")
    return _folds(strata, count, seed)


def folds_up_to(most: int, frames: Sequence[Frame], seed: int, by: By) -> list[Indices]:
    """Make `most` folds, as `folds`, or as many as there is to part; none of what has no parts."""
    strata = _strata(frames, by)
    count = min(most, sum(map(len, strata)))
    return _folds(strata, count, seed) if count > 1 else []


def _folds(strata: list[list[list[int]]], count: int, seed: int) -> list[Indices]:
    generator = np.random.default_rng(seed)
    members: list[list[int]] = [[] for _ in range(count)]
    for stratum in strata:
        _deal(stratum, members, generator)
    return [np.array(sorted(each), dtype=np.int64) for each in members]


def trajectories(frames: Sequence[Frame]) -> NDArray[np.int64]:
    """Return the number of the trajectory that each frame belongs to, shape [n], from 0.

    Frames of one file with a ``trajectory`` of one name belong together, of whatever group. Others
    do while they follow each other in one file with the same atoms, group and periodicity and
    nearly the same cell.
    """
    numbers = np.zeros(len(frames), dtype=np.int64)
    named: dict[tuple[str, str], int] = {}
    following = 0
    for index, frame in enumerate(frames):
        if frame.trajectory:
            key = (frame.file, frame.trajectory)
            numbers[index] = named.setdefault(key, following)
            following = max(following, int(numbers[index]) + 1)
        elif index and _continues(frames[index - 1], frame):
            numbers[index] = numbers[index - 1]
        else:
            numbers[index] = following
            following += 1
    return numbers


def numbered(frames: Sequence[Frame]) -> list[Frame]:
    """Give each frame the name of its trajectory and its number there, for what a split leaves.

    No two trajectories have one name: of several files, names begin with that of the file.
    """
    numbers = trajectories(frames).tolist()
    names = _names(frames, numbers)
    reached: Counter[int] = Counter()
    found = []
    for frame, number in zip(frames, numbers, strict=True):
        found.append(replace(frame, trajectory=names[number], snapshot=reached[number]))
        reached[number] += 1
    return found


def _names(frames: Sequence[Frame], numbers: Sequence[int]) -> dict[int, str]:
    several = len({frame.file for frame in frames}) > 1
    taken = {frame.trajectory for frame in frames}
    free = (name for k in itertools.count() if (name := f"unnamed {k}") not in taken)
    names: dict[int, str] = {}
    for frame, number in zip(frames, numbers, strict=True):
        if number not in names:
            name = frame.trajectory or next(free)
            names[number] = f"{frame.file}: {name}" if several else name
    return names


def _deal(
    stratum: list[list[int]], members: list[list[int]], generator: np.random.Generator
) -> None:
    """Give units, the largest first, to the fold that has least of this stratum, then of all."""
    here = [0] * len(members)
    ties = generator.permutation(len(members))
    drawn = [stratum[index] for index in generator.permutation(len(stratum))]
    for unit in sorted(drawn, key=len, reverse=True):
        fold = min(range(len(members)), key=lambda k: (here[k], len(members[k]), ties[k]))
        here[fold] += len(unit)
        members[fold].extend(unit)


def _strata(frames: Sequence[Frame], by: By) -> list[list[list[int]]]:
    """List the strata to draw from: each unit that stays together, as indices of its frames.

    A unit counts as of the group of its first frame.
    """
    units: dict[int | str | bytes, list[int]] = defaultdict(list)
    for index, unit in enumerate(_units(frames, by)):
        units[unit].append(index)
    strata: dict[str, list[list[int]]] = defaultdict(list)
    for members in units.values():
        strata["all" if by == "group" else frames[members[0]].group].append(members)
    return list(strata.values())


def _units(frames: Sequence[Frame], by: By) -> Iterable[int | str | bytes]:
    """Name the unit that each frame belongs to."""
    if by == "trajectory":
        return map(int, trajectories(frames))
    if by == "group":
        return (frame.group for frame in frames)
    return (hashlib.sha256(fingerprint(frame)).digest() for frame in frames)


def _continues(last: Frame, frame: Frame) -> bool:
    if last.trajectory or (last.file, last.group) != (frame.file, frame.group):
        return False
    if last.symbols != frame.symbols or (last.pbc != frame.pbc).any():
        return False
    longest = np.linalg.norm(last.cell, axis=1).max()
    return bool(np.abs(frame.cell - last.cell).max() <= _CELL_STEP * longest)
