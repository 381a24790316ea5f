"""Derivatives in the parameters, on which training and extrapolation grades rest.

The oracle's derivatives are exact to rounding (complex steps); the engine's own differences check
that its derivatives belong to its own predictions.
"""

from __future__ import annotations

import numpy as np
import oracle
import pytest
from models import BASES, CASES, Case, cluster, crystal, evaluate, hoods, types

from mtpot import _core

ALL_SPECIES = [Case(basis, 8, count) for basis in BASES for count in (1, 2, 3)]


def structure(case: Case, build) -> object:
    """At least one atom of each species, some below the minimum distance."""
    return build("".join(case.species[k % case.species_count] for k in range(4)), seed=1)


def arguments(potential, atoms):
    """What the oracle takes."""
    return types(potential, atoms), atoms.positions, atoms.cell.array, atoms.pbc


def vector(potential, atoms):
    """The engine's energy, forces and virial, in the order of the tangents' rows."""
    energies, forces, virial = evaluate(potential, atoms)
    return oracle.Prediction(energies, forces, virial).vector


def assert_close(value, target, tolerance):
    """Relative to the largest element."""
    assert np.abs(value - target).max() <= tolerance * np.abs(target).max()


@pytest.mark.parametrize("case", [*CASES, *ALL_SPECIES], ids=str)
@pytest.mark.parametrize("build", [cluster, crystal], ids=["cluster", "crystal"])
def test_rows_are_the_oracle_s(case, build):
    potential = case.potential()
    atoms = structure(case, build)
    rows = _core.Design(potential.core).rows(hoods(potential, atoms))
    assert_close(rows, oracle.from_engine(potential).rows(*arguments(potential, atoms)), 1e-12)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_values_beside_the_tangents_are_the_predictions(case):
    potential = case.potential()
    atoms = structure(case, crystal)
    _, values = _core.Design(potential.core).tangents(hoods(potential, atoms))
    assert_close(values, vector(potential, atoms), 1e-12)


@pytest.mark.parametrize("case", ALL_SPECIES, ids=str)
@pytest.mark.parametrize("build", [cluster, crystal], ids=["cluster", "crystal"])
def test_every_tangent_is_the_oracle_s(case, build):
    potential = case.potential()
    atoms = structure(case, build)
    tangents, _ = _core.Design(potential.core).tangents(hoods(potential, atoms))
    reference = oracle.from_engine(potential)
    units = np.eye(tangents.shape[1])
    columns = [reference.along(unit, *arguments(potential, atoms)).vector for unit in units]
    assert_close(tangents, np.array(columns).T, 1e-12)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_tangents_along_random_directions_are_the_oracle_s(case):
    potential = case.potential()
    atoms = structure(case, crystal)
    tangents, _ = _core.Design(potential.core).tangents(hoods(potential, atoms))
    reference = oracle.from_engine(potential)
    rng = np.random.default_rng(2)
    for direction in rng.normal(size=(4, tangents.shape[1])):
        derivative = reference.along(direction, *arguments(potential, atoms)).vector
        assert_close(tangents @ direction, derivative, 1e-12)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_tangents_are_finite_differences_of_the_engine(case):
    potential = case.potential()
    atoms = structure(case, crystal)
    tangents, _ = _core.Design(potential.core).tangents(hoods(potential, atoms))
    center = potential.parameters.copy()
    direction = np.random.default_rng(3).normal(size=center.size) * (np.abs(center) + 1e-3)

    def at(step: float):
        potential.parameters = center + step * direction
        return vector(potential, atoms)

    # A polynomial in the step: two central differences leave an error of the fourth order.
    wide, narrow = ((at(h) - at(-h)) / (2 * h) for h in (2e-3, 1e-3))
    assert_close((4 * narrow - wide) / 3, tangents @ direction, 1e-7)


@pytest.mark.parametrize("case", ALL_SPECIES, ids=str)
def test_rows_sum_to_the_tangent_of_the_energy(case):
    potential = case.potential()
    neighborhoods = hoods(potential, structure(case, crystal))
    design = _core.Design(potential.core)
    tangents, _ = design.tangents(neighborhoods)
    assert_close(design.rows(neighborhoods).sum(axis=0), tangents[0], 1e-12)


def labeled(potential, atoms, rng, weights):
    """A frame with random labels, and the same labels as one vector with its weights."""
    count = len(atoms)
    labels = rng.normal(size=1 + 3 * count + 6)
    energy, force, virial = weights
    force_weights = force * rng.uniform(0.5, 1.5, count)
    frame = _core.LabeledFrame(
        hoods(potential, atoms),
        labels[0],
        labels[1:-6].reshape(-1, 3),
        labels[-6:],
        energy,
        force_weights,
        virial,
    )
    # Off-diagonal components of the virial stand for two of the nine.
    shears = virial * np.array([1, 1, 1, 2, 2, 2])
    return frame, labels, np.concatenate([[energy], np.repeat(force_weights, 3), shears])


@pytest.mark.parametrize("case", ALL_SPECIES, ids=str)
@pytest.mark.parametrize("linear_only", [True, False], ids=["linear", "all"])
@pytest.mark.parametrize("threads", [1, 2], ids=["1thread", "2threads"])
def test_normal_equations_are_the_gram_matrix_of_the_weighted_tangents(case, linear_only, threads):
    potential = case.potential()
    design, rng = _core.Design(potential.core), np.random.default_rng(4)
    frames, blocks = [], []
    for seed, weights in enumerate([(1.0, 0.1, 0.01), (0.5, 0.0, 0.0), (0.0, 0.2, 0.0)]):
        atoms = crystal("".join(case.species) + "Si", seed=seed)
        frame, labels, weight = labeled(potential, atoms, rng, weights)
        tangents, values = design.tangents(hoods(potential, atoms))
        frames.append(frame)
        blocks.append(np.sqrt(weight)[:, None] * np.column_stack([tangents, labels - values]))
    matrix = np.vstack(blocks)
    if linear_only:
        matrix = matrix[:, oracle.from_engine(potential).radial.size :]
    gram = design.normal_equations(frames, linear_only, threads)
    scale = np.sqrt(np.outer(*[np.sum(matrix**2, axis=0)] * 2))
    assert (np.abs(gram - matrix.T @ matrix) <= 1e-11 * scale.clip(1e-30)).all()


@pytest.mark.parametrize("case", ALL_SPECIES, ids=str)
@pytest.mark.parametrize("threads", [1, 2], ids=["1thread", "2threads"])
def test_the_gradient_is_the_last_column_of_the_normal_equations(case, threads):
    potential = case.potential()
    design, rng = _core.Design(potential.core), np.random.default_rng(5)
    weights = [(1.0, 0.1, 0.01), (0.5, 0.0, 0.0), (0.0, 0.2, 0.0)]
    symbols = "".join(case.species) + "Si"
    frames = [
        labeled(potential, crystal(symbols, seed=seed), rng, each)[0]
        for seed, each in enumerate(weights)
    ]
    gram = design.normal_equations(frames, False, threads)
    scale = np.sqrt(np.diag(gram) * gram[-1, -1])
    difference = np.abs(design.gradient(frames, threads) - gram[:, -1])
    assert (difference <= 1e-13 * scale.clip(1e-30)).all()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_linear_tangents_are_the_last_columns(case):
    potential = case.potential()
    design, around = _core.Design(potential.core), hoods(potential, structure(case, crystal))
    tangents, values = design.tangents(around)
    linear, same = design.tangents(around, linear_only=True)
    assert linear.shape[1] == case.species_count + len(potential.core.scalars)
    assert_close(linear, tangents[:, -linear.shape[1] :], 1e-13)
    assert_close(same, values, 1e-13)


def test_labeled_frames_show_what_they_were_given():
    potential = CASES[0].potential()
    atoms = structure(CASES[0], crystal)
    frame, labels, _ = labeled(potential, atoms, np.random.default_rng(6), (0.7, 0.2, 0.1))
    np.testing.assert_array_equal(frame.forces, labels[1:-6].reshape(-1, 3))
    np.testing.assert_array_equal(frame.virial, labels[-6:])
    assert (frame.energy, frame.energy_weight, frame.virial_weight) == (labels[0], 0.7, 0.1)
    assert frame.force_weights.shape == (len(atoms),)
    assert frame.neighborhoods.pair_count > 0
