"""Every set of kernels gives the oracle's numbers in both precisions; MTPOT_SIMD chooses a set."""

from __future__ import annotations

import os
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from functools import cache
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from ase.build import bulk
from models import (
    BASES,
    CORE_CASE,
    SMALL_CASES,
    TOLERANCES,
    Case,
    assert_close,
    cluster,
    crystal,
    evaluate,
    expected,
    hoods,
)

from mtpot import MTP, InputError, _core, potential_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    import oracle
    from ase import Atoms
    from numpy.typing import NDArray

LEVELS = [
    *range(8, 21, 2),
    *(pytest.param(level, marks=pytest.mark.slow) for level in (22, 24)),
]


@contextmanager
def process(simd: str) -> Iterator[Executor]:
    """Start a process whose kernels are of this instruction set."""
    spawn = get_context("spawn")
    with ProcessPoolExecutor(1, spawn, initializer=os.putenv, initargs=("MTPOT_SIMD", simd)) as one:
        yield one


@pytest.fixture(scope="module", params=["portable", "avx2", "avx512"])
def kernels(request: pytest.FixtureRequest) -> Iterator[Executor]:
    with process(request.param) as executor:
        try:
            assert executor.submit(_core.simd_name).result() == request.param
        except InputError:
            pytest.skip(f"this processor has no {request.param}")
        yield executor


@cache
def references(case: Case) -> list[tuple[Atoms, oracle.Prediction]]:
    """Two structures with what the oracle says of them."""
    symbols = "".join(case.species) * (6 // case.species_count)
    structures = crystal(symbols, seed=1), cluster(symbols, seed=1)
    return [(atoms, expected(case.potential(), atoms)) for atoms in structures]


@pytest.mark.parametrize("precision", TOLERANCES)
@pytest.mark.parametrize("species_count", [1, 2, 3], ids=lambda count: f"{count}species")
@pytest.mark.parametrize("level", LEVELS, ids=lambda level: f"level{level}")
@pytest.mark.parametrize("basis", BASES)
def test_energies_forces_and_virials_are_the_oracle_s(
    kernels: Executor, basis: str, level: int, species_count: int, precision: str
) -> None:
    case = Case(basis, level, species_count)
    potential = case.potential()
    for atoms, reference in references(case):
        values = kernels.submit(evaluate, potential, atoms, 1, precision).result()
        assert_close(values, reference.parts, TOLERANCES[precision])


@pytest.mark.parametrize("precision", TOLERANCES)
def test_a_core_adds_what_the_oracle_adds(kernels: Executor, precision: str) -> None:
    for atoms, reference in references(CORE_CASE):
        values = kernels.submit(evaluate, CORE_CASE.potential(), atoms, 1, precision).result()
        assert_close(values, reference.parts, TOLERANCES[precision])


@pytest.mark.parametrize("displacement", [0.02, 0.1, 0.3])
@pytest.mark.parametrize("precision", TOLERANCES)
def test_a_trained_potential_has_the_oracle_s_forces(
    kernels: Executor, precision: str, displacement: float
) -> None:
    """Of many terms that cancel near equilibrium; how large these are, a hot crystal shows."""
    potential = MTP.load(potential_path("silicon"))
    atoms, hot = bulk("Si", cubic=True), bulk("Si", cubic=True)
    atoms.rattle(displacement, seed=1)
    hot.rattle(0.3, seed=1)
    values = kernels.submit(evaluate, potential, atoms, 1, precision).result()
    targets, terms = expected(potential, atoms).parts, expected(potential, hot).parts
    for value, target, term in zip(values, targets, terms, strict=True):
        assert np.abs(value - target).max() <= TOLERANCES[precision] * np.abs(term).max()


def derivatives(case: Case) -> list[NDArray[Any]]:
    """Rows and tangents in the parameters."""
    potential = case.potential()
    lists = hoods(potential, crystal("".join(case.species) * 2, seed=4))
    design = _core.Design(potential.core)
    return [design.rows(lists), *design.tangents(lists)]


@pytest.mark.parametrize("case", SMALL_CASES, ids=str)
def test_derivatives_in_the_parameters_are_those_of_other_kernels(
    kernels: Executor, case: Case
) -> None:
    values = kernels.submit(derivatives, case).result()
    assert_close(values, derivatives(case), TOLERANCES["double"])


def test_mixed_precision_is_another_one() -> None:
    potential = SMALL_CASES[0].potential()
    atoms = crystal("SiAlSi", seed=1)
    _, double, _ = evaluate(potential, atoms)
    _, mixed, _ = evaluate(potential, atoms, precision="mixed")
    assert np.abs(mixed - double).max() > 1e-10 * np.abs(double).max()


def test_an_unknown_precision_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="precision must be double or mixed, not half"):
        _core.Evaluator(SMALL_CASES[0].potential().core, "half")


def test_an_unknown_instruction_set_is_refused_by_name() -> None:
    with process("avx1024") as executor, pytest.raises(InputError, match="MTPOT_SIMD=avx1024"):
        executor.submit(_core.simd_name).result()
