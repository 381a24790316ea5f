"""CP2K, which ASE does not read: outputs of single points, and trajectories of several files.

An output holds coordinates in angstrom, energies in hartree, forces in hartree/bohr and a stress
whose sign is that of a pressure. Dynamics and optimizations print coordinates once; their frames
are in PROJECT-pos-1.xyz, with energies, and beside it PROJECT-frc-1.xyz and PROJECT-1.cell.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io.cp2k import read_cp2k_restart
from ase.units import Bohr, GPa, Hartree, bar

from mtpot.data.text import read_lines
from mtpot.errors import FormatError, InputError
from mtpot.stress import VOIGT

if TYPE_CHECKING:
    from pathlib import Path

    from mtpot.data.frame import Floats

_NUMBER = r"([-+]?\d+(?:\.\d*)?(?:[EeD][-+]?\d+)?)"
_THREE = rf"\s+{_NUMBER}\s+{_NUMBER}\s+{_NUMBER}"
_ENERGY = re.compile(rf"ENERGY\| Total FORCE_EVAL.*energy\s*[\[(][a-z.]+[\])]:?\s+{_NUMBER}")
_VECTOR = re.compile(
    rf"^ *CELL\| Vector ([abc]) \[angstrom\]?:?{_THREE}.*=\s*{_NUMBER}", re.MULTILINE
)
_PERIODICITY = re.compile(r"^ *(?:CELL|POISSON)\| Periodicity\s+(\w+)", re.MULTILINE)
_COORDINATES = re.compile(
    rf"ATOMIC COORDINATES IN ANGSTROM\s+Atom.*\n\s*"
    rf"((?:^ *\d+ +\d+ +[A-Z][a-z]? +\d+{_THREE}.*\n)+)",
    re.MULTILINE | re.IGNORECASE,
)
_ATOM = re.compile(rf"^ *\d+ +\d+ +([A-Z][a-z]?) +\d+{_THREE}", re.MULTILINE)
_FORCES = re.compile(
    r"ATOMIC FORCES in \[a\.u\.\](.*?)SUM OF|(?:FORCES\| Atomic forces)(.*?)FORCES\| Sum", re.S
)
_FORCE = re.compile(rf"^ *(?:FORCES\| +\d+|\d+ +\d+ +[A-Z]\w*){_THREE}", re.MULTILINE)
_STRESS = re.compile(
    r"STRESS(?: TENSOR|\| Analytical stress tensor) \[(GPa|bar|kbar)\]((?:.*\n){1,6})"
)
_ROW = re.compile(rf"^ *(?:STRESS\| +)?[xyzXYZ]{_THREE}", re.MULTILINE)
_UNITS = {"GPa": GPa, "bar": bar, "kbar": 1e3 * bar}
_STEP = re.compile(rf"^ *i =\s*(\d+),.*\bE =\s*{_NUMBER}")


def is_cp2k_trajectory(comment: str) -> bool:
    """Whether the second line of an .xyz file is one that CP2K writes."""
    return _STEP.match(comment) is not None


def read_cp2k_output(path: Path) -> list[tuple[str, Atoms]]:
    """Every single point of an output, with its place for messages.

    Raises
    ------
    ValueError
        There are several energies for one set of coordinates, or a table is incomplete.
    """
    text = "".join(read_lines(path, errors="replace"))
    energies = list(_ENERGY.finditer(text))
    ends = [0, *(found.end() for found in energies), len(text)]
    images = []
    for index, energy in enumerate(energies):
        before = text[ends[index] : energy.start()]
        after = text[energy.end() : ends[index + 2]]
        atoms = _structure(before, text[: energy.start()])
        labels = {"energy": float(energy[1]) * Hartree, **_labels(after, len(atoms))}
        atoms.calc = SinglePointCalculator(atoms, **labels)
        if "SCF run NOT converged" in before:
            atoms.info["unconverged"] = True
        images.append((f"{path} (frame {index + 1})", atoms))
    return images


def _structure(before: str, everything: str) -> Atoms:
    """Coordinates printed since the last energy, in the last cell."""
    tables = _COORDINATES.findall(before)
    if not tables:
        raise ValueError(
            "an energy without coordinates of its own, as in dynamics and optimizations: read "
            "PROJECT-pos-1.xyz instead, with PROJECT-frc-1.xyz and PROJECT-1.cell beside it"
        )
    rows = _ATOM.findall(tables[-1][0])
    symbols, positions = [row[0] for row in rows], np.array([row[1:] for row in rows], float)
    vectors = {found[0]: np.array(found[1:], float) for found in _VECTOR.findall(everything)}
    if len(vectors) != 3:
        raise ValueError("no cell: CP2K prints CELL| Vector a, b and c")
    # The components have three decimals, the lengths six.
    cell = [v[:3] * v[3] / np.linalg.norm(v[:3]) for _, v in sorted(vectors.items())]
    periodic = (_PERIODICITY.findall(everything) or ["XYZ"])[-1]
    return Atoms(symbols, positions, cell=cell, pbc=[axis in periodic for axis in "XYZ"])


def _labels(after: str, count: int) -> dict[str, Floats]:
    labels = {}
    if table := _FORCES.search(after):
        forces = np.array(_FORCE.findall(table[1] or table[2]), float).reshape(-1, 3)
        if len(forces) != count:
            raise ValueError(f"forces of {len(forces)} atoms where there are {count}")
        labels["forces"] = forces * (Hartree / Bohr)
    if table := _STRESS.search(after):
        tensor = np.array(_ROW.findall(table[2]), float)
        if tensor.shape != (3, 3):
            raise ValueError("an incomplete stress tensor")
        labels["stress"] = -tensor[VOIGT] * _UNITS[table[1]]
    return labels


def read_cp2k_trajectory(path: Path) -> list[tuple[str, Atoms]]:
    """Every step of PROJECT-pos-1.xyz, with forces and cells from the files beside it.

    Steps that a restart repeats are taken once, as they were last written.

    Raises
    ------
    InputError
        There is no cell: neither PROJECT-1.cell nor PROJECT-1.restart of a constant cell.
    FormatError
        A file is malformed, or the files are of different runs.
    """
    steps = _read_steps(path)
    beside = path.with_name(path.name.replace("-pos-", "-frc-"))
    forces = _read_steps(beside) if beside != path and beside.is_file() else {}
    cells = _read_cells(path)
    images: list[tuple[str, Atoms]] = []
    for step, (line, energy, symbols, positions) in steps.items():
        place = f"{path}:{line} (frame {len(images) + 1})"
        atoms = Atoms(symbols, positions)
        atoms.cell, atoms.pbc = _cell_of(cells, step, place)
        labels: dict[str, float | Floats] = {"energy": energy * Hartree}
        if step in forces:
            if forces[step][2] != symbols:
                raise FormatError(f"{place}: {beside.name} has other atoms in step {step}")
            labels["forces"] = forces[step][3] * (Hartree / Bohr)
        atoms.calc = SinglePointCalculator(atoms, **labels)
        images.append((place, atoms))
    return images


def _read_steps(path: Path) -> dict[int, tuple[int, float, list[str], Floats]]:
    """Line, energy, elements and three columns of each step."""
    lines = read_lines(path)
    steps = {}
    begin = 0
    while begin < len(lines) and lines[begin].strip():
        found = _STEP.match(lines[begin + 1]) if begin + 1 < len(lines) else None
        try:
            count = int(lines[begin])
            rows = [line.split() for line in lines[begin + 2 : begin + 2 + count]]
            table = np.array([row[1:4] for row in rows], float).reshape(count, 3)
        except ValueError as error:
            raise FormatError(f"{path}:{begin + 1}: not {begin and 'another'} step") from error
        if found is None:
            raise FormatError(f"{path}:{begin + 2}: expected i = ..., time = ..., E = ...")
        symbols = [row[0].rstrip("0123456789") for row in rows]
        steps[int(found[1])] = (begin + 1, float(found[2]), symbols, table)
        begin += 2 + count
    return steps


Cells = dict[int, tuple["Floats", "list[bool]"]]


def _read_cells(path: Path) -> Cells:
    """Cells by step; the key -1 stands for every step."""
    name = path.name.removesuffix(".xyz").replace("-pos-", "-")
    table, restart = (path.with_name(name + suffix) for suffix in (".cell", ".restart"))
    if table.is_file():
        rows = [line.split() for line in read_lines(table) if not line.lstrip().startswith("#")]
        return {int(row[0]): (np.array(row[2:11], float).reshape(3, 3), 3 * [True]) for row in rows}
    if restart.is_file() and "NPT" not in (text := "".join(read_lines(restart))):
        with restart.open() as file:
            atoms = read_cp2k_restart(file)
        free = re.search(r"^\s*PERIODIC\s+NONE", text, re.MULTILINE | re.IGNORECASE)
        return {-1: (np.array(atoms.cell), 3 * [not free])}
    raise InputError(
        f"{path}: no cell; CP2K writes {table.name} with &MOTION &PRINT &CELL, and "
        f"{restart.name} has one that stays constant"
    )


def _cell_of(cells: Cells, step: int, place: str) -> tuple[Floats, list[bool]]:
    found = cells.get(step, cells.get(-1))
    if found is None:
        raise FormatError(f"{place}: the .cell file has no step {step}")
    return found
