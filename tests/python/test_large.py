"""Sizes at which 32-bit products of indices overflow."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk
from models import BASES, Case

from mtpot import MTPCalculator

SIDE = 100  # fcc cells of one atom along each direction


@pytest.mark.slow
@pytest.mark.parametrize("basis", BASES)
def test_million_atoms_have_the_energy_of_one(basis):
    """18 neighbors and 130 basic moments: pairs times moments exceed 2^31."""
    calculator = MTPCalculator(Case(basis, 16, 1).potential())
    # Two shells within the cutoff of 5 angstrom; the third stands at 5.51.
    one = bulk("Si", "fcc", a=4.5)
    many = one.repeat(SIDE)
    assert len(many) * 18 * 130 > 2**31
    calculator.calculate(many, ["energy"])
    energy, energies = calculator.results["energy"], calculator.results["energies"]
    calculator.calculate(one, ["energy"])
    assert abs(energy / len(many) - calculator.results["energy"]) <= 1e-10
    assert np.abs(energies - energies[0]).max() <= 1e-10
