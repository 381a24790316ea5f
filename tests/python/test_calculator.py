"""The ASE calculator: what it returns, that it is never stale, and what it refuses."""

from __future__ import annotations

import copy
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import PropertyNotImplementedError
from models import BASES, SMALL_CASES, Case, cluster, crystal, expected, random_parameters

from mtpot import MTP, InputError, MTPCalculator, NumericalError, potential_path
from mtpot.calculator import PRECISIONS

PROPERTIES = {"energy", "free_energy", "energies", "forces", "stress"}

CHANGES = {
    "positions": lambda atoms: atoms.positions.__setitem__((0, 0), atoms.positions[0, 0] + 0.1),
    "cell": lambda atoms: atoms.set_cell(1.02 * atoms.cell.array, scale_atoms=False),
    "periodicity": lambda atoms: setattr(atoms, "pbc", [True, False, True]),
    "species": lambda atoms: atoms.numbers.__setitem__(0, 13),
    "order": lambda atoms: setattr(atoms, "positions", np.roll(atoms.positions, 1, axis=0)),
    "count": lambda atoms: atoms.__delitem__(0),
}


@pytest.fixture(params=SMALL_CASES, ids=str)
def potential(request) -> MTP:
    """Two species, level 8, every radial basis."""
    return request.param.potential()


@pytest.fixture
def atoms(potential) -> Atoms:
    """A periodic structure with the calculator attached."""
    structure = crystal("SiAlSi", seed=1)
    structure.calc = MTPCalculator(potential)
    return structure


def test_results_of_one_calculation(potential, atoms):
    atoms.get_forces()
    results = atoms.calc.results
    assert set(results) >= PROPERTIES
    assert set(atoms.calc.implemented_properties) >= PROPERTIES
    reference = expected(potential, atoms)
    assert results["energy"] == pytest.approx(reference.energy, rel=1e-12)
    assert results["free_energy"] == results["energy"]
    np.testing.assert_allclose(results["energies"], reference.site_energies, rtol=1e-11)
    np.testing.assert_allclose(results["forces"], reference.forces, atol=1e-11)
    assert results["stress"].shape == (6,)


def test_energies_sum_to_the_energy(atoms):
    assert atoms.get_potential_energies().sum() == pytest.approx(
        atoms.get_potential_energy(), rel=1e-13
    )


def test_stress_as_a_matrix(atoms):
    xx, yy, zz, yz, xz, xy = atoms.get_stress()
    expected_matrix = [[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]
    np.testing.assert_array_equal(atoms.get_stress(voigt=False), expected_matrix)


def test_cluster_has_no_stress(potential):
    atoms = cluster("SiAl", seed=2)
    atoms.calc = MTPCalculator(potential)
    assert np.isfinite(atoms.get_potential_energy())
    with pytest.raises(PropertyNotImplementedError):
        atoms.get_stress()


def test_no_grades_without_an_active_set(atoms):
    atoms.get_potential_energy()
    assert "grade" not in atoms.calc.results
    assert "grades" not in atoms.calc.results


@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
def test_results_follow_every_change_of_the_structure(potential, atoms, change):
    before = atoms.get_potential_energy()
    change(atoms)
    fresh = atoms.copy()
    fresh.calc = MTPCalculator(potential)
    assert atoms.get_potential_energy() == fresh.get_potential_energy() != before
    np.testing.assert_array_equal(atoms.get_forces(), fresh.get_forces())


def test_results_follow_the_parameters_of_the_potential(potential, atoms):
    before = atoms.get_potential_energy()
    potential.parameters = random_parameters(potential, seed=1)
    reference = expected(potential, atoms)
    assert atoms.get_potential_energy() == pytest.approx(reference.energy, rel=1e-12)
    assert atoms.get_potential_energy() != before
    np.testing.assert_allclose(atoms.get_forces(), reference.forces, atol=1e-11)


def test_returned_arrays_belong_to_the_caller(atoms):
    forces = atoms.get_forces()
    kept = forces.copy()
    forces[:] = 0
    np.testing.assert_array_equal(atoms.get_forces(), kept)


def test_two_structures_share_a_calculator(potential, atoms):
    other = crystal("AlSi", seed=3)
    other.calc = atoms.calc
    energies = [a.get_potential_energy() for a in (atoms, other, atoms, other)]
    assert energies[:2] == energies[2:]
    assert energies[1] == pytest.approx(expected(potential, other).energy, rel=1e-12)


def test_two_calculators_share_nothing(potential, atoms):
    other = Case(BASES[0], 4, 2).potential(seed=5)
    energy = atoms.get_potential_energy()
    second = atoms.copy()
    second.calc = MTPCalculator(other)
    assert second.get_potential_energy() == pytest.approx(expected(other, atoms).energy, rel=1e-12)
    assert atoms.get_potential_energy() == energy
    assert potential is not other


def test_deep_copy_is_independent(potential, atoms):
    energy = atoms.get_potential_energy()
    twin = copy.deepcopy(atoms)
    twin.positions[0, 0] += 0.1
    assert twin.get_potential_energy() == pytest.approx(expected(potential, twin).energy, rel=1e-12)
    assert atoms.get_potential_energy() == energy


@pytest.mark.parametrize("kind", [str, lambda path: path], ids=["str", "Path"])
def test_a_path_serves_as_well_as_a_potential(potential, atoms, tmp_path, kind):
    path = tmp_path / "a b.mtp"
    potential.save(path)
    other = atoms.copy()
    other.calc = MTPCalculator(kind(path))
    assert other.get_potential_energy() == atoms.get_potential_energy()


@pytest.mark.parametrize("threads", [None, 1, 2])
def test_threads_do_not_change_results(potential, atoms, threads):
    other = atoms.copy()
    other.calc = MTPCalculator(potential, precision="double", threads=threads)
    np.testing.assert_array_equal(other.get_forces(), atoms.get_forces())


@pytest.mark.parametrize(
    "arguments",
    [{"precision": "half"}, {"threads": -1}, {"threads": 1.5}, {"skin": "a"}, {"skin": -1.0}],
    ids=["precision", "negative threads", "fractional threads", "skin in words", "negative skin"],
)
def test_impossible_arguments_are_refused(potential, arguments):
    with pytest.raises(InputError):
        MTPCalculator(potential, **arguments)


def test_a_refused_precision_names_the_choices(potential):
    with pytest.raises(InputError, match="'double' or 'mixed', not None"):
        MTPCalculator(potential, precision=None)


def test_mixed_precision_travels_with_the_calculator(potential, atoms):
    mixed = MTPCalculator(potential, precision="mixed")
    forces = mixed.get_forces(atoms)
    double = atoms.get_forces()
    assert 1e-10 < np.abs(forces - double).max() / np.abs(double).max() < 1e-5
    for other in (copy.deepcopy(mixed), copy.copy(mixed)):
        np.testing.assert_array_equal(other.get_forces(atoms), forces)


def test_grades_come_with_results_in_double_precision():
    atoms = bulk("Si", cubic=True)
    atoms.rattle(0.1, seed=0)
    double, mixed = (MTPCalculator(potential_path("silicon"), each) for each in PRECISIONS)
    np.testing.assert_array_equal(mixed.get_forces(atoms), double.get_forces(atoms))


def test_unknown_element_is_named(potential):
    atoms = Atoms("SiCu", positions=[[0, 0, 0], [2.4, 0, 0]])
    atoms.calc = MTPCalculator(potential)
    with pytest.raises(InputError, match="Cu"):
        atoms.get_potential_energy()
    assert not atoms.calc.results


def test_failed_calculation_leaves_no_results_behind(atoms):
    atoms.get_potential_energy()
    atoms.numbers[0] = 29
    with pytest.raises(InputError, match="Cu"):
        atoms.get_potential_energy()
    assert not atoms.calc.results


def test_untrained_potential_is_refused():
    untrained = MTP.new(level=4, species=("Si",), cutoff=5.0)
    with pytest.raises(InputError, match="trained"):
        MTPCalculator(untrained)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"absent\.mtp"):
        MTPCalculator(tmp_path / "absent.mtp")


def test_a_deep_copy_of_atoms_brings_a_calculator_of_its_own():
    atoms = bulk("Si", cubic=True)
    atoms.calc = MTPCalculator(potential_path("silicon"))
    energy = atoms.get_potential_energy()
    other = copy.deepcopy(atoms)
    other.positions[0, 0] += 0.1
    assert other.get_potential_energy() > energy
    assert atoms.get_potential_energy() == energy


def test_ase_takes_the_properties_it_knows_and_leaves_grades():
    atoms = bulk("Si", cubic=True)
    atoms.calc = MTPCalculator(potential_path("silicon"))
    atoms.get_potential_energy()
    assert "grades" in atoms.calc.results
    assert set(atoms.calc.export_properties()) >= {"energy", "forces", "stress", "energies"}


@pytest.mark.parametrize("pbc", [(True, True, False), (True, False, False)], ids=["slab", "wire"])
def test_partly_periodic_structures_have_a_stress(pbc):
    atoms = bulk("Si", cubic=True)
    atoms.pbc = pbc
    atoms.calc = MTPCalculator(potential_path("silicon"))
    assert atoms.get_stress().shape == (6,)


@pytest.mark.parametrize(
    ("pbc", "distance"),
    [((False,) * 3, 1e6), ((False,) * 3, 1e150), ((True, True, False), 1e6), ((True,) * 3, 1e30)],
    ids=["dimer", "astronomic-dimer", "slab", "crystal"],
)
def test_a_structure_that_has_flown_apart_is_refused(pbc, distance):
    atoms = Atoms("Si2", positions=[[0, 0, 0], [0, 0, distance]], cell=[6, 6, 6], pbc=pbc)
    atoms.calc = MTPCalculator(potential_path("silicon"))
    with pytest.raises(NumericalError, match="flown apart"):
        atoms.get_potential_energy()


def test_an_element_that_nobody_knows_is_refused_by_name():
    potential = MTP.new(4, ["Foo"], 5.0)
    potential.parameters = np.zeros(len(potential.parameters))
    with pytest.raises(InputError, match="Foo"):
        MTPCalculator(potential)
    with pytest.raises(InputError, match="list of symbols"):
        MTP.new(4, "CO", 5.0)


def test_potentials_and_calculators_travel_between_processes():
    atoms = bulk("Si", cubic=True)
    atoms.rattle(0.1, seed=0)
    atoms.calc = MTPCalculator(potential_path("silicon"))
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        energy = pool.submit(Atoms.get_potential_energy, atoms).result()
    assert energy == atoms.get_potential_energy()


def test_settings_cannot_be_changed_behind_the_calculator():
    with pytest.raises(InputError, match="precision"):
        MTPCalculator(potential_path("silicon")).set(precision="mixed")


def test_the_precision_can_be_seen_and_not_changed(potential):
    calculator = MTPCalculator(potential, precision="mixed", skin=np.int64(1))
    assert calculator.precision == "mixed"
    with pytest.raises(AttributeError):
        calculator.precision = "double"
