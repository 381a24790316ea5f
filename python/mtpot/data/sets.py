"""Data sets of several files: finding them, reading them as one, leaving out what has no labels."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mtpot.data.programs import recognize
from mtpot.data.read import iterate_atoms, kind, read_atoms
from mtpot.data.stored import take
from mtpot.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ase import Atoms

    from mtpot.data.frame import Frame

_SUFFIXES = (".xyz", ".extxyz", ".cfg", ".db", ".traj")
_NOT_STRUCTURES = ("-frc-", "-vel-")
_MAGIC = "*?["


def find_files(paths: Iterable[Path]) -> list[Path]:
    """List the files that paths stand for: files, patterns (``runs/*/OUTCAR``) and folders.

    A file of the very name comes before a pattern. Of a folder, all that is below it is taken:
    .xyz, .cfg, .db and .traj files and outputs of programs that are known, but no hidden files, and
    one of OUTCAR and vasprun.xml. Each file comes once.

    Raises
    ------
    InputError
        There is no such file, or nothing matches, or the folder holds nothing that is known.
    """
    found: dict[Path, Path] = {}
    for path in paths:
        for file in _expand(path):
            found.setdefault(file.resolve(), file)
    return list(found.values())


def files_given_twice(paths: Sequence[Path]) -> list[Path]:
    """List the files that more than one of the paths stands for; `find_files` takes each once."""
    counts: Counter[Path] = Counter()
    for path in paths:
        counts.update({file.resolve() for file in _expand(path)})
    return [file for file in find_files(paths) if counts[file.resolve()] > 1]


def read_sets(paths: Iterable[Path], species: Sequence[str] = ()) -> list[Frame]:
    """Read the frames of several files, one after the other; `paths` are as in `find_files`.

    Raises
    ------
    InputError, FormatError
        As `find_files` and `read_frames`.
    """
    return [frame for _, frame in read_atoms_of_sets(paths, species)]


def iterate_sets(paths: Iterable[Path], species: Sequence[str] = ()) -> Iterator[Frame]:
    """As `read_sets`, one by one; what reading a file takes is all that is in memory."""
    for file in find_files(paths):
        for _, frame in iterate_atoms(file, species):
            yield frame


def read_atoms_of_sets(
    paths: Iterable[Path], species: Sequence[str] = ()
) -> list[tuple[Atoms, Frame]]:
    """As `read_sets`, with the Atoms of each frame, which have all of their info."""
    return [pair for file in find_files(paths) for pair in read_atoms(file, species)]


def leave_out(frames: Sequence[Frame]) -> tuple[Sequence[Frame], list[str]]:
    """Return the frames to train on, and what to say of those left out.

    Left out are frames whose electrons did not converge, and rows of databases without energy.

    Raises
    ------
    InputError
        No frame remains.
    """
    unconverged, rows, kept = [], [], []
    for position, frame in enumerate(frames):
        if frame.unconverged:
            unconverged.append(position)
        elif _is_empty_row(frame):
            rows.append(position)
        else:
            kept.append(position)
    messages = []
    if unconverged:
        messages.append(
            f"{len(unconverged)} of {len(frames)} frames are left out, because their electrons "
            f"did not converge; the first is {frames[unconverged[0]].source}"
        )
    if rows:
        messages.append(
            f"{len(rows)} of {len(frames)} frames are left out: rows of a database without "
            f"energy; the first is {frames[rows[0]].source}"
        )
    if not kept:
        raise InputError(f"no frame is left to train on: {'; '.join(messages)}")
    return take(frames, np.array(kept)), messages


def _is_empty_row(frame: Frame) -> bool:
    return frame.energy is None and frame.source.rpartition(" (")[2].startswith("row ")


def _expand(path: Path) -> list[Path]:
    if path.is_dir():
        files = list(_files_below(path))
        if not files:
            raise InputError(f"{path}: this folder holds no file of structures that is known")
        return files
    if path.exists() or not any(character in str(path) for character in _MAGIC):
        return [path]
    anchor = Path(path.anchor)
    matches = sorted(anchor.glob(str(path.relative_to(anchor))))
    if not matches:
        raise InputError(f"{path}: no file matches this pattern")
    return [file for match in matches for file in _expand(match)]


def _files_below(folder: Path) -> Iterator[Path]:
    entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    names = [entry.name for entry in entries]
    twice = any(name.startswith("vasprun") for name in names)
    moving = any("-pos-" in name for name in names)
    for entry in entries:
        if entry.is_dir() and not entry.is_symlink():
            yield from _files_below(entry)
        elif kind(entry) in _SUFFIXES:
            if not any(part in entry.name for part in _NOT_STRUCTURES):
                yield entry
        elif (program := recognize(entry)) is not None:
            elsewhere = (twice, program.name) == (True, "VASP OUTCAR")
            if not elsewhere and (moving, program.name) != (True, "CP2K"):
                yield entry
