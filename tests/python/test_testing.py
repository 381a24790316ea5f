"""The public checks of `mtpot.testing` pass sound calculators and catch each kind of fault."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT

from mtpot.testing import check_forces, check_invariance, check_virial


@pytest.fixture
def atoms() -> Atoms:
    """Distorted copper."""
    structure = Atoms("Cu4", [[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    cell = 3.6 * np.array([[1, 0.05, 0], [0, 1.02, 0.03], [-0.04, 0, 0.97]])
    structure.set_cell(np.eye(3))
    structure.set_cell(cell, scale_atoms=True)
    structure.pbc = True
    structure.rattle(0.1, seed=0)
    return structure


class Spoiled(Calculator):
    """Effective-medium theory with something wrong."""

    implemented_properties = ("energy", "forces", "stress")

    def __init__(self, spoil) -> None:
        super().__init__()
        self.spoil = spoil

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes) -> None:
        """Compute, then spoil."""
        super().calculate(atoms, list(properties), list(system_changes))
        sound = EMT()
        results = {name: sound.get_property(name, atoms) for name in self.implemented_properties}
        self.results = results | self.spoil(atoms, results)


def test_sound_calculator_passes_every_check(atoms):
    assert check_forces(atoms, EMT()) <= 7e-9
    assert check_virial(atoms, EMT()) <= 1e-6
    assert check_invariance(atoms, EMT()).permutation <= 1e-12


def test_the_calculator_of_the_atoms_is_the_default(atoms):
    atoms.calc = EMT()
    assert check_forces(atoms) == check_forces(atoms, EMT())


def test_missing_calculator_is_said(atoms):
    with pytest.raises(ValueError, match="calculator"):
        check_forces(atoms)


def test_the_structure_is_left_alone(atoms):
    before = atoms.copy()
    check_forces(atoms, EMT())
    check_virial(atoms, EMT())
    check_invariance(atoms, EMT())
    assert atoms == before
    assert atoms.calc is None


def test_force_wrong_in_the_sixth_digit_is_caught_and_located(atoms):
    def spoil(_, results):
        forces = results["forces"].copy()
        forces[2, 1] += 1e-6
        return {"forces": forces}

    with pytest.raises(AssertionError, match="atom 2 along y"):
        check_forces(atoms, Spoiled(spoil))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda _, results: {"stress": -results["stress"]},
        lambda _, results: {"stress": results["stress"][[0, 1, 2, 5, 4, 3]]},
        lambda _, results: {"stress": results["stress"] * [1, 1, 1, 1, 2, 1]},
        lambda _, results: {"stress": results["stress"] * np.nan},
    ],
    ids=["sign", "order of components", "doubled shear", "not a number"],
)
def test_wrong_stress_is_caught(atoms, spoil):
    with pytest.raises(AssertionError, match="stress"):
        check_virial(atoms, Spoiled(spoil))


@pytest.mark.parametrize(
    ("operation", "extra"),
    [
        ("translation", lambda atoms: atoms.positions[:, 0].sum()),
        ("rotation", lambda atoms: np.ptp(atoms.positions[:, 0])),
        ("permutation", lambda atoms: np.linalg.norm(atoms.positions[0] - atoms.positions[1])),
        ("inversion", lambda atoms: np.linalg.det(atoms.positions[1:] - atoms.positions[0])),
    ],
)
def test_broken_symmetry_is_caught_and_named(atoms, operation, extra):
    def spoil(structure, results):
        return {"energy": results["energy"] + extra(structure)}

    with pytest.raises(AssertionError, match=operation):
        check_invariance(atoms, Spoiled(spoil))
