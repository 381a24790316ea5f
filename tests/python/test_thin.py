"""Few parameters, chosen from many: levels lowered and raised, and what is kept."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pytest
from models import Case, crystal

from mtpot import MTP, InputError
from mtpot.data.frame import Frame
from mtpot.train.metrics import evaluate_frames
from mtpot.train.settings import Settings
from mtpot.train.thin import lower_level, raise_level, without_zeros
from mtpot.train.trainer import starting_potential, train

if TYPE_CHECKING:
    from pathlib import Path

SPECIES = {1: ("Si",), 2: ("Si", "Al")}


def settings(**changes: object) -> Settings:
    base = Settings(
        data="-", output="-", species=("Si",), level=12, cutoff=5.0, min_distance=1.9, threads=1
    )
    return dataclasses.replace(base, **changes)


def frames(species: tuple[str, ...], count: int = 6) -> list[Frame]:
    """Distorted crystals with the labels of a potential of another shape."""
    truth = Case("RBChebyshev", 16, len(species)).potential(seed=2)
    made = []
    for k in range(count):
        atoms = crystal("".join(species) * 2, seed=k)
        bare = Frame(
            tuple(atoms.get_chemical_symbols()), atoms.positions, atoms.cell.array, atoms.pbc
        )
        (found,) = evaluate_frames(truth, [bare])
        made.append(dataclasses.replace(bare, energy=found.energy, forces=found.forces))
    return made


@pytest.mark.parametrize("count", [1, 2])
def test_raising_the_level_keeps_all_energies_and_forces(count: int) -> None:
    species = SPECIES[count]
    data = frames(species)
    high = starting_potential(settings(species=species, level=14), data)
    low = lower_level(high, len(high.parameters) // 2)
    rng = np.random.default_rng(0)
    low.parameters = low.parameters + 0.1 * rng.normal(size=len(low.parameters))
    raised = raise_level(low, high)
    assert len(raised.parameters) > len(low.parameters)
    for a, b in zip(evaluate_frames(low, data), evaluate_frames(raised, data), strict=True):
        np.testing.assert_allclose(b.site_energies, a.site_energies, rtol=1e-11)
        np.testing.assert_allclose(b.forces, a.forces, atol=1e-11 * np.abs(a.forces).max())


def test_the_lower_level_is_the_highest_that_is_small_enough() -> None:
    high = starting_potential(settings(level=16), frames(("Si",)))
    of_level = {
        level: len(MTP.new(level, ["Si"], 5.0, 1.9).parameters) for level in range(2, 17, 2)
    }
    for level, parameters in of_level.items():
        assert len(lower_level(high, parameters).parameters) == parameters
        if level > 2:
            assert lower_level(high, parameters - 1).level < level
    with pytest.raises(InputError, match="max-parameters 3"):
        lower_level(high, 3)


def test_scalars_without_a_coefficient_can_be_left_out() -> None:
    core = Case("RBChebyshev", 10, 2).potential(seed=1).core
    parameters = core.parameters
    parameters[-len(core.scalars) :: 2] = 0.0
    sparse = MTP(core.with_parameters(parameters))
    smaller = MTP(without_zeros(sparse.core))
    assert len(smaller.core.scalars) == len(core.scalars) - (len(core.scalars) + 1) // 2
    data = frames(("Si", "Al"), 2)
    for a, b in zip(evaluate_frames(sparse, data), evaluate_frames(smaller, data), strict=True):
        np.testing.assert_allclose(b.forces, a.forces, atol=1e-12 * np.abs(a.forces).max())


def test_the_best_scalars_of_a_high_level_beat_all_of_a_lower_one() -> None:
    data = frames(("Si",), 12)
    most = len(MTP.new(8, ["Si"], 5.0, 1.9).parameters)
    low = train(settings(level=8, max_steps=20), data)
    few = train(settings(level=14, max_parameters=most, max_steps=20), data)
    assert len(few.potential.parameters) <= most
    assert few.loss < low.loss
    assert {step.stage for step in few.steps} == {"level 8", f"{most} parameters"}


def test_a_trained_start_is_thinned_and_trained_on(tmp_path: Path) -> None:
    data = frames(("Si",), 12)
    whole = train(settings(level=10, max_steps=5), data)
    path = tmp_path / "whole.mtp"
    whole.potential.save(path)
    scalars = len(whole.potential.core.scalars)
    most = len(whole.potential.parameters) - scalars // 2
    few = train(settings(start=path, max_parameters=most, max_steps=20), data)
    assert len(few.potential.core.scalars) == scalars - scalars // 2
    assert few.loss < 2.0 * whole.loss


def test_fewer_parameters_than_the_radial_functions_are_refused() -> None:
    with pytest.raises(InputError, match="max-parameters 5"):
        train(settings(max_parameters=5), frames(("Si",)))


def test_ctrl_c_while_scalars_are_chosen_ends_the_training(monkeypatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mtpot.train.solvers.sparse._order", interrupt)
    most = len(MTP.new(8, ["Si"], 5.0, 1.9).parameters)
    result = train(settings(level=12, max_parameters=most, max_steps=3), frames(("Si",)))
    assert result.stop == "interrupted"
    assert {step.stage for step in result.steps} == {"level 8"}
    assert len(result.potential.parameters) <= most
