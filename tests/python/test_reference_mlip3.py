"""Numbers computed by MLIP-3 itself: ours agree to half a unit of the last printed digit.

Skipped where the reference files, which stand beside the repository, are absent.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import oracle
import pytest
from ase import Atoms
from models import evaluate

from mtpot import MTP, MTPCalculator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# potential file, configurations with its energies and forces, species of the types
PREDICTIONS = [
    ("mono_06.mtp", "mono_06.cfg", ("Si",)),
    ("mono_16.mtp", "mono_16.cfg", ("Si",)),
    ("mono_20.mtp", "mono_20.cfg", ("Si",)),
    ("repuls_10.mtp", "repuls_10.cfg", ("Si",)),
    ("multi_08.mtp", "multi_08.cfg", ("Al", "Ni", "Ti")),
    ("multi_12.mtp", "multi_12.cfg", ("Al", "Ni", "Ti")),
    ("grade_nbh.almtp", "grade_nbh_efs.cfg", ("Si",)),
    ("grade2_nbh.almtp", "grade2_nbh_efs.cfg", ("Na", "Cl")),
]
GRADES = [
    ("grade_nbh.almtp", "grade_nbh.cfg", ("Si",)),
    ("grade2_nbh.almtp", "grade2_nbh.cfg", ("Na", "Cl")),
    ("grade2_cfg.almtp", "grade2_cfg.cfg", ("Na", "Cl")),
]
FILES = ("potential_file", "frames_file")
NAMES = (*FILES, "species")


@dataclass(frozen=True)
class Printed:
    """One configuration as MLIP-3 printed it."""

    types: Any
    positions: Any
    cell: Any
    energy: float
    forces: Any
    virial: Any
    site_grades: Any
    grade: float | None

    @property
    def pbc(self) -> Any:
        """A zero or missing cell vector is a direction without periodicity."""
        return self.cell.any(axis=1)

    def atoms(self, species: tuple[str, ...]) -> Atoms:
        """The structure for ASE."""
        symbols = [species[kind] for kind in self.types]
        return Atoms(symbols, positions=self.positions, cell=self.cell, pbc=self.pbc)


def read_cfg(path: Path) -> Iterator[Printed]:
    """The configurations of a .cfg file."""
    for block in path.read_text().split("BEGIN_CFG")[1:]:
        count = int(section(block, "Size", 1)[0][0])
        columns = re.search(r"AtomData:(.*)", block)
        assert columns is not None
        table = np.array(section(block, "AtomData", count), float)
        data = dict(zip(columns[1].split(), table.T, strict=True))
        rows = block.partition("Supercell")[2].partition("AtomData")[0].split("\n")[1:-1]
        cell = np.zeros((3, 3))
        cell[: len(rows)] = [row.split() for row in rows] or cell[:0]
        grade = re.search(r"MV_grade\s+(\S+)", block)
        yield Printed(
            types=data["type"].astype(int),
            positions=np.stack([data[f"cartes_{axis}"] for axis in "xyz"], axis=1),
            cell=cell,
            energy=float(section(block, "Energy", 1)[0][0]),
            forces=np.stack([data[f"f{axis}"] for axis in "xyz"], axis=1),
            virial=np.array(section(block, "PlusStress", 1)[0], float),
            site_grades=data.get("nbh_grades"),
            grade=float(grade[1]) if grade else None,
        )


def section(block: str, title: str, count: int) -> list[list[str]]:
    """The words of the lines that follow a title."""
    lines = block.partition(title)[2].split("\n")[1:]
    return [line.split() for line in lines[:count]]


def assert_printed(value: Any, printed: Any, digits: int) -> None:
    """Half a unit of the last printed digit, plus the rounding of the printed number itself."""
    half = 0.5 * 10.0**-digits
    assert (np.abs(np.subtract(value, printed)) <= half + 4 * np.spacing(np.abs(printed))).all()


@pytest.mark.parametrize(FILES, [case[:2] for case in PREDICTIONS])
def test_oracle_agrees_with_mlip3(mlip3, potential_file, frames_file):
    potential = oracle.read(mlip3 / potential_file)
    for frame in read_cfg(mlip3 / frames_file):
        result = potential.predict(frame.types, frame.positions, frame.cell, frame.pbc)
        assert_printed(result.energy, frame.energy, 12)
        assert_printed(result.forces, frame.forces, 6)
        assert_printed([result.virial[a, b] for a, b in oracle.VOIGT], frame.virial, 5)


@pytest.mark.parametrize(NAMES, PREDICTIONS, ids="".join)
def test_energy_forces_and_stress(mlip3, potential_file, frames_file, species):
    calculator = MTPCalculator(MTP.load(mlip3 / potential_file, species=species))
    for frame in read_cfg(mlip3 / frames_file):
        atoms = frame.atoms(species)
        atoms.calc = calculator
        assert_printed(atoms.get_potential_energy(), frame.energy, 12)
        assert_printed(atoms.get_forces(), frame.forces, 6)
        if frame.pbc.all():
            assert_printed(-atoms.get_stress() * atoms.get_volume(), frame.virial, 5)


@pytest.mark.parametrize(NAMES, GRADES, ids="".join)
def test_grades_of_sites_and_frames(mlip3, potential_file, frames_file, species):
    calculator = MTPCalculator(MTP.load(mlip3 / potential_file, species=species))
    for frame in read_cfg(mlip3 / frames_file):
        atoms = frame.atoms(species)
        calculator.calculate(atoms)
        assert_printed(calculator.results["grade"], frame.grade, 6)
        if frame.site_grades is None:
            assert "grades" not in calculator.results
        else:
            assert_printed(calculator.results["grades"], frame.site_grades, 5)


@pytest.mark.parametrize(FILES, [case[:2] for case in GRADES])
def test_oracle_rows_and_stored_inverse_give_the_grades(mlip3, potential_file, frames_file):
    potential = oracle.read(mlip3 / potential_file)
    inverse, per_site = oracle.read_inverse(mlip3 / potential_file)
    for frame in read_cfg(mlip3 / frames_file):
        rows = potential.rows(frame.types, frame.positions, frame.cell, frame.pbc)
        rows = rows if per_site else rows.mean(axis=0, keepdims=True)
        grades = np.abs(rows @ inverse.T).max(axis=1)
        assert_printed(grades.max(), frame.grade, 6)
        if per_site:
            assert_printed(grades, frame.site_grades, 5)


def test_virials_of_frames_without_three_periods(mlip3):
    """ASE has no stress for them; the engine's virial is what MLIP-3 prints."""
    potential = MTP.load(mlip3 / "mono_16.mtp", species=("Si",))
    frames = [frame for frame in read_cfg(mlip3 / "mono_16.cfg") if not frame.pbc.all()]
    assert frames
    for frame in frames:
        _, _, virial = evaluate(potential, frame.atoms(("Si",)))
        assert_printed([virial[a, b] for a, b in oracle.VOIGT], frame.virial, 5)
