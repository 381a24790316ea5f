"""Periodic masks, symmetries, tiny and tilted cells, single and colliding atoms."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.calculator import CalculatorError
from models import CASES, CUTOFF, SMALL_CASES, assert_agrees, cluster, crystal, evaluate

from mtpot import MTPCalculator, MtpotError, _core
from mtpot.testing import check_invariance

MASKS = list(itertools.product([False, True], repeat=3))


@pytest.mark.parametrize("case", SMALL_CASES, ids=str)
@pytest.mark.parametrize("mask", MASKS, ids=lambda mask: "".join("FT"[p] for p in mask))
def test_every_periodic_mask(case, mask):
    atoms = crystal("SiAlSiAl", seed=1)
    atoms.pbc = mask
    assert_agrees(case.potential(), atoms, tolerance=1e-10)


@pytest.mark.parametrize("case", SMALL_CASES, ids=str)
@pytest.mark.parametrize("mask", MASKS[1:-1], ids=lambda mask: "".join("FT"[p] for p in mask))
def test_directions_without_periodicity_need_no_cell_vector(case, mask):
    atoms = crystal("SiAlSiAl", seed=1)
    cell = np.where(np.array(mask)[:, None], atoms.cell.array, 0.0)
    bare = Atoms(atoms.symbols, positions=atoms.positions, cell=cell, pbc=mask)
    assert_agrees(case.potential(), bare, tolerance=1e-10)


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("repeats", [(2, 1, 1), (1, 2, 1), (1, 1, 2)], ids=["x", "y", "z"])
def test_doubled_cell_doubles_the_energy_and_repeats_the_forces(case, repeats):
    atoms = crystal("".join(case.species) + case.species[0], seed=2)
    energies, forces, _ = evaluate(case.potential(), atoms)
    doubled, repeated, _ = evaluate(case.potential(), atoms.repeat(repeats))
    assert abs(doubled.sum() / 2 - energies.sum()) / len(atoms) <= 1e-10
    np.testing.assert_allclose(repeated, np.tile(forces, (2, 1)), atol=1e-10)


@pytest.mark.parametrize("case", SMALL_CASES, ids=str)
def test_order_of_the_cell_vectors_does_not_matter(case):
    atoms = crystal("SiAlSiAl", seed=5)
    swapped = atoms.copy()
    swapped.set_cell(atoms.cell.array[[1, 0, 2]])  # left-handed
    atoms.calc, swapped.calc = MTPCalculator(case.potential()), MTPCalculator(case.potential())
    assert abs(atoms.get_potential_energy() - swapped.get_potential_energy()) <= 1e-10
    np.testing.assert_allclose(swapped.get_forces(), atoms.get_forces(), atol=1e-10)
    np.testing.assert_allclose(swapped.get_stress(), atoms.get_stress(), atol=1e-12)


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("build", [cluster, crystal], ids=["cluster", "crystal"])
def test_shift_rotation_order_and_inversion(case, build):
    atoms = build("".join(case.species) * 2, seed=3)
    errors = check_invariance(atoms, MTPCalculator(case.potential()), tolerance=1e-10)
    assert errors.permutation <= 1e-12


@pytest.mark.parametrize("case", CASES, ids=str)
def test_isolated_atom_has_exactly_its_species_energy(case):
    potential = case.potential()
    scalars = len(potential.core.scalars)
    species_energies = potential.parameters[-scalars - case.species_count : -scalars]
    for symbol, energy in zip(case.species, species_energies, strict=True):
        energies, forces, virial = evaluate(potential, Atoms(symbol))
        assert energies.tolist() == [energy]
        assert not forces.any()
        assert not virial.any()


@pytest.mark.parametrize("case", SMALL_CASES, ids=str)
def test_atoms_at_the_cutoff_and_beyond_do_not_see_each_other(case):
    potential = case.potential()
    far = Atoms("SiAl", positions=[[0, 0, 0], [CUTOFF + 1e-9, 0, 0]])
    alone = [evaluate(potential, Atoms(symbol))[0][0] for symbol in ("Si", "Al")]
    energies, forces, _ = evaluate(potential, far)
    assert energies.tolist() == alone
    assert not forces.any()


@pytest.mark.parametrize("case", SMALL_CASES, ids=str)
def test_zero_atoms_have_zero_energy(case):
    energies, forces, virial = evaluate(case.potential(), Atoms())
    assert energies.shape == (0,)
    assert forces.shape == (0, 3)
    assert not virial.any()


@pytest.mark.parametrize("case", SMALL_CASES, ids=str)
def test_list_of_pairs_beyond_the_cutoff_contributes_nothing(case):
    potential = case.potential()
    atoms = cluster("SiAlSi", seed=4)
    i, j = np.nonzero(~np.eye(3, dtype=bool))
    vectors = atoms.positions[j] - atoms.positions[i]
    far = np.array([[CUTOFF, 0, 0], [0, 3 * CUTOFF, 0]])
    with_skin = _core.Neighborhoods(
        [0, 1, 0], [*i, 0, 2], [*j, 1, 1], np.concatenate([vectors, far])
    )
    energies, forces, _ = _core.Evaluator(potential.core).evaluate(with_skin)
    plain_energies, plain_forces, _ = evaluate(potential, atoms)
    np.testing.assert_allclose(energies, plain_energies, rtol=1e-13)
    np.testing.assert_allclose(forces, plain_forces, atol=1e-12)


@pytest.mark.parametrize("case", SMALL_CASES, ids=str)
@pytest.mark.parametrize("count", [2, 3], ids=["dimer", "trimer"])
def test_energy_and_forces_are_continuous_across_the_cutoff(case, count):
    potential = case.potential()
    results = []
    for offset in (-1e-9, 0.0, 1e-9):
        positions = [[0, 0, 0], [CUTOFF + offset, 0, 0], [1.1, 2.0, 0.3]][:count]
        atoms = Atoms(["Si", "Al", "Si"][:count], positions=positions)
        energies, forces, _ = evaluate(potential, atoms)
        results.append(np.append(forces.ravel(), energies.sum()))
    assert np.abs(np.diff(results, axis=0)).max() <= 1e-8


@pytest.mark.parametrize("case", SMALL_CASES, ids=str)
def test_cell_of_three_tenths_of_the_cutoff(case):
    cell = 0.3 * CUTOFF * np.array([[1, 0.1, 0], [0, 1, -0.2], [0.1, 0, 1]])
    assert_agrees(case.potential(), Atoms("Si", cell=cell, pbc=True), tolerance=1e-10)


@pytest.mark.parametrize("case", SMALL_CASES, ids=str)
def test_extremely_tilted_cell_equals_its_reduced_form(case):
    atoms = crystal("SiAlSi", seed=5)
    tilted = atoms.copy()
    shear = np.array([[1, 0, 0], [7, 1, 0], [-5, 9, 1]])  # same lattice: determinant one
    tilted.set_cell(shear @ atoms.cell.array, scale_atoms=False)
    potential = case.potential()
    for value, target in zip(evaluate(potential, tilted), evaluate(potential, atoms), strict=True):
        np.testing.assert_allclose(value, target, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("case", SMALL_CASES, ids=str)
def test_atoms_outside_the_cell_and_on_its_faces(case):
    potential = case.potential()
    atoms = crystal("SiAlSi", seed=6)
    atoms.positions -= atoms.positions[0]  # one atom sits on a corner
    outside = atoms.copy()
    outside.positions += np.array([[3, -2, 5], [0, 1, 0], [-40, 7, 1]]) @ atoms.cell.array
    assert_agrees(potential, atoms, tolerance=1e-10)
    for value, target in zip(evaluate(potential, outside), evaluate(potential, atoms), strict=True):
        np.testing.assert_allclose(value, target, rtol=1e-10, atol=1e-10)


def place(first: int, second: int, offset):
    """Moves an atom onto another, but for an offset that may depend on the structure."""

    def move(atoms: Atoms) -> None:
        atoms.positions[second] = atoms.positions[first] + offset(atoms)

    return move


SPOIL = {
    "coincident atoms": place(0, 1, lambda _: 0),
    "atoms 1e-8 apart": place(0, 1, lambda _: [1e-8, 0, 0]),
    "atom on an image": place(0, 1, lambda atoms: atoms.cell.array[2]),
    "nan position": lambda atoms: atoms.positions.__setitem__((2, 1), np.nan),
    "infinite position": lambda atoms: atoms.positions.__setitem__((2, 1), np.inf),
    "nan cell": lambda atoms: atoms.cell.__setitem__((0, 0), np.nan),
    "infinite cell": lambda atoms: atoms.cell.__setitem__((0, 0), np.inf),
    "zero volume": lambda atoms: atoms.cell.__setitem__(2, atoms.cell[0] + atoms.cell[1]),
    "missing cell vector": lambda atoms: atoms.cell.__setitem__(1, 0.0),
}


@pytest.mark.parametrize("case", SMALL_CASES, ids=str)
@pytest.mark.parametrize("spoil", SPOIL.values(), ids=list(SPOIL))
def test_impossible_structures_are_refused(case, spoil):
    atoms = crystal("SiAlSi", seed=7)
    spoil(atoms)
    atoms.calc = MTPCalculator(case.potential())
    with pytest.raises((MtpotError, CalculatorError)) as refusal:
        atoms.get_forces()
    assert str(refusal.value)
    assert not atoms.calc.results
