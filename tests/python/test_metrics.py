"""Errors are what their names say."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from ase import units
from models import CASES, Case, crystal

from mtpot import InputError, MTPCalculator
from mtpot.data.atoms import frame_from_atoms
from mtpot.data.frame import Frame
from mtpot.train.metrics import Errors, Metrics, Prediction, evaluate_frames, measure
from mtpot.train.quantities import GPA, error_cells, error_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray


def frame(atoms: int, group: str, energy: float | None, stress: bool = True) -> Frame:
    return Frame(
        symbols=("Si",) * atoms,
        positions=np.zeros((atoms, 3)),
        cell=4.0 * np.eye(3),
        pbc=np.ones(3, dtype=bool),
        energy=energy,
        forces=np.zeros((atoms, 3)),
        stress=np.zeros(6) if stress else None,
        group=group,
        source=f"{group} frame",
    )


def prediction(energy: float, force: float, stress: float, atoms: int) -> Prediction:
    """A constant error of every force component, and of the last stress component only."""
    forces = np.full((atoms, 3), force)
    return Prediction(energy, np.zeros(atoms), forces, np.array([0.0] * 5 + [stress]))


@pytest.fixture
def example() -> tuple[list[Frame], list[Prediction]]:
    frames = [frame(2, "a", -1.0), frame(4, "b", -8.0), frame(2, "b", None, stress=False)]
    predictions = [
        prediction(-0.8, 0.1, 0.06, 2),
        prediction(-9.2, -0.3, 0.0, 4),
        prediction(0.0, 0.2, 9.0, 2),
    ]
    return frames, predictions


def test_errors_of_a_known_vector() -> None:
    errors = Errors.of(np.array([3.0, -4.0]))
    assert errors == Errors(mae=3.5, rmse=pytest.approx(np.sqrt(12.5)), maximum=4.0)
    assert Errors.of(np.zeros(0)) is None


def test_energies_count_per_atom_and_forces_per_component(
    example: tuple[list[Frame], list[Prediction]],
) -> None:
    total = measure(*example).as_dict()
    assert (total["frames"], total["atoms"]) == (3, 8)
    assert total["energy_mae_per_atom"] == pytest.approx((0.1 + 0.3) / 2)
    assert total["energy_rmse_per_atom"] == pytest.approx(np.sqrt((0.01 + 0.09) / 2))
    assert total["force_mae"] == pytest.approx((2 * 0.1 + 4 * 0.3 + 2 * 0.2) / 8)
    assert total["force_rmse"] == pytest.approx(np.sqrt((2 * 0.01 + 4 * 0.09 + 2 * 0.04) / 8))
    assert total["energy_max_per_atom"] == pytest.approx(0.3)
    assert total["stress_mae"] == pytest.approx(0.06 / 12)
    assert total["stress_rmse"] == pytest.approx(0.06 / np.sqrt(12))


def test_groups_have_the_keys_of_the_total(
    example: tuple[list[Frame], list[Prediction]],
) -> None:
    total = measure(*example).as_dict()
    groups = total.pop("groups")
    assert list(groups) == ["a", "b"]
    assert all(set(group) == set(total) for group in groups.values())
    assert groups["b"]["energy_mae_per_atom"] == pytest.approx(0.3)
    assert groups["b"]["frames"] == 2


def test_metrics_survive_their_file(example: tuple[list[Frame], list[Prediction]]) -> None:
    frames, predictions = example
    bare = [replace(f, stress=None) for f in frames]
    metrics = measure(bare, predictions)
    assert Metrics.from_dict(json.loads(json.dumps(metrics.as_dict()))) == metrics


def test_a_missing_kind_of_label_gives_null(
    example: tuple[list[Frame], list[Prediction]],
) -> None:
    frames, predictions = example
    bare = [replace(f, energy=None, forces=None, stress=None) for f in frames]
    total = measure(bare, predictions).as_dict()
    kinds = ("per_atom", "mae", "rmse", "max")
    values = {value for key, value in total.items() if key.endswith(kinds)}
    assert values == {None}


def test_table_ends_with_the_total(example: tuple[list[Frame], list[Prediction]]) -> None:
    rows = error_rows(measure(*example))
    assert list(rows) == ["a", "b", "total"]
    stress = f"{0.06 / np.sqrt(6) * GPA:.3f}"
    assert error_cells(rows["a"], ["rmse"]) == ["100.00", "0.1000", stress]


def test_the_gigapascal_is_that_of_ase() -> None:
    """By which labels are read; training itself does not know ASE."""
    assert pytest.approx(1.0 / units.GPa, rel=1e-12) == GPA


def test_frames_without_group_have_a_row_only_beside_others(
    example: tuple[list[Frame], list[Prediction]],
) -> None:
    frames, predictions = example
    ungrouped = [replace(f, group="all") for f in frames]
    metrics = measure(ungrouped, predictions)
    assert list(metrics.groups) == ["all"]
    assert list(error_rows(metrics)) == ["total"]
    metrics = measure([frames[0], *ungrouped[1:]], predictions)
    assert list(error_rows(metrics)) == ["a", "no group", "total"]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_predictions_are_those_of_the_calculator(case: Case) -> None:
    potential = case.potential()
    atoms = crystal("".join(case.species) * 2)
    (predicted,) = evaluate_frames(potential, [frame_from_atoms(atoms)])
    atoms.calc = MTPCalculator(potential)
    assert predicted.energy == pytest.approx(atoms.get_potential_energy(), rel=1e-12)
    np.testing.assert_allclose(predicted.forces, atoms.get_forces(), atol=1e-12)
    assert predicted.stress is not None
    np.testing.assert_allclose(predicted.stress, atoms.get_stress(), atol=1e-12)
    np.testing.assert_allclose(predicted.site_energies, atoms.get_potential_energies())


def test_labels_from_predictions_have_no_error() -> None:
    case = CASES[0]
    frames = [frame_from_atoms(crystal("Si3", seed)) for seed in range(2)]
    predictions = evaluate_frames(case.potential(), frames)
    labeled = [
        replace(f, energy=p.energy, forces=p.forces, stress=p.stress)
        for f, p in zip(frames, predictions, strict=True)
    ]
    metrics: Metrics = measure(labeled, predictions)
    assert metrics.total.energy == metrics.total.forces == metrics.total.stress == Errors(0, 0, 0)


def test_coincident_atoms_are_named_by_frame() -> None:
    with pytest.raises(InputError, match="a frame: "):
        evaluate_frames(CASES[0].potential(), [frame(2, "a", None)])


@pytest.mark.parametrize(
    ("cell", "pbc", "defined"),
    [
        (np.diag([4.0, 4.0, 9.0]), [True, True, False], True),
        (np.diag([4.0, 4.0, 9.0]), [False] * 3, False),
        (np.diag([4.0, 4.0, 0.0]), [True, True, False], False),
    ],
    ids=["slab-with-cell", "cluster", "slab-without-volume"],
)
def test_a_stress_needs_periodicity_and_volume(
    cell: NDArray[np.float64], pbc: list[bool], defined: bool
) -> None:
    atoms = replace(frame_from_atoms(crystal("Si3")), cell=cell, pbc=np.array(pbc))
    (predicted,) = evaluate_frames(CASES[0].potential(), [atoms])
    assert (predicted.stress is not None) == defined
