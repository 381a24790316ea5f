"""One way out for structures; the suffix decides the format."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import ase.io
import numpy as np
from ase import Atoms

from mtpot.data.atoms import frame_from_atoms
from mtpot.data.cfg import format_cfg
from mtpot.data.read import kind
from mtpot.errors import InputError
from mtpot.files import replacing

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence


def write_atoms(
    path: str | os.PathLike[str],
    images: Sequence[Atoms],
    overwrite: bool = False,
    species: Sequence[str] = (),
) -> None:
    """Write structures with their labels as .cfg or in any format that ASE writes.

    Parameters
    ----------
    path, overwrite
        Target file, written atomically; refused if it exists, unless `overwrite`.
    images
        Structures; simple values of ``info`` become features of a .cfg file.
    species
        Element of each type, for .cfg files only.

    Raises
    ------
    InputError
        The target is refused, ASE knows no such format, or `species` lacks an element.
    """
    with replacing(path, overwrite) as temporary:
        if kind(Path(path)) == ".cfg":
            temporary.write_text(_cfg_text(images, species), encoding="utf-8")
        else:
            _write_by_ase(temporary, Path(path), images)


def _write_by_ase(temporary: Path, path: Path, images: Sequence[Atoms]) -> None:
    try:
        format_name = "extxyz" if kind(path) in (".xyz", ".extxyz") else None
        ase.io.write(str(temporary), list(images), format=format_name)
    except OSError:
        raise
    except Exception as error:
        # Each of ASE's writers fails in its own way.
        detail = f"{type(error).__name__}: {error}"
        raise InputError(f"{path}: ASE cannot write this file: {detail}") from error


def _cfg_text(images: Sequence[Atoms], species: Sequence[str]) -> str:
    if not species:
        raise InputError("a .cfg file names no elements: give --species, in the order of the types")
    frames = [frame_from_atoms(atoms) for atoms in images]
    return format_cfg(frames, species, [_features(atoms) for atoms in images])


def _features(atoms: Atoms) -> dict[str, str]:
    simple = (str, int, float, bool, np.number, np.bool_)
    labels = ("energy", "free_energy", "stress", "virial")
    return {
        key: str(value)
        for key, value in atoms.info.items()
        if isinstance(value, simple) and key not in labels and " " not in key
    }
