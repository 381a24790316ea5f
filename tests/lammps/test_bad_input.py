"""Bad input ends LAMMPS on every rank, at once, with a message that names the fault."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from driver import header, launch, skewed
from models import Case

if TYPE_CHECKING:
    from pathlib import Path

POTENTIAL = Case("RBChebyshev", 6, 2).potential()  # Si, Al
STYLE = "pair_style mtp alloy.mtp\n"
COEFF = "pair_coeff * * Si Al\n"
GRADED = "pair_style mtp/extrapolation "
EVERY_RANK = [1, 2]


@pytest.fixture
def folder(tmp_path: Path, silicon: Path) -> Path:
    """A structure and potential files, good ones and bad ones."""
    POTENTIAL.save(tmp_path / "alloy.mtp")
    text = (tmp_path / "alloy.mtp").read_text()
    (tmp_path / "half.mtp").write_text(text[: len(text) // 2])
    (tmp_path / "nan.mtp").write_text(text.replace("scaling = ", "scaling = nan "))
    (tmp_path / "empty.mtp").touch()
    (tmp_path / "folder.mtp").mkdir()
    nameless = [line for line in text.splitlines() if "potential_tag" not in line]
    (tmp_path / "nameless.mtp").write_text("\n".join(nameless) + "\n")
    (tmp_path / "silicon.almtp").write_bytes(silicon.read_bytes())
    return tmp_path


FAULTS = {
    "no file": ("pair_style mtp gone.mtp\n" + COEFF, "gone.mtp: cannot be read: No such file"),
    "truncated file": ("pair_style mtp half.mtp\n" + COEFF, "half.mtp:"),
    "file with nan": ("pair_style mtp nan.mtp\n" + COEFF, "nan.mtp:"),
    "empty file": ("pair_style mtp empty.mtp\n" + COEFF, "empty.mtp:"),
    "folder": ("pair_style mtp folder.mtp\n" + COEFF, "folder.mtp"),
    "no arguments": ("pair_style mtp\n" + COEFF, "Si: cannot be read"),
    "unknown keyword": ("pair_style mtp alloy.mtp speed 9\n" + COEFF, "unknown keyword speed"),
    "keyword without value": (
        "pair_style mtp alloy.mtp threads\n" + COEFF,
        "threads needs a value",
    ),
    "zero threads": ("pair_style mtp alloy.mtp threads 0\n" + COEFF, "threads needs a positive"),
    "words for threads": ("pair_style mtp alloy.mtp threads two\n" + COEFF, "two"),
    "unknown precision": (
        "pair_style mtp alloy.mtp precision half\n" + COEFF,
        "precision must be double or mixed, not half",
    ),
    "unknown precision with grades": (
        GRADED + "silicon.almtp precision half\npair_coeff * * Si Si\n",
        "precision must be double or mixed, not half",
    ),
    "no precision": ("pair_style mtp alloy.mtp precision\n" + COEFF, "precision needs a value"),
    "wrong element": (STYLE + "pair_coeff * * Si Xe\n", "for Si, Al and knows no Xe"),
    "a number for an element": (STYLE + "pair_coeff * * 0 1\n", "knows no 0"),
    "an element for a number": (
        "pair_style mtp nameless.mtp\npair_coeff * * Si Al\n",
        "names no elements: give its types by number, 0 to 1, not Si",
    ),
    "too large a number": ("pair_style mtp nameless.mtp\npair_coeff * * 0 2\n", "0 to 1, not 2"),
    "too few elements": (STYLE + "pair_coeff * * Si\n", "each of the 2 atom types, and has 1"),
    "too many elements": (STYLE + "pair_coeff * * Si Al Si\n", "2 atom types, and has 3"),
    "too few species": (
        "pair_style mtp silicon.almtp\npair_coeff * *\n",
        "there are 2 atom types, and the potential silicon.almtp has 1 species",
    ),
    "coefficients of one pair": (
        STYLE + "pair_coeff 1 2 Si Al\n",
        "Pair_coeff must start with * *",
    ),
    "nothing but NULL": (STYLE + "pair_coeff * * NULL NULL\n", "maps no atom type"),
    "NULL without hybrid": (STYLE + "pair_coeff * * Si NULL\n", "here there is none"),
    "no coefficients": (STYLE, "coeffs are not set"),
    "a new style without coefficients": (STYLE + COEFF + "run 0\n" + STYLE, "coeffs are not set"),
    "newton off": ("newton off\n" + STYLE + COEFF, "needs newton pair on"),
    "single()": (
        STYLE + COEFF + "compute 1 all pair/local eng\ndump 1 all local 1 x c_1\n",
        "does not support compute pair/local",
    ),
    "no active set": (GRADED + "alloy.mtp\n" + COEFF, "alloy.mtp: has no active set"),
    "select without output": (
        GRADED + "silicon.almtp select 3\npair_coeff * * Si Si\n",
        "select needs keyword output",
    ),
    "select above break": (
        GRADED + "silicon.almtp output x.xyz select 3 break 2\npair_coeff * * Si Si\n",
        "select, 3, must not exceed break, 2",
    ),
    "the potential as output": (
        GRADED + "silicon.almtp output silicon.almtp select 0.001\npair_coeff * * Si Si\n",
        "holds something else than frames",
    ),
    "a device": ("pair_style mtp /dev/zero\n" + COEFF, "it is no plain file"),
    "a device as output": (
        GRADED + "silicon.almtp output /dev/full select 0.001\npair_coeff * * Si Si\n",
        "it is no plain file",
    ),
    "a threshold of nan": (
        GRADED + "silicon.almtp break nan\npair_coeff * * Si Si\n",
        "nan",
    ),
    "a negative threshold": (
        GRADED + "silicon.almtp output x.xyz select -1\npair_coeff * * Si Si\n",
        "select must be a positive grade",
    ),
    "one positional threshold": (
        GRADED + "silicon.almtp x.cfg 2\npair_coeff * * Si Si\n",
        "OUT SELECT BREAK",
    ),
    "never": (GRADED + "silicon.almtp every 0\npair_coeff * * Si Si\n", "every needs a positive"),
    "an output that cannot be written": (
        GRADED + "silicon.almtp output gone/x.xyz select 0.001\npair_coeff * * Si Si\n",
        "gone/x.xyz: cannot be written: No such file",
    ),
    "above the break threshold": (
        GRADED + "silicon.almtp break 0.001\npair_coeff * * Si Si\n",
        "exceeds the break threshold 0.001",
    ),
}


@pytest.mark.parametrize("ranks", EVERY_RANK)
@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_named(folder, fault, ranks):
    commands, message = FAULTS[fault]
    before = "newton off" if commands.startswith("newton off\n") else ""
    script = header(folder, skewed("Si3Al5"), ("Si", "Al"), before)
    assert_ends(folder, script + commands.removeprefix("newton off\n") + "run 0\n", ranks, message)


def assert_ends(folder, script, ranks, message) -> None:
    """With an error of LAMMPS' own, on all ranks: mpirun waits for every one."""
    outcome = launch(folder, script, ranks, time_limit=10)
    assert outcome.code != 0, outcome.text
    assert message in outcome.text.replace("\n", " ")
    assert "ERROR" in outcome.text
    assert "terminate called" not in outcome.text


@pytest.mark.parametrize("ranks", EVERY_RANK)
@pytest.mark.parametrize("units", ["lj", "real", "si"])
def test_units_are_refused_by_name(folder, units, ranks):
    script = header(folder, skewed("Si3Al5"), ("Si", "Al")).replace("metal", units)
    assert_ends(
        folder, script + STYLE, ranks, f"needs units metal (eV, angstrom), not units {units}"
    )


@pytest.mark.parametrize("ranks", EVERY_RANK)
def test_coincident_atoms_are_refused(folder, ranks):
    atoms = skewed("Si3Al5") * (2, 2, 2)
    atoms.positions[1] = atoms.positions[0]
    script = header(folder, atoms, ("Si", "Al")) + STYLE + COEFF + "run 0\n"
    assert_ends(folder, script, ranks, "two atoms are less than 1e-6 angstrom apart")


def test_positions_that_are_not_numbers_are_refused(folder):
    atoms = skewed("Si3Al5")
    script = header(folder, atoms, ("Si", "Al")) + STYLE + COEFF
    script += "variable bad atom (id==3)*1e308*1e308\nfix 1 all addforce 0 0 v_bad\n"
    script += "fix 2 all nve\nneigh_modify delay 1000 every 1000 check no\nrun 5\n"
    assert_ends(folder, script, 1, "not a finite number")
