"""One way out for structures; the suffix decides the format."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ase.io
import numpy as np
from ase import Atoms
from ase.io.formats import filetype, ioformats

from mtpot.data.atoms import frame_from_atoms
from mtpot.data.cfg import format_cfg, is_column
from mtpot.data.read import FEATURE, RESERVED, kind
from mtpot.data.text import write_texts
from mtpot.errors import InputError
from mtpot.files import replacing

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator, Sequence

    from mtpot.data.frame import Floats

# How MLIP calls what `mtpot.data.atoms.with_grades` adds, and the charges of ASE.
_MLIP = {"grade": "MV_grade", "grades": "nbh_grades", "charges": "charge"}


def write_atoms(
    path: str | os.PathLike[str],
    images: Iterable[Atoms],
    overwrite: bool = False,
    species: Sequence[str] = (),
) -> None:
    """Write structures with their labels as .cfg or in any format that ASE writes.

    Parameters
    ----------
    path, overwrite
        Target file, written atomically; refused if it exists, unless `overwrite`.
    images
        Structures, of which .xyz and .cfg files need one in memory at a time; simple values of
        ``info`` become features of a .cfg file, and arrays that MLIP knows its columns.
    species
        Element of each type, for .cfg files only.

    Raises
    ------
    InputError
        The target is refused, ASE knows no such format, or `species` lacks an element.
    """
    with replacing(path, overwrite) as temporary:
        if kind(Path(path)) == ".cfg":
            write_texts(temporary, _cfg_texts(images, species))
        elif _format(Path(path)) == "extxyz":
            write_texts(temporary, map(_xyz_text, images))
        else:
            _write_by_ase(temporary, Path(path), list(images))


def check_format(path: Path) -> None:
    """Refuse a file name that stands for no format; call it before the work starts.

    Raises
    ------
    InputError
        ASE writes no such format.
    """
    try:
        known = kind(path) == ".cfg" or ioformats[_format(path)].can_write
    except Exception:
        known = False
    if not known:
        raise InputError(f"{path}: no format of this name is known; write .xyz or .cfg")


def _write_by_ase(temporary: Path, path: Path, images: Sequence[Atoms]) -> None:
    try:
        name = _format(path)
        if ioformats[name].single and len(images) > 1:
            raise InputError(
                f"{path}: a file of this format ({name}) holds one structure, and these are "
                f"{len(images)}; write .xyz"
            )
        ase.io.write(str(temporary), images, format=name)
    except (OSError, InputError):
        raise
    except Exception as error:
        # Each of ASE's writers fails in its own way.
        detail = f"{type(error).__name__}: {error}"
        raise InputError(f"{path}: ASE cannot write this file: {detail}") from error


def _xyz_text(atoms: Atoms) -> str:
    text = StringIO()
    try:
        ase.io.write(text, _on_one_line(atoms), format="extxyz")
    except Exception as error:
        detail = f"{type(error).__name__}: {error}"
        raise InputError(f"ASE cannot write this structure as .xyz: {detail}") from error
    return text.getvalue()


def _format(path: Path) -> str:
    name: str = "extxyz" if kind(path) == ".xyz" else filetype(str(path), read=False)
    return name


def _on_one_line(atoms: Atoms) -> Atoms:
    """Write newlines in texts, which would break an .xyz file, as backslash and n.

    ASE's reader takes one backslash of two, and our reader makes newlines of what it returns.
    """
    result: Atoms = atoms.copy()
    result.calc = atoms.calc
    for key, value in atoms.info.items():
        if isinstance(value, str):
            lines = value.replace("\\", "\\\\").replace("\r", "\n").split("\n")
            result.info[key] = "\\\\n".join(lines)
    return result


def _cfg_texts(images: Iterable[Atoms], species: Sequence[str]) -> Iterator[str]:
    if not species:
        raise InputError("a .cfg file names no elements: give --species, in the order of the types")
    for atoms in images:
        frame = frame_from_atoms(atoms)
        yield format_cfg([frame], species, [_features(atoms)], [_columns(atoms)])


def _features(atoms: Atoms) -> dict[str, str]:
    labels = ("energy", "free_energy", "stress", "virial")
    simple = (str, int, float, bool, np.number, np.bool_)
    return {
        _feature_name(key): str(value)
        for key, value in atoms.info.items()
        if isinstance(value, simple) and key not in labels and len(key.split()) == 1
    }


def _feature_name(key: str) -> str:
    original = key.removeprefix(FEATURE)
    return original if original in RESERVED else _MLIP.get(key, key)


def _columns(atoms: Atoms) -> dict[str, Floats]:
    arrays: dict[str, Any] = atoms.arrays | getattr(atoms.calc, "results", {})
    named = {_MLIP.get(key, key): values for key, values in arrays.items()}
    columns = {name: np.asarray(values) for name, values in named.items() if is_column(name)}
    return {
        name: values
        for name, values in columns.items()
        if values.shape == (len(atoms),) and values.dtype.kind in "fi"
    }
