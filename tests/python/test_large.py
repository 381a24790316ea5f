"""Sizes at which 32-bit products of indices overflow, and memory would run out."""

from __future__ import annotations

import re
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from models import BASES, Case, evaluate

from mtpot import MTPCalculator

SIDE = 100  # fcc cells of one atom along each direction
TOLERANCES = {"double": 1e-10, "mixed": 1e-6}  # eV per atom, eV/angstrom
STATUS = Path("/proc/self/status")

# Two shells within the cutoff of 5 angstrom; the third stands at 5.51.
ONE = bulk("Si", "fcc", a=4.5)


def million():
    """18 neighbors and 130 basic moments at level 16: pairs times moments exceed 2^31."""
    many = ONE.repeat(SIDE)
    assert len(many) * 18 * 130 > 2**31
    return many


@pytest.mark.slow
@pytest.mark.parametrize("precision", TOLERANCES)
@pytest.mark.parametrize("basis", BASES)
def test_million_atoms_have_the_energy_of_one(basis, precision):
    """Without forces, by symmetry."""
    calculator = MTPCalculator(Case(basis, 16, 1).potential(), precision)
    one = calculator.get_potential_energy(ONE)
    calculator.calculate(million())
    results, tolerance = calculator.results, TOLERANCES[precision]
    assert abs(results["energy"] / SIDE**3 - one) <= tolerance
    assert np.abs(results["energies"] - one).max() <= tolerance
    assert np.abs(results["forces"]).max() <= tolerance


@pytest.mark.slow
def test_neighborhoods_of_a_million_atoms():
    """All at once, as training takes a structure."""
    potential = Case(BASES[0], 16, 1).potential()
    (one,), _, virial_of_one = evaluate(potential, ONE)
    energies, forces, virial = evaluate(potential, million(), 0)
    assert np.abs(energies - one).max() <= TOLERANCES["double"]
    assert np.abs(forces).max() <= TOLERANCES["double"]
    assert np.abs(virial / SIDE**3 - virial_of_one).max() <= TOLERANCES["double"]


def peak_for_a_million() -> float:
    """The most memory that this process has held, in gigabytes."""
    MTPCalculator(Case(BASES[0], 16, 1).potential(), threads=2).calculate(million())
    peak = re.search(r"VmHWM:\s*(\d+) kB", STATUS.read_text())
    assert peak is not None
    return int(peak[1]) / 1024**2


@pytest.mark.slow
@pytest.mark.skipif(not STATUS.exists(), reason="needs Linux")
def test_a_million_atoms_need_less_than_a_gigabyte():
    """What is kept of a pair is its entry in the list, whatever the level."""
    with ProcessPoolExecutor(1, get_context("spawn")) as executor:
        assert executor.submit(peak_for_a_million).result() < 1.0
