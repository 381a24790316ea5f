"""Selection of structures: afterwards none of the candidates extrapolates."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from models import BASES, Case, crystal

from mtpot import MTP, InputError
from mtpot.active import select
from mtpot.active.select import build_selection, grade_frame, grade_frames, select_frames
from mtpot.data.cfg import read_records
from mtpot.data.frame import Frame

CASES = [Case(basis, 8, 2) for basis in BASES]
THRESHOLD = 2.0


def frame(seed: int, volume: float = 14.0) -> Frame:
    """A disordered crystal of four atoms."""
    atoms = crystal("SiAlSiAl", seed=seed, volume=volume)
    return Frame(
        symbols=tuple(atoms.get_chemical_symbols()),
        positions=atoms.positions,
        cell=atoms.cell.array,
        pbc=atoms.pbc,
        source=f"frame {seed}",
    )


TRAINING = [frame(seed) for seed in range(25)]
CANDIDATES = [frame(seed) for seed in range(20, 30)] + [frame(seed, 19.0) for seed in range(40, 50)]


def with_active_set(potential: MTP, frames, mode: str) -> MTP:
    return MTP(potential.core, build_selection(potential, frames, mode, 1))


def largest_grade(potential: MTP, frames) -> float:
    return max(grades.frame for grades in grade_frames(potential, frames, 1))


@pytest.fixture(params=["nbh", "cfg"])
def mode(request) -> str:
    """Whether sites or configurations are graded."""
    return request.param


@pytest.mark.parametrize("case", CASES, ids=str)
def test_no_candidate_extrapolates_once_the_chosen_ones_are_trained_on(case, mode):
    potential = with_active_set(case.potential(), TRAINING, mode)
    assert largest_grade(potential, CANDIDATES) > THRESHOLD
    chosen = select_frames(potential, TRAINING, CANDIDATES, THRESHOLD, 1)
    assert 0 < len(chosen) < len(CANDIDATES)
    assert chosen == sorted(set(chosen))
    enlarged = with_active_set(potential, [*TRAINING, *(CANDIDATES[i] for i in chosen)], mode)
    assert largest_grade(enlarged, CANDIDATES) <= THRESHOLD + 1e-8


@pytest.mark.parametrize("case", CASES, ids=str)
def test_nothing_is_chosen_from_the_training_set(case, mode):
    potential = with_active_set(case.potential(), TRAINING, mode)
    assert select_frames(potential, TRAINING, TRAINING[5:15], THRESHOLD, 1) == []


@pytest.mark.parametrize("case", CASES, ids=str)
def test_selecting_leaves_the_potential_as_it_was(case, mode):
    potential = with_active_set(case.potential(), TRAINING, mode)
    before = potential.selection.active_set.matrix
    select_frames(potential, TRAINING, CANDIDATES, THRESHOLD, 1)
    assert np.array_equal(potential.selection.active_set.matrix, before)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_chunks_of_rows_keep_the_guarantee(case, mode, monkeypatch):
    potential = case.potential()
    monkeypatch.setattr(select, "_CHUNK", 30 * len(potential.parameters))
    chunked = with_active_set(potential, TRAINING, mode)
    assert largest_grade(chunked, TRAINING) <= select.TRAINING_THRESHOLD + 1e-8


@pytest.mark.parametrize("case", CASES, ids=str)
def test_origins_agree_with_the_stored_configurations(case, mode, tmp_path):
    """As MLIP-3 numbers equations: 0 energy, 3N forces, 9 of the virial, then the sites."""
    potential = with_active_set(case.potential(), TRAINING, mode)
    selection = potential.selection
    path = tmp_path / "selected.cfg"
    path.write_text(selection.configurations)
    records = read_records(path, potential.species)
    for index, record in enumerate(records):
        listed = [int(word) for word in record.features["selected_eqn_inds"].split(",")]
        assert listed == sorted(selection.origins[selection.origins[:, 0] == index, 1])
        first, last = (1 + 12 + 9, 1 + 12 + 9 + 3) if mode == "nbh" else (0, 0)
        assert all(first <= equation <= last for equation in listed)
    assert selection.origins[:, 0].max() == len(records) - 1


@pytest.mark.parametrize("case", CASES, ids=str)
def test_order_of_the_training_set_does_not_matter(case, mode):
    potential = case.potential()
    forward = with_active_set(potential, TRAINING, mode)
    backward = with_active_set(potential, TRAINING[::-1], mode)
    pairs = zip(grade_frames(forward, CANDIDATES), grade_frames(backward, CANDIDATES), strict=True)
    for first, second in pairs:
        assert first.frame == pytest.approx(second.frame, rel=1e-3)


def test_potential_without_an_active_set_names_the_way_out():
    with pytest.raises(InputError, match="--active-set"):
        grade_frame(CASES[0].potential(), TRAINING[0])


def test_frame_that_does_not_fit_is_named(mode):
    strange = replace(TRAINING[3], symbols=("Si", "Al", "Xe", "Al"))
    with pytest.raises(InputError, match=r"frame 3: .*Xe"):
        build_selection(CASES[0].potential(), [*TRAINING[:3], strange], mode)


@pytest.mark.parametrize("threshold", [1.0, 0.0, float("nan")])
def test_threshold_must_be_above_one(threshold):
    potential = with_active_set(CASES[0].potential(), TRAINING, "nbh")
    with pytest.raises(InputError, match="threshold"):
        select_frames(potential, TRAINING, CANDIDATES, threshold)
