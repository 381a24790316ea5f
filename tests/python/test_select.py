"""Selection of structures: afterwards none of the candidates extrapolates."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import oracle
import pytest
from models import BASES, Case, crystal

from mtpot import MTP, InputError, MTPCalculator, _core
from mtpot.active import select
from mtpot.active.select import build_selection, grade_frame, grade_frames, select_frames
from mtpot.data.cfg import read_records
from mtpot.data.frame import Frame
from mtpot.data.neighborhoods import frame_neighborhoods
from mtpot.data.stored import store
from mtpot.grading import Rows, RowWeights

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


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_frames_in_a_file_are_selected_like_those_in_memory(case, mode, threads, tmp_path):
    potential = with_active_set(case.potential(), TRAINING, mode)
    training, candidates = store(iter(TRAINING), tmp_path), store(iter(CANDIDATES), tmp_path)
    streamed = build_selection(potential, training, mode, threads)
    assert np.array_equal(streamed.active_set.matrix, potential.selection.active_set.matrix)
    assert np.array_equal(streamed.origins, potential.selection.origins)
    assert streamed.configurations == potential.selection.configurations
    chosen = select_frames(potential, TRAINING, CANDIDATES, THRESHOLD, 1)
    assert select_frames(potential, training, candidates, THRESHOLD, threads) == chosen


def test_frames_are_read_as_they_are_graded():
    """A file may be larger than memory: few frames are waiting at any time."""
    potential = with_active_set(CASES[0].potential(), TRAINING, "nbh")
    read = 0

    def frames():
        nonlocal read
        for _ in range(2000):
            read += 1
            yield TRAINING[0]

    for done, _ in enumerate(grade_frames(potential, frames(), 2), start=1):
        assert read - done <= 200
    assert done == 2000


def test_passes_are_watched(mode):
    seen = []
    potential = CASES[0].potential()
    build_selection(potential, TRAINING, mode, 1, seen.append)
    assert {each.frames for each in seen} == {len(TRAINING)}
    assert [each.seen for each in seen[: len(TRAINING)]] == list(range(1, len(TRAINING) + 1))
    assert seen[-1].swaps >= seen[0].swaps


WEIGHTS = [
    RowWeights(energy=0.5, force=0.1, stress=0.02, site=2.0),
    RowWeights(force=3.0),
    RowWeights(stress=0.1, energy=1.0, scaling=1),
    RowWeights(force=0.1, site=1.0, scaling=0),
    RowWeights(site=1.0),
    RowWeights(energy=1.0),
]
STEP = 1e-4  # of differences, angstrom or strain
SMALL = Case("RBChebyshev", 4, 2)  # its active sets are well-conditioned


def energy_row(potential: MTP, each: Frame, positions, cell):
    """dE/d(parameters) by the oracle, and the rows of the sites."""
    types = np.array([potential.species.index(symbol) for symbol in each.symbols])
    rows = oracle.from_engine(potential).rows(types, positions, cell, each.pbc)
    return rows.sum(axis=0), rows


def numbered_row(potential: MTP, each: Frame, weights: RowWeights, number: int):
    """The row of an equation as MLIP numbers it, by differences of the oracle's energy rows."""
    atoms = len(each)
    scale = atoms ** (weights.scaling / 2)
    energy, sites = energy_row(potential, each, each.positions, each.cell)
    if number == 0:
        return weights.energy * energy / scale
    if number >= 1 + 3 * atoms + 9:
        return weights.site * sites[number - (1 + 3 * atoms + 9)]
    values = []
    for sign in (1, -1):
        if number < 1 + 3 * atoms:
            positions = each.positions.copy()
            positions.flat[number - 1] += sign * STEP
            values.append(energy_row(potential, each, positions, each.cell)[0])
        else:
            strain = np.zeros(9)
            strain[number - 1 - 3 * atoms] = sign * STEP
            stretch = np.eye(3) + (strain.reshape(3, 3) + strain.reshape(3, 3).T) / 2
            values.append(
                energy_row(potential, each, each.positions @ stretch, each.cell @ stretch)[0]
            )
    slope = -(values[0] - values[1]) / (2 * STEP)
    return (weights.force if number < 1 + 3 * atoms else weights.stress / scale) * slope


@pytest.mark.parametrize("weights", WEIGHTS, ids=lambda w: w.mode + str(w.kinds))
def test_every_row_is_that_of_the_frame_and_equation_it_is_said_to_be(weights, tmp_path):
    """In memory, and in a file that was written and read."""
    potential = CASES[0].potential()
    chosen = MTP(potential.core, build_selection(potential, TRAINING[:8], weights, 2))
    path = tmp_path / "weighted.almtp"
    chosen.save(path)
    again = MTP.load(path)
    selection = again.selection
    assert np.array_equal(selection.active_set.matrix, chosen.selection.active_set.matrix)
    assert (selection.weights, selection.weight_scaling) == (weights.kinds, weights.scaling)
    (tmp_path / "held.cfg").write_text(selection.configurations)
    records = read_records(tmp_path / "held.cfg", potential.species)
    matrix = selection.active_set.matrix
    held = np.flatnonzero(selection.origins[:, 0] >= 0)
    for position in held[:: max(1, len(held) // 12)]:
        configuration, equation = selection.origins[position]
        expected = numbered_row(potential, records[configuration].frame, weights, int(equation))
        error = np.abs(matrix[position] - expected).max()
        assert error <= 1e-5 * np.abs(matrix[held]).max()


@pytest.mark.parametrize("weights", WEIGHTS, ids=lambda w: w.mode + str(w.kinds))
def test_no_weighted_row_exceeds_the_threshold(weights):
    potential = CASES[0].potential()
    chosen = MTP(potential.core, build_selection(potential, TRAINING, weights, 1))
    assert largest_grade(chosen, TRAINING) <= select.TRAINING_THRESHOLD + 1e-8
    taken = select_frames(chosen, TRAINING, CANDIDATES, THRESHOLD, 1)
    known = [*TRAINING, *(CANDIDATES[i] for i in taken)]
    enlarged = MTP(potential.core, build_selection(potential, known, weights, 1))
    assert largest_grade(enlarged, CANDIDATES) <= THRESHOLD + 1e-8


def weighted_rows(potential: MTP, frames, weights: RowWeights) -> np.ndarray:
    rows = Rows(potential, weights)
    return np.concatenate([rows(frame_neighborhoods(potential, each), 1) for each in frames])


def log_abs_det(matrix: np.ndarray) -> float:
    """Of rows and columns of any magnitude, which are 1 for the factorization."""
    total = 0.0
    for axis in (1, 0):
        scale = np.abs(matrix).max(axis=axis, keepdims=True)
        scale[scale == 0.0] = 1.0
        matrix, total = matrix / scale, total + float(np.log(scale).sum())
    return total + float(np.linalg.slogdet(matrix)[1])


@pytest.mark.parametrize("weights", WEIGHTS, ids=lambda w: w.mode + str(w.kinds))
def test_determinant_grows_by_the_grade_at_each_swap_of_weighted_rows(weights):
    potential = SMALL.potential()
    rows = weighted_rows(potential, TRAINING, weights)
    active = _core.ActiveSet(rows.shape[1])
    matrix = active.matrix
    for position, row, growth in active.select(rows, select.TRAINING_THRESHOLD):
        before = log_abs_det(matrix)
        matrix[position] = rows[row]
        assert growth > select.TRAINING_THRESHOLD
        assert log_abs_det(matrix) - before == pytest.approx(np.log(growth), abs=1e-8)
    assert np.array_equal(matrix, active.matrix)


@pytest.mark.parametrize("weights", WEIGHTS, ids=lambda w: w.mode + str(w.kinds))
def test_grade_is_the_largest_growth_by_any_weighted_row_in_any_place(weights):
    """By brute force: of structures inside the training set it is no more than 1.001."""
    potential = SMALL.potential()
    chosen = MTP(potential.core, build_selection(potential, TRAINING, weights, 1))
    matrix = chosen.selection.active_set.matrix
    before = log_abs_det(matrix)
    for each, known in ((TRAINING[3], True), (CANDIDATES[-1], False)):
        growths = []
        for row in weighted_rows(potential, [each], weights):
            for position in range(len(matrix)):
                changed = matrix.copy()
                changed[position] = row
                growths.append(log_abs_det(changed) - before)
        found = grade_frame(chosen, each, 1).frame
        assert found == pytest.approx(np.exp(max(growths)), rel=1e-8)
        assert (found <= select.TRAINING_THRESHOLD + 1e-8) is known


def test_modes_are_names_of_weights(mode):
    potential = CASES[0].potential()
    weights = RowWeights(site=1.0) if mode == "nbh" else RowWeights(energy=1.0)
    assert weights.mode == mode
    named = build_selection(potential, TRAINING, mode, 1)
    given = build_selection(potential, TRAINING, weights, 1)
    assert _core.format_potential(potential.core, named) == _core.format_potential(
        potential.core, given
    )


def test_simulations_refuse_rows_that_they_do_not_make():
    potential = CASES[0].potential()
    weights = RowWeights(force=1.0)
    chosen = MTP(potential.core, build_selection(potential, TRAINING[:5], weights, 1))
    with pytest.raises(InputError, match="select anew"):
        MTPCalculator(chosen)


@pytest.mark.parametrize(
    "bad",
    [
        {},
        {"site": -1.0},
        {"force": float("nan")},
        {"energy": float("inf")},
        {"site": 1, "scaling": 3},
    ],
    ids=["none", "negative", "nan", "infinite", "scaling"],
)
def test_weights_that_mean_nothing_are_refused(bad):
    with pytest.raises(InputError):
        RowWeights(**bad)
