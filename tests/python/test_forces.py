"""Energies, forces and virials: against the oracle, their own derivatives, and mechanics."""

from __future__ import annotations

import numpy as np
import oracle
import pytest
from ase import Atoms, units
from ase.md.verlet import VelocityVerlet
from models import CASES, SMALL_CASES, Case, assert_agrees, cluster, crystal, evaluate

from mtpot import MTPCalculator
from mtpot.testing import check_forces, check_virial


def mixed(case: Case, count: int) -> str:
    """A formula with every species of the case."""
    return "".join(case.species[k % case.species_count] for k in range(count))


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("build", [cluster, crystal], ids=["cluster", "crystal"])
def test_engine_agrees_with_the_oracle(case, build):
    assert_agrees(case.potential(), build(mixed(case, 6), seed=1), tolerance=1e-12)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_forces_are_minus_the_gradient_of_the_energy(case):
    calculator = MTPCalculator(case.potential())
    for formula in (mixed(case, 5), *(f"{symbol}4" for symbol in case.species)):
        check_forces(cluster(formula, seed=2), calculator, tolerance=7e-9)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_stress_is_the_derivative_of_the_energy_in_the_strain(case):
    calculator = MTPCalculator(case.potential())
    check_virial(crystal(mixed(case, 3), seed=3), calculator, tolerance=1e-6)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_stress_is_minus_the_virial_over_the_volume(case):
    potential = case.potential()
    atoms = crystal(mixed(case, 4), seed=4)
    _, _, virial = evaluate(potential, atoms)
    atoms.calc = MTPCalculator(potential)
    voigt = np.array([virial[a, b] for a, b in oracle.VOIGT])
    np.testing.assert_allclose(atoms.get_stress(), -voigt / atoms.get_volume(), rtol=1e-12)


@pytest.mark.parametrize("case", SMALL_CASES, ids=str)
def test_compressed_repulsive_crystal_has_negative_stress_and_positive_virial(case):
    """Of the pair energy 0.1 (r - cutoff)^2, which grows as the cell shrinks."""
    potential = case.potential()
    core = potential.core
    count, functions, size = core.species_count, core.radial_function_count, core.radial_size
    radial = np.zeros((count, count, functions, size))
    radial[:, :, 0, 0] = 0.1
    linear = np.zeros(len(core.scalars))
    linear[list(core.scalars).index(0)] = 1.0  # the sum of f_0 over the neighbors
    potential.parameters = np.concatenate([radial.ravel(), np.zeros(count), linear])
    atoms = crystal(mixed(case, 4), seed=5)
    _, _, virial = evaluate(potential, atoms)
    atoms.calc = MTPCalculator(potential)
    assert np.trace(virial) > 0
    assert atoms.get_stress()[:3].sum() < 0


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("build", [cluster, crystal], ids=["cluster", "crystal"])
def test_forces_sum_to_zero(case, build):
    _, forces, _ = evaluate(case.potential(), build(mixed(case, 6), seed=6))
    assert np.abs(forces.sum(axis=0)).max() <= 1e-11 * max(1, np.abs(forces).max())


@pytest.mark.parametrize("case", CASES, ids=str)
def test_torque_on_a_cluster_is_zero_and_its_virial_symmetric(case):
    atoms = cluster(mixed(case, 6), seed=7)
    _, forces, virial = evaluate(case.potential(), atoms)
    scale = max(1, np.abs(forces).max())
    assert np.abs(np.cross(atoms.positions, forces).sum(axis=0)).max() <= 1e-11 * scale
    assert np.abs(virial - virial.T).max() <= 1e-11 * scale


def energy_error(atoms: Atoms, calculator: MTPCalculator, step: float, duration: float) -> float:
    """Root mean square deviation of the total energy, sampled every femtosecond."""
    moving = atoms.copy()
    moving.calc = calculator
    dynamics = VelocityVerlet(moving, timestep=step * units.fs)
    totals = [moving.get_total_energy()]
    for _ in range(round(duration)):
        dynamics.run(round(1 / step))
        totals.append(moving.get_total_energy())
    return float(np.sqrt(np.mean((np.array(totals) - totals[0]) ** 2)))


@pytest.mark.parametrize("case", SMALL_CASES, ids=str)
def test_energy_error_of_verlet_falls_with_the_square_of_the_time_step(case):
    # Compact: no pair crosses the cutoff or the minimum distance, where a derivative jumps.
    atoms = Atoms(
        "SiAlSiAl", positions=2.6 * np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    )
    atoms.rattle(0.05, seed=8)
    atoms.set_velocities(np.random.default_rng(9).normal(0, 0.03, (4, 3)))
    calculator = MTPCalculator(case.potential())
    coarse, fine = (energy_error(atoms, calculator, step, 20) for step in (0.5, 0.25))
    assert coarse / fine == pytest.approx(4, abs=0.5)
