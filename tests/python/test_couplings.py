"""Which lists of products become pair couplings; that others mean the same, and say so."""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING

import numpy as np
import pytest
from models import (
    CUTOFF,
    TOLERANCES,
    Case,
    assert_close,
    crystal,
    evaluate,
    expected,
    random_parameters,
)

from mtpot import MTP, MTPCalculator, _core, potential_path
from mtpot.cli import main

if TYPE_CHECKING:
    from pathlib import Path

SPECIES = ("Si", "Al")


def couples_pairs(potential: MTP) -> bool:
    return _core.Evaluator(potential.core).couples_pairs


@pytest.fixture(scope="module")
def fivefold() -> MTP:
    """The lowest level that has scalars of five factors."""
    potential = MTP.new(10, SPECIES, CUTOFF, max_factors=5)
    potential.parameters = random_parameters(potential, seed=2)
    return potential


@pytest.mark.parametrize("level", range(2, 17, 2))
def test_templates_couple_pairs(level: int) -> None:
    assert couples_pairs(Case("RBChebyshev", level, 1).potential())


def test_the_shipped_potential_couples_pairs() -> None:
    assert couples_pairs(MTP.load(potential_path("silicon")))


@pytest.mark.parametrize(
    "name", ["mono_06.mtp", "mono_16.mtp", "mono_20.mtp", "repuls_10.mtp", "multi_12.mtp"]
)
def test_lists_of_mlip_3_couple_pairs(mlip3: Path, name: str) -> None:
    assert couples_pairs(MTP.load(mlip3 / name))


@pytest.mark.parametrize("precision", TOLERANCES)
def test_five_factors_do_not_and_mean_the_same(fivefold: MTP, precision: str) -> None:
    assert not couples_pairs(fivefold)
    atoms = crystal("SiAlSi", seed=3)
    values = evaluate(fivefold, atoms, 1, precision)
    assert_close(values, expected(fivefold, atoms).parts, TOLERANCES[precision])


def test_the_calculator_warns_once(fivefold: MTP) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        atoms = crystal("SiAlSi", seed=3)
        atoms.calc = MTPCalculator(fivefold)
        atoms.get_forces()
    assert [str(each.message) for each in caught] == [_core.NO_PAIR_COUPLINGS]
    assert caught[0].category is UserWarning
    assert caught[0].filename == __file__


def test_the_calculator_of_a_usual_potential_does_not_warn() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        MTPCalculator(potential_path("silicon"))


def test_info_tells(fivefold: MTP, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fivefold.save(tmp_path / "five.mtp")
    MTP.new(10, SPECIES, CUTOFF).save(tmp_path / "untrained.mtp")
    for name, couples in (("five", False), ("untrained", True)):
        path = str(tmp_path / f"{name}.mtp")
        main(["info", path, "--json"])
        assert json.loads(capsys.readouterr().out)["pair_couplings"] is couples
        main(["info", path])
        assert (_core.NO_PAIR_COUPLINGS in capsys.readouterr().out) is not couples


def factor_counts(potential: MTP) -> np.ndarray:
    """How many moments each scalar is a product of."""
    core = potential.core
    counts = np.zeros(core.moment_count, int)
    counts[: len(core.basics)] = 1
    for left, right, _, target in core.products:
        counts[target] = counts[left] + counts[right]
    return counts[core.scalars]


def rescaled(potential: MTP, factor: float) -> MTP:
    """The same potential with other radial functions, which its linear coefficients undo."""
    core = potential.core
    counts = factor_counts(potential)
    parameters = potential.parameters.copy()
    radial = len(parameters) - len(core.scalars) - len(potential.species)
    parameters[:radial] *= factor
    parameters[-len(core.scalars) :] /= factor**counts
    other = MTP(core)
    other.parameters = parameters
    return other


@pytest.mark.parametrize("exponent", [-12, -6, 6, 12])
@pytest.mark.parametrize("precision", TOLERANCES)
def test_the_scale_of_radial_functions_does_not_matter(precision: str, exponent: int) -> None:
    potential = Case("RBChebyshev", 16, 2).potential()
    atoms = crystal("SiAlSiAl", seed=5)
    found = evaluate(rescaled(potential, 10.0**exponent), atoms, precision=precision)
    assert_close(found, evaluate(potential, atoms), TOLERANCES[precision])


@pytest.mark.parametrize("decades", [8, 30])
def test_coefficients_of_any_size_together(decades: int) -> None:
    potential = Case("RBChebyshev", 12, 1).potential()
    parameters = potential.parameters.copy()
    count = len(potential.core.scalars)
    rng = np.random.default_rng(4)
    parameters[-count:] *= 10.0 ** rng.uniform(-decades, decades, count)
    potential.parameters = parameters
    assert couples_pairs(potential)
    atoms = crystal("SiSiSi", seed=6)
    assert_close(evaluate(potential, atoms), expected(potential, atoms).parts, TOLERANCES["double"])


@pytest.mark.parametrize("precision", TOLERANCES)
def test_forces_of_a_calculator_sum_to_zero(precision: str) -> None:
    atoms = crystal("SiAlSiAl", seed=7).repeat(2)
    atoms.calc = MTPCalculator(Case("RBChebyshev", 16, 2).potential(), precision=precision)
    forces = atoms.get_forces()
    assert np.abs(forces.sum(axis=0)).max() <= 1e-13 * len(atoms) * np.abs(forces).max()
