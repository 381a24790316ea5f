"""One way in for every file of structures.

The suffix tells .xyz and .cfg files, the content outputs of programs; ASE knows the rest.
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import ase.io
from ase import Atoms
from ase.calculators.calculator import all_properties

from mtpot.data.atoms import atoms_from_frame, frame_from_atoms
from mtpot.data.cfg import CfgRecord, read_records
from mtpot.data.cp2k import is_cp2k_trajectory, read_cp2k_trajectory
from mtpot.data.extxyz import read_extxyz
from mtpot.data.programs import force_consistent, recognize
from mtpot.data.text import iterate_lines
from mtpot.errors import FormatError, InputError, MtpotError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Sequence

    from mtpot.data.frame import Frame

_COMPRESSED = (".gz", ".bz2", ".xz")

RESERVED = {*all_properties, "virial", "Lattice", "Properties", "pbc"}
"""Names that mean something in ``info``; a feature of a .cfg file called so gets a prefix."""
FEATURE = "feature_"


def read_frames(path: str | os.PathLike[str], species: Sequence[str] = ()) -> list[Frame]:
    """Structures with their labels from extended XYZ, MLIP .cfg, or anything that ASE reads.

    Parameters
    ----------
    path
        The file; .xyz and .cfg files may be compressed (.gz, .bz2, .xz).
    species
        Element of each type, for .cfg files, which name none.

    Raises
    ------
    InputError
        The file is missing or empty, or a .cfg file needs `species`.
    FormatError
        Its content is malformed; the message names file, frame and, where known, line.
    """
    return [frame for _, frame in read_atoms(path, species)]


def read_atoms(
    path: str | os.PathLike[str], species: Sequence[str] = ()
) -> list[tuple[Atoms, Frame]]:
    """Return both views of each structure: Atoms with all their info, and the checked frame.

    Steps whose electrons did not converge are among them, without labels.

    Raises
    ------
    InputError, FormatError
        As `read_frames`.
    """
    return list(iterate_atoms(path, species))


def iterate_atoms(
    path: str | os.PathLike[str], species: Sequence[str] = ()
) -> Iterator[tuple[Atoms, Frame]]:
    """As `read_atoms`, one by one: of .xyz files and databases no more is in memory at a time.

    Raises
    ------
    InputError, FormatError
        As `read_frames`; the frames before have been given by then.
    """
    file = Path(path)
    if not file.is_file():
        raise InputError(f"{file}: {'is a folder' if file.is_dir() else 'no such file'}")
    empty = True
    for atoms, frame in _pairs(file, species):
        empty = False
        if frame.unconverged:
            atoms.calc = None
        yield atoms, frame
    if empty:
        raise InputError(f"{file}: there is no structure in this file")


def _pairs(file: Path, species: Sequence[str]) -> Iterator[tuple[Atoms, Frame]]:
    if kind(file) == ".cfg":
        for record in read_records(file, species):
            yield _atoms(record), record.frame
    else:
        for where, atoms in _sourced(file):
            yield atoms, frame_from_atoms(atoms, where)


def kind(path: Path) -> str:
    """Suffix that decides the format, without that of a compression."""
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() not in _COMPRESSED]
    return suffixes[-1] if suffixes else ""


def _sourced(path: Path) -> Iterator[tuple[str, Atoms]]:
    if kind(path) in (".xyz", ".extxyz"):
        second = "".join(islice(iterate_lines(path), 1, 2))
        yield from read_cp2k_trajectory(path) if is_cp2k_trajectory(second) else read_extxyz(path)
        return
    program = recognize(path)
    try:
        if program is not None:
            yield from program.read(path)
            return
        images = ase.io.read(str(path), index=":", do_not_split_by_at_sign=True)
    except MtpotError:
        raise
    except Exception as error:
        # Each of ASE's readers fails in its own way.
        what = "read this file" if program is None else f"read this output of {program.name}"
        detail = f"{type(error).__name__}: {error}"
        raise FormatError(f"{path}: ASE cannot {what}: {detail}") from error
    for index, atoms in enumerate(images, start=1):
        yield f"{path} (frame {index})", force_consistent(atoms)


def _atoms(record: CfgRecord) -> Atoms:
    atoms = atoms_from_frame(record.frame)
    for key, value in record.features.items():
        atoms.info[FEATURE + key if key in RESERVED else key] = value
    for name, values in record.columns.items():
        atoms.set_array(name, values)
    return atoms
