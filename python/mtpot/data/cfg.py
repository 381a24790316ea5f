"""MLIP's .cfg files: one block a configuration, atom types instead of elements.

Layout as MLIP-3 prints it (Podryabinkin et al., J. Chem. Phys. 159 (2023) 084112, and its
program). PlusStress is the virial W = -V stress in eV. A direction is periodic if the
Supercell section has a nonzero row for it; rows after the last nonzero one are left out. Where
the rows span no volume there is no stress, although MLIP prints PlusStress even then.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mtpot.data.atoms import is_unconverged, weights_in
from mtpot.data.cell import check_cell
from mtpot.data.frame import Floats, Frame
from mtpot.data.text import is_count, read_lines
from mtpot.errors import FormatError, InputError
from mtpot.stress import cell_volume, has_stress

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

_POSITIONS = ("cartes_x", "cartes_y", "cartes_z")
_FRACTIONS = ("direct_x", "direct_y", "direct_z")
_FORCES = ("fx", "fy", "fz")
_VOIGT = ("xx", "yy", "zz", "yz", "xz", "xy")
_EXTRA = re.compile(r"site_en|charge|nbh_grades|magmom_\w+")


@dataclass(frozen=True, slots=True)
class CfgRecord:
    """One configuration: the frame, its features, and its further columns (shape [n])."""

    frame: Frame
    features: dict[str, str]
    columns: dict[str, Floats]


def read_cfg(path: str | os.PathLike[str], species: Sequence[str]) -> list[Frame]:
    """Read the configurations of a .cfg file as frames.

    Features called group, trajectory, unconverged, weight, energy_weight and so on say what keys
    of ``info`` say in an .xyz file; see `mtpot.data.atoms.frame_from_atoms`.

    Parameters
    ----------
    path
        The file.
    species
        Element of each type.

    Raises
    ------
    InputError
        The file cannot be read or no species are given.
    FormatError
        Malformed content; the message begins with "path:line".
    """
    return [record.frame for record in read_records(path, species)]


def read_records(path: str | os.PathLike[str], species: Sequence[str]) -> list[CfgRecord]:
    """Read as `read_cfg` does, with everything that a frame has no place for.

    Raises
    ------
    InputError, FormatError
        As `read_cfg`.
    """
    if not species:
        raise InputError(f"{path} names no elements: give --species, in the order of the types")
    return _records(_Lines(str(path), read_lines(Path(path))), species)


def parse_cfg(text: str, species: Sequence[str], source: str) -> list[Frame]:
    """Return the frames of the text of a .cfg file, as `format_cfg` writes it.

    Raises
    ------
    FormatError
        As `read_cfg`; the message begins with `source` in place of the path.
    """
    lines = _Lines(source, text.splitlines(keepends=True))
    return [record.frame for record in _records(lines, species)]


def _records(lines: _Lines, species: Sequence[str]) -> list[CfgRecord]:
    records: list[CfgRecord] = []
    while lines.skip_blank():
        records.append(_read_block(lines, species, len(records) + 1))
    return records


def format_cfg(
    frames: Sequence[Frame],
    species: Sequence[str],
    features: Sequence[Mapping[str, str]] | None = None,
    columns: Sequence[Mapping[str, Floats]] | None = None,
) -> str:
    """Text of a .cfg file; 17 significant digits, so that every number survives.

    Parameters
    ----------
    frames
        Structures. A cell vector without periodicity cannot be kept: its row is written as
        zeros, so that the stress of a slab is lost when the file is read.
    species
        Element of each type.
    features
        For each frame, keys (one word) and values; a value of several lines repeats the key.
    columns
        For each frame, further columns of the atoms, shape [n]; see `is_column`.

    Raises
    ------
    InputError
        A frame has an element that `species` lacks.
    """
    nothing: list[dict[str, Any]] = [{}] * len(frames)
    types = {symbol: index for index, symbol in enumerate(species)}
    parts = zip(frames, features or nothing, columns or nothing, strict=True)
    return "".join(_format_block(frame, types, *further) for frame, *further in parts)


def is_column(name: str) -> bool:
    """Whether MLIP knows a column of this name beside positions and forces."""
    return _EXTRA.fullmatch(name) is not None


class _Lines:
    """The lines of a file, with the number of the one that was read last."""

    def __init__(self, path: str, lines: list[str]) -> None:
        self._path = path
        self._lines = lines
        self.number = 0

    def skip_blank(self) -> bool:
        """Move to the next line with content; False at the end of the file."""
        while self.number < len(self._lines) and not self._lines[self.number].strip():
            self.number += 1
        return self.number < len(self._lines)

    def peek(self) -> str:
        """Return the first word of the next line, without a colon; empty at the end."""
        return self._lines[self.number].split()[0].rstrip(":") if self.skip_blank() else ""

    def next(self, expected: str) -> str:
        """Return the next line, or fail because the file ends where `expected` belongs."""
        if not self.skip_blank():
            raise FormatError(f"{self._path}:{self.number}: the file ends before {expected}")
        self.number += 1
        return self._lines[self.number - 1]

    def numbers(self, count: int, expected: str) -> list[float]:
        """Read a line of exactly `count` finite numbers."""
        words = self.next(expected).split()
        if len(words) != count:
            raise self.error(f"{expected} has {count} numbers, found {len(words)}")
        return [self.number_from(word, expected) for word in words]

    def number_from(self, word: str, name: str) -> float:
        """Parse a finite number."""
        # float() also takes underscores, which no program writes into such a file.
        if "_" not in word:
            try:
                value = float(word)
            except ValueError:
                pass
            else:
                if math.isfinite(value):
                    return value
                raise self.error(f"{name} is not finite: {word}")
        raise self.error(f"{name} is no number: {word!r}")

    def integer_from(self, word: str, name: str) -> int:
        """Parse a non-negative integer."""
        if not is_count(word):
            raise self.error(f"{name} is no non-negative integer: {word[:40]!r}")
        return int(word)

    def error(self, message: str) -> FormatError:
        """Name the line that was read last."""
        return FormatError(f"{self._path}:{self.number}: {message}")

    def place(self, line: int, index: int) -> str:
        """Name a frame, for messages."""
        return f"{self._path}:{line} (frame {index})"


@dataclass(slots=True)
class _Block:
    """What has been read of one configuration."""

    size: int | None = None
    rows: list[list[float]] = field(default_factory=list)
    types: list[int] = field(default_factory=list)
    columns: dict[str, Floats] = field(default_factory=dict)
    energy: float | None = None
    virial: Floats | None = None
    features: dict[str, str] = field(default_factory=dict)


def _read_block(lines: _Lines, species: Sequence[str], index: int) -> CfgRecord:
    if lines.next("BEGIN_CFG").strip() != "BEGIN_CFG":
        raise lines.error("expected BEGIN_CFG")
    begin = lines.number
    block = _Block()
    seen: set[str] = set()
    while (line := lines.next("END_CFG")).strip() != "END_CFG":
        word = line.split()[0].rstrip(":")
        if word not in _SECTIONS:
            raise lines.error(f"expected a section of a configuration or END_CFG, found {word!r}")
        if word in seen and word != "Feature":
            raise lines.error(f"a second section {word} in one configuration")
        seen.add(word)
        _SECTIONS[word](lines, block, line)
    return _record(lines, block, species, lines.place(begin, index))


def _read_size(lines: _Lines, block: _Block, _: str) -> None:
    words = lines.next("the number of atoms").split()
    block.size = lines.integer_from(" ".join(words), "the number of atoms")
    if block.size == 0:
        raise lines.error("a configuration without atoms")


def _read_supercell(lines: _Lines, block: _Block, _: str) -> None:
    while len(block.rows) < 3 and lines.peek() not in (*_SECTIONS, "END_CFG"):
        block.rows.append(lines.numbers(3, "a row of Supercell"))


def _read_atoms(lines: _Lines, block: _Block, header: str) -> None:
    if block.size is None:
        raise lines.error("AtomData stands before Size")
    names = header.split()[1:]
    _check_columns(lines, names)
    table = []
    for expected_id in range(1, block.size + 1):
        words = lines.next(f"atom {expected_id} of {block.size}").split()
        if len(words) != len(names):
            raise lines.error(f"{len(words)} columns where AtomData names {len(names)}")
        table.append([_entry(lines, *pair) for pair in zip(names, words, strict=True)])
    columns = dict(zip(names, np.array(table).T, strict=True))
    if sorted(columns.pop("id")) != list(range(1, block.size + 1)):
        raise lines.error(f"the ids of the atoms are not 1 to {block.size}")
    block.types = [int(value) for value in columns.pop("type")]
    block.columns = columns


def _entry(lines: _Lines, name: str, word: str) -> float:
    if name in ("id", "type"):
        return lines.integer_from(word, name)
    return lines.number_from(word, name)


def _check_columns(lines: _Lines, names: list[str]) -> None:
    known = {"id", "type", *_POSITIONS, *_FRACTIONS, *_FORCES}
    for name in names:
        if name not in known and not is_column(name):
            raise lines.error(f"unknown column {name} in AtomData")
    if len(set(names)) != len(names):
        raise lines.error("a column appears twice in AtomData")
    if not {"id", "type"} <= set(names):
        raise lines.error("AtomData needs the columns id and type")
    if not (set(_POSITIONS) <= set(names)) ^ (set(_FRACTIONS) <= set(names)):
        raise lines.error("AtomData needs cartes_x, cartes_y, cartes_z, or direct_x and so on")
    if set(_FORCES) & set(names) and not set(_FORCES) <= set(names):
        raise lines.error("forces need all of fx, fy, fz")


def _read_energy(lines: _Lines, block: _Block, _: str) -> None:
    (block.energy,) = lines.numbers(1, "Energy")


def _read_virial(lines: _Lines, block: _Block, header: str) -> None:
    names = header.split()[1:]
    if sorted(names) != sorted(_VOIGT):
        raise lines.error(f"PlusStress needs the columns {' '.join(_VOIGT)}")
    values = dict(zip(names, lines.numbers(6, "PlusStress"), strict=True))
    block.virial = np.array([values[name] for name in _VOIGT])


def _read_feature(lines: _Lines, block: _Block, line: str) -> None:
    words = line.split(maxsplit=2)
    if len(words) < 2:
        raise lines.error("a Feature without a key")
    key, value = words[1], words[2].rstrip() if len(words) > 2 else ""
    block.features[key] = f"{block.features[key]}\n{value}" if key in block.features else value


_SECTIONS: dict[str, Callable[[_Lines, _Block, str], None]] = {
    "Size": _read_size,
    "Supercell": _read_supercell,
    "AtomData": _read_atoms,
    "Energy": _read_energy,
    "PlusStress": _read_virial,
    "Feature": _read_feature,
}


def _record(lines: _Lines, block: _Block, species: Sequence[str], source: str) -> CfgRecord:
    if block.size is None or not block.types:
        raise lines.error("the configuration has no Size or no AtomData")
    cell = np.zeros((3, 3))
    cell[: len(block.rows)] = np.reshape(block.rows, (-1, 3))
    pbc: NDArray[np.bool_] = np.any(cell != 0.0, axis=1)
    try:
        check_cell(cell, pbc)
        symbols = tuple(_symbol(kind, species) for kind in block.types)
        weights = weights_in(block.features)
    except ValueError as error:
        raise FormatError(f"{source}: {error}") from error
    unconverged = is_unconverged(block.features)
    forces = _pop_columns(block.columns, _FORCES)
    frame = Frame(
        symbols=symbols,
        positions=_positions(lines, block.columns, cell),
        cell=cell,
        pbc=pbc,
        energy=None if unconverged else block.energy,
        forces=None if unconverged else forces,
        stress=None if unconverged else _stress(block.virial, cell),
        group=block.features.get("group", block.features.get("config_type", "all")),
        source=source,
        weights=weights,
        unconverged=unconverged,
        trajectory=block.features.get("trajectory", ""),
    )
    return CfgRecord(frame, block.features, block.columns)


def _symbol(kind: int, species: Sequence[str]) -> str:
    if kind >= len(species):
        known = ", ".join(f"{index} {symbol}" for index, symbol in enumerate(species))
        raise ValueError(f"an atom has type {kind}, but the species are {known}")
    return species[kind]


def _positions(lines: _Lines, columns: dict[str, Floats], cell: Floats) -> Floats:
    cartesian = _pop_columns(columns, _POSITIONS)
    if cartesian is not None:
        return cartesian
    fractions = _pop_columns(columns, _FRACTIONS)
    if fractions is None or not cell.any(axis=1).all():
        raise lines.error("direct coordinates need three cell vectors")
    return fractions @ cell


def _pop_columns(columns: dict[str, Floats], names: Sequence[str]) -> Floats | None:
    if names[0] not in columns:
        return None
    return np.column_stack([columns.pop(name) for name in names])


def _stress(virial: Floats | None, cell: Floats) -> Floats | None:
    """Stress from W; MLIP prints W for clusters too, which have no volume and so no stress."""
    if virial is None or not has_stress(cell, cell.any(axis=1)):
        return None
    return -virial / cell_volume(cell)


def _format_block(
    frame: Frame,
    types: Mapping[str, int],
    features: Mapping[str, str],
    columns: Mapping[str, Floats],
) -> str:
    lines = ["BEGIN_CFG", " Size", f"    {len(frame)}"]
    lines += _format_cell(frame)
    lines += _format_atoms(frame, types, columns)
    if frame.energy is not None:
        lines += [" Energy", f"    {frame.energy:.16e}"]
    if frame.virial is not None:
        lines.append(" PlusStress:  xx          yy          zz          yz          xz          xy")
        lines.append("     " + _numbers(frame.virial))
    group = {} if frame.group == "all" else {"group": frame.group}
    for key, value in (group | dict(features)).items():
        lines += [f" Feature   {key}\t{part}" for part in value.replace("\r", "\n").split("\n")]
    return "\n".join([*lines, "END_CFG", "", ""])


def _format_cell(frame: Frame) -> list[str]:
    rows = np.where(frame.pbc[:, None], frame.cell, 0.0)
    used = int(np.flatnonzero(frame.pbc).max(initial=-1)) + 1
    header = [" Supercell"] if used else []
    return header + ["    " + _numbers(row) for row in rows[:used]]


def _format_atoms(
    frame: Frame, types: Mapping[str, int], columns: Mapping[str, Floats]
) -> list[str]:
    missing = sorted(set(frame.symbols) - set(types))
    if missing:
        where = f"{frame.source}: " if frame.source else ""
        raise InputError(f"{where}{', '.join(missing)} is not among --species {','.join(types)}")
    names = " AtomData:  id type       cartes_x      cartes_y      cartes_z"
    tables = [frame.positions]
    if frame.forces is not None:
        names += "           fx          fy          fz"
        tables.append(frame.forces)
    names += "".join(f"       {name}" for name in columns)
    table = np.column_stack([*tables, *columns.values()])
    rows = zip(frame.symbols, table, strict=True)
    atoms = [f"    {i} {types[s]} {_numbers(row)}" for i, (s, row) in enumerate(rows, start=1)]
    return [names, *atoms]


def _numbers(values: Floats) -> str:
    return " ".join(f"{value:.16e}" for value in values)
