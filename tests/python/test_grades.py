"""Extrapolation grades of a fresh active set: training data do not extrapolate, others may."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import oracle
import pytest
from models import BASES, CORE_CASE, Case, crystal, hoods, types

from mtpot import MTP, MTPCalculator, _core
from mtpot.active.select import build_selection, grade_frame, select_frames
from mtpot.data.frame import Frame

if TYPE_CHECKING:
    from pathlib import Path

    from ase import Atoms
    from numpy.typing import NDArray

GRADE_CASES = [Case(basis, level, count) for basis in BASES for level, count in ((4, 2), (8, 1))]
THRESHOLD = 1.001  # inside a training set


@pytest.fixture(params=GRADE_CASES, ids=str)
def case(request) -> Case:
    """Every radial basis, one and two species."""
    return request.param


@pytest.fixture(params=["nbh", "cfg"])
def mode(request) -> str:
    """Whether sites or configurations are graded."""
    return request.param


@pytest.fixture
def trained(case: Case, mode: str, tmp_path: Path) -> MTP:
    """A potential with the active set of `training(case)`, read from its file."""
    potential = case.potential()
    selection = build_selection(potential, [frame(atoms) for atoms in training(case)], mode, 1)
    path = tmp_path / "potential.almtp"
    path.write_bytes(_core.format_potential(potential.core, selection))
    return MTP.load(path)


@cache
def training(case: Case) -> list[Atoms]:
    """Small disordered crystals with every species."""
    formula = "".join(case.species) * (4 // case.species_count)
    return [crystal(formula, seed=seed) for seed in range(30)]


def squeezed(atoms: Atoms) -> Atoms:
    """The same at a fifth of the volume: five times the neighbors."""
    copy = atoms.copy()
    copy.set_cell(0.6 * atoms.cell.array, scale_atoms=True)
    return copy


def frame(atoms: Atoms) -> Frame:
    """The package's record of a structure."""
    return Frame(
        symbols=tuple(atoms.get_chemical_symbols()),
        positions=atoms.positions,
        cell=atoms.cell.array,
        pbc=atoms.pbc,
        energy=0.0,
    )


def graded(potential: MTP, atoms: Atoms) -> dict[str, Any]:
    """Results of a fresh calculator."""
    calculator = MTPCalculator(potential, threads=1)
    calculator.calculate(atoms)
    return calculator.results


def rows_of(potential: MTP, atoms: Atoms, mode: str) -> NDArray[np.float64]:
    """What is graded: one row for each site, or their mean."""
    rows = _core.Design(potential.core).rows(hoods(potential, atoms), 1)
    return rows if mode == "nbh" else rows.mean(axis=0, keepdims=True)


def test_training_structures_do_not_exceed_the_threshold(case, mode, trained):
    for atoms in training(case):
        results = graded(trained, atoms)
        assert results["grade"] <= THRESHOLD + 1e-8
        if mode == "nbh":
            assert results["grade"] == results["grades"].max()
        else:
            assert "grades" not in results


def test_structure_of_another_density_extrapolates(case, trained):
    assert graded(trained, squeezed(training(case)[0]))["grade"] > 2


def test_active_set_holds_rows_of_the_training_set(case, mode, trained):
    """Except rows that no data reach, which stay as they began: 1e-6 on the diagonal."""
    rows = np.vstack([rows_of(trained, atoms, mode) for atoms in training(case)])
    selection = trained.selection
    for k, row in enumerate(selection.active_set.matrix):
        unset = selection.origins[k, 0] < 0
        candidates = 1e-6 * np.eye(len(row))[k : k + 1] if unset else rows
        assert np.abs(candidates - row).max(axis=1).min() <= 1e-12 * np.abs(rows).max()


def test_grades_are_those_of_the_oracle_s_rows(case, mode, trained):
    atoms = crystal("".join(case.species) * 2, seed=100)
    rows = oracle.from_engine(trained).rows(
        types(trained, atoms), atoms.positions, atoms.cell.array, atoms.pbc
    )
    rows = rows if mode == "nbh" else rows.mean(axis=0, keepdims=True)
    grades = np.abs(rows @ trained.selection.active_set.inverse_transposed.T).max(axis=1)
    results = graded(trained, atoms)
    assert results["grade"] == pytest.approx(grades.max(), rel=1e-8)
    if mode == "nbh":
        np.testing.assert_allclose(results["grades"], grades, rtol=1e-8)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("repeat", [(1, 1, 1), (3, 1, 1), (4, 3, 3)], ids=["4", "12", "144"])
@pytest.mark.parametrize(
    "case", [Case("RBChebyshev", 8, 3), Case("RBChebyshev", 16, 1), CORE_CASE], ids=str
)
def test_grades_are_products_of_rows_with_the_inverse(case, repeat, threads):
    """Of few atoms and of many, of several species in one structure, alone and with forces."""
    potential = case.potential()
    size = len(potential.parameters)
    formula = ("".join(case.species) * 4)[: 8 if case.species_count > 1 else 16]
    atoms = crystal(formula, seed=3).repeat(repeat)
    atoms.rattle(0.05, seed=1)
    rows = _core.Design(potential.core).rows(hoods(potential, atoms), 1)
    scale = np.abs(rows).max(axis=0) + 1e-3
    inverse = np.random.default_rng(0).normal(size=(size, size)) / scale[:, None]
    expected = np.abs(rows @ inverse).max(axis=1)
    active = _core.ActiveSet.restore(np.eye(size), np.ascontiguousarray(inverse.T))
    other = _core.Grader(potential.core, _core.ActiveSet(size))
    for grader in (_core.Grader(potential.core, active), other.with_active_set(active)):
        grades = grader.grades(hoods(potential, atoms), threads)
        np.testing.assert_allclose(grades, expected, rtol=1e-11)
    graded = MTP(
        potential.core, _core.Selection(active, (0, 0, 0, 1), 2, -np.ones((size, 2), int), "")
    )
    calculator = MTPCalculator(graded, threads=threads)
    calculator.calculate(atoms)
    np.testing.assert_allclose(calculator.results["grades"], expected, rtol=1e-11)
    plain = MTPCalculator(potential, threads=threads)
    plain.calculate(atoms)
    for name in ("energies", "forces", "stress"):
        largest = np.abs(plain.results[name]).max()
        found = calculator.results[name]
        np.testing.assert_allclose(found, plain.results[name], rtol=0, atol=1e-12 * largest)


def test_selection_takes_what_extrapolates_and_nothing_else(case, trained):
    known = [frame(atoms) for atoms in training(case)]
    new = [frame(squeezed(atoms)) for atoms in training(case)[:5]]
    assert max(grade_frame(trained, each, 1).frame for each in new) > 2
    chosen = select_frames(trained, known, [*known, *new], threshold=2.0, threads=1)
    assert chosen
    assert min(chosen) >= len(known)
    assert select_frames(trained, known, known, threshold=2.0, threads=1) == []


def test_new_parameters_forget_the_active_set(case, trained):
    """Its rows were derivatives at the old ones."""
    atoms = training(case)[0].copy()
    atoms.calc = MTPCalculator(trained)
    atoms.get_potential_energy()
    assert "grade" in atoms.calc.results
    trained.parameters = trained.parameters * 1.1
    atoms.get_potential_energy()
    assert "grade" not in atoms.calc.results
