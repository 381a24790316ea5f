"""One way in for every file of structures; the suffix decides who reads it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import ase.io
from ase import Atoms
from ase.calculators.calculator import all_properties

from mtpot.data.atoms import atoms_from_frame, frame_from_atoms
from mtpot.data.cfg import CfgRecord, read_records
from mtpot.data.extxyz import read_extxyz
from mtpot.errors import FormatError, InputError

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

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

    Raises
    ------
    InputError, FormatError
        As `read_frames`.
    """
    file = Path(path)
    if not file.is_file():
        raise InputError(f"{file}: {'is a folder' if file.is_dir() else 'no such file'}")
    if kind(file) == ".cfg":
        pairs = [(_atoms(record), record.frame) for record in read_records(file, species)]
    else:
        pairs = [(atoms, frame_from_atoms(atoms, where)) for where, atoms in _sourced(file)]
    if not pairs:
        raise InputError(f"{file}: there is no structure in this file")
    return pairs


def kind(path: Path) -> str:
    """Suffix that decides the format, without that of a compression."""
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() not in _COMPRESSED]
    return suffixes[-1] if suffixes else ""


def _sourced(path: Path) -> list[tuple[str, Atoms]]:
    if kind(path) in (".xyz", ".extxyz"):
        return read_extxyz(path)
    try:
        images = ase.io.read(str(path), index=":", do_not_split_by_at_sign=True)
    except Exception as error:
        # Each of ASE's readers fails in its own way.
        detail = f"{type(error).__name__}: {error}"
        raise FormatError(f"{path}: ASE cannot read this file: {detail}") from error
    return [(f"{path} (frame {index})", atoms) for index, atoms in enumerate(images, start=1)]


def _atoms(record: CfgRecord) -> Atoms:
    atoms = atoms_from_frame(record.frame)
    for key, value in record.features.items():
        atoms.info[FEATURE + key if key in RESERVED else key] = value
    for name, values in record.columns.items():
        atoms.set_array(name, values)
    return atoms
