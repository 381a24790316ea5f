"""Dimers, radial functions and distances are those of the oracle's two atoms."""

from __future__ import annotations

import numpy as np
import oracle
import pytest
from ase import Atoms
from models import CUTOFF, MIN_DISTANCE, SMALL_CASES, Case, cluster, crystal, expected

from mtpot import InputError
from mtpot.data.atoms import frame_from_atoms
from mtpot.short_range import dimer_curve
from mtpot.train.pairs import pair_statistics
from mtpot.train.radial_functions import radial_functions

DISTANCES = np.array([1.2, 2.0, 3.3, 4.999, 5.0, 7.0])


@pytest.mark.parametrize("case", SMALL_CASES, ids=str)
@pytest.mark.parametrize("pair", [("Si", "Si"), ("Al", "Si")], ids="-".join)
def test_a_dimer_curve_is_the_energy_of_two_atoms(case: Case, pair: tuple[str, str]) -> None:
    potential = case.potential()

    def energy(distance: float) -> float:
        atoms = Atoms("".join(pair), [[0, 0, 0], [0, distance, 0]])
        return float(expected(potential, atoms).site_energies.sum())

    apart = energy(100.0)
    found = dimer_curve(potential, *pair, DISTANCES)
    np.testing.assert_allclose(
        found, [energy(r) - apart for r in DISTANCES], rtol=1e-11, atol=1e-11
    )
    assert not found[-2:].any()


@pytest.mark.parametrize("case", [case for case in SMALL_CASES if case.core == "none"], ids=str)
def test_radial_functions_are_the_moments_of_one_neighbor(case: Case) -> None:
    potential = case.potential()
    alone = oracle.from_engine(potential)
    distances = np.array([2.0, 3.3, 4.9])
    found = radial_functions(potential, "Al", "Si", distances)
    assert found.shape == (potential.core.radial_function_count, 3)
    for mu, values in enumerate(found):
        (basic,) = np.flatnonzero((potential.core.basics == [mu, 0, 0, 0]).all(axis=1))
        one = (potential.core.scalars == basic).astype(float)
        parameters = np.concatenate([alone.radial.ravel(), np.zeros(2), one])
        single = alone.with_parameters(parameters)
        for distance, value in zip(distances, values, strict=True):
            places = [[0, 0, 0], [0, 0, distance]]
            predicted = single.predict([1, 0], places, np.eye(3), [False] * 3)
            assert value == pytest.approx(predicted.site_energies[0], rel=1e-12)


def test_radial_functions_vanish_at_the_cutoff() -> None:
    potential = SMALL_CASES[0].potential()
    assert not radial_functions(potential, "Si", "Al", [CUTOFF, CUTOFF + 1]).any()


def test_an_unknown_element_is_named() -> None:
    potential = SMALL_CASES[0].potential()
    for curve in (dimer_curve, radial_functions):
        with pytest.raises(InputError, match="Xe"):
            curve(potential, "Si", "Xe", [2.0])


def test_distances_are_those_of_all_pairs_of_images() -> None:
    structures = [crystal("Si2Al3"), crystal("SiAl", seed=1), cluster("Si4Al2"), cluster("Si")]
    found = pair_statistics(map(frame_from_atoms, structures), ("Al", "Si"), CUTOFF)
    names, lengths = [], []
    for atoms in structures:
        pairs = oracle.find_pairs(atoms.positions, atoms.cell.array, atoms.pbc, CUTOFF)
        symbols = np.array(atoms.get_chemical_symbols())
        names += map(tuple, np.sort([symbols[pairs.centers], symbols[pairs.neighbors]], axis=0).T)
        lengths += list(np.linalg.norm(pairs.vectors, axis=1))
    assert found.neighbors == pytest.approx(len(lengths) / sum(map(len, structures)))
    for pair in (("Al", "Al"), ("Al", "Si"), ("Si", "Si")):
        known = [r for r, name in zip(lengths, names, strict=True) if name == pair]
        assert found.shortest[pair] == pytest.approx(min(known))
        counts, _ = np.histogram(known, found.edges)
        np.testing.assert_array_equal(2 * found.counts[pair], counts)


def test_elements_that_never_meet_have_no_shortest_distance() -> None:
    frames = [frame_from_atoms(Atoms("Si2", [[0, 0, 0], [MIN_DISTANCE, 0, 0]]))]
    found = pair_statistics(frames, ("Si", "Al"), CUTOFF)
    assert set(found.shortest) == {("Si", "Si")}
    assert set(found.counts) == {("Si", "Si"), ("Si", "Al"), ("Al", "Al")}
    assert found.neighbors == 1.0
