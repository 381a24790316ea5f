"""Threads change nothing: inside one evaluation, and when Python threads call at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
from models import CASES, SMALL_CASES, assert_close, cluster, crystal, evaluate, hoods

from mtpot import MTPCalculator, _core
from mtpot.calculator import PRECISIONS

ROUNDING = 5e-13


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("threads", [2, 3, 4, 0], ids=lambda n: f"{n}threads" if n else "default")
def test_number_of_threads_does_not_change_a_bit(case, threads, precision):
    potential = case.potential()
    atoms = crystal("".join(case.species) * 2, seed=1).repeat((3, 2, 2))
    parallel, serial = (evaluate(potential, atoms, count, precision) for count in (threads, 1))
    for value, target in zip(parallel, serial, strict=True):
        np.testing.assert_array_equal(value, target)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_threads_of_the_calculator_change_the_rounding_of_sums_only(case, precision):
    """Energies, forces and stress from neighbor lists, on one thread, two and four."""
    potential = case.potential()
    atoms = crystal("".join(case.species) * 2, seed=1).repeat((3, 3, 2))
    serial, *parallel = (results(potential, precision, count, atoms) for count in (1, 2, 4))
    for values in parallel:
        assert_close(values, serial, ROUNDING)


def results(potential, precision, threads, atoms):
    """Energies, forces and stress of a new calculator."""
    calculator = MTPCalculator(potential, precision, threads)
    calculator.calculate(atoms)
    return [calculator.results[name] for name in ("energy", "energies", "forces", "stress")]


@pytest.mark.parametrize("case", SMALL_CASES, ids=str)
@pytest.mark.parametrize("threads", [2, 4], ids=lambda n: f"{n}threads")
def test_rows_do_not_depend_on_threads(case, threads):
    potential = case.potential()
    design = _core.Design(potential.core)
    neighborhoods = hoods(potential, crystal("SiAlSi", seed=2).repeat(2))
    np.testing.assert_array_equal(
        design.rows(neighborhoods, threads), design.rows(neighborhoods, 1)
    )


@pytest.mark.parametrize("case", SMALL_CASES, ids=str)
def test_more_threads_than_atoms(case):
    potential = case.potential()
    atoms = cluster("SiAl", seed=3)
    for value, serial in zip(
        evaluate(potential, atoms, 16), evaluate(potential, atoms, 1), strict=True
    ):
        np.testing.assert_array_equal(value, serial)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("case", SMALL_CASES, ids=str)
def test_one_evaluator_serves_concurrent_python_threads(case, precision):
    potential = case.potential()
    evaluator = _core.Evaluator(potential.core, precision)
    inputs = [hoods(potential, crystal("SiAlSi", seed=seed).repeat(2)) for seed in range(8)]
    serial = [evaluator.evaluate(neighborhoods, 1) for neighborhoods in inputs]
    with ThreadPoolExecutor(8) as pool:
        concurrent = list(pool.map(lambda k: evaluator.evaluate(inputs[k % 8], 2), range(64)))
    for k, result in enumerate(concurrent):
        for value, target in zip(result, serial[k % 8], strict=True):
            np.testing.assert_array_equal(value, target)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("case", SMALL_CASES, ids=str)
def test_calculators_in_concurrent_python_threads(case, precision):
    potential = case.potential()
    frames = [crystal("SiAlSi", seed=seed) for seed in range(6)]
    evaluate_one = partial(results, potential, precision, 1)
    with ThreadPoolExecutor(6) as pool:
        concurrent = list(pool.map(evaluate_one, frames))
    for values, serial in zip(concurrent, map(evaluate_one, frames), strict=True):
        for value, target in zip(values, serial, strict=True):
            np.testing.assert_array_equal(value, target)
