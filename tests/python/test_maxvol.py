"""Active sets by maxvol: grades are ratios of determinants, and swapping makes them small."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from mtpot import InputError, NumericalError, _core

THRESHOLD = 1.001
SEEDS = range(5)


def log_abs_det(matrix) -> float:
    return float(np.linalg.slogdet(matrix)[1])


def rows_of(count, size, seed=0, rank=None):
    """Random rows; with a rank, all of them in a space of that many dimensions."""
    rng = np.random.default_rng(seed)
    if rank is None:
        return rng.normal(size=(count, size))
    return rng.normal(size=(count, rank)) @ rng.normal(size=(rank, size))


def selected(rows, threshold=THRESHOLD):
    active = _core.ActiveSet(rows.shape[1])
    return active, active.select(rows, threshold)


def exchange_ratios(matrix, row):
    """|det| after the row takes the place of each row of the matrix, over |det| before."""
    before = log_abs_det(matrix)
    ratios = []
    for k in range(len(matrix)):
        changed = matrix.copy()
        changed[k] = row
        ratios.append(np.exp(log_abs_det(changed) - before))
    return ratios


def test_new_set_is_a_small_multiple_of_the_identity():
    active = _core.ActiveSet(3)
    assert np.array_equal(active.matrix, 1e-6 * np.eye(3))
    assert active.grade([[0.0, -2.0, 1.0]]) == pytest.approx(2e6)


@pytest.mark.parametrize("seed", SEEDS)
def test_grade_is_the_largest_growth_of_the_determinant(seed):
    rows = rows_of(30, 6, seed)
    active, _ = selected(rows[:20])
    expected = [max(exchange_ratios(active.matrix, row)) for row in rows]
    np.testing.assert_allclose(active.grade(rows), expected, rtol=1e-8)


@pytest.mark.parametrize("seed", SEEDS)
def test_determinant_grows_by_the_grade_of_each_swap(seed):
    rows = rows_of(200, 12, seed)
    active, swaps = selected(rows)
    matrix = 1e-6 * np.eye(12)
    for position, row, growth in swaps:
        before = log_abs_det(matrix)
        matrix[position] = rows[row]
        assert growth > THRESHOLD
        assert log_abs_det(matrix) - before == pytest.approx(np.log(growth), abs=1e-8)
    assert np.array_equal(matrix, active.matrix)
    assert active.log_determinant() == pytest.approx(log_abs_det(matrix), abs=1e-10)


@pytest.mark.parametrize("seed", SEEDS)
def test_volume_is_close_to_the_largest_of_all_subsets(seed):
    """A set that no swap improves has at least best / n^(n/2), by Hadamard."""
    rows = rows_of(9, 3, seed)
    active, _ = selected(rows)
    subsets = itertools.combinations(range(9), 3)
    best = max(log_abs_det(rows[list(subset)]) for subset in subsets)
    slack = 3 * np.log(THRESHOLD) + 1.5 * np.log(3)
    assert best - slack <= active.log_determinant() <= best + 1e-10


@pytest.mark.parametrize("threshold", [1.001, 1.5, 2.0, 10.0])
@pytest.mark.parametrize("seed", SEEDS)
def test_no_row_exceeds_the_threshold_afterwards(seed, threshold):
    rows = rows_of(300, 20, seed)
    active, _ = selected(rows, threshold)
    fresh = np.abs(rows @ np.linalg.inv(active.matrix)).max(axis=1)
    assert fresh.max() <= threshold + 1e-8
    np.testing.assert_allclose(active.grade(rows), fresh, rtol=1e-9)


def test_more_rows_than_one_block_are_through_afterwards():
    rows = rows_of(300_000, 5)
    active, swaps = selected(rows)
    assert active.grade(rows).max() <= THRESHOLD + 1e-8
    assert active.select(rows, THRESHOLD) == []
    assert max(row for _, row, _ in swaps) > 2**20 // 5  # blocks after the first count, too


def test_first_swaps_take_the_largest_grade():
    rows = rows_of(50, 4)
    _, swaps = selected(rows)
    row, column = np.unravel_index(np.abs(rows).argmax(), rows.shape)
    assert swaps[0] == (column, row, pytest.approx(1e6 * np.abs(rows).max()))


@pytest.mark.parametrize("seed", SEEDS)
def test_order_of_the_rows_does_not_matter(seed):
    rows = rows_of(400, 15, seed)
    order = np.random.default_rng(seed + 100).permutation(len(rows))
    first, _ = selected(rows)
    second, _ = selected(rows[order])
    np.testing.assert_allclose(first.matrix, second.matrix, rtol=0, atol=0)
    np.testing.assert_allclose(first.grade(rows), second.grade(rows), rtol=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_scale_of_a_column_does_not_change_grades(seed):
    """Grades are free of units: parameters may be measured in any."""
    rows = rows_of(100, 8, seed)
    scale = 10.0 ** np.random.default_rng(seed).uniform(-3, 5, 8)
    active, _ = selected(rows)
    scaled = _core.ActiveSet.restore(
        active.matrix * scale, np.linalg.inv(active.matrix * scale).T.copy()
    )
    np.testing.assert_allclose(scaled.grade(rows * scale), active.grade(rows), rtol=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_dependent_columns_leave_rows_unset(seed):
    """Rank 91 of 92, as the scalars of level 16 have it, with magnitudes as different."""
    scale = 10.0 ** np.random.default_rng(seed).uniform(-2, 4, 92)
    rows = rows_of(600, 92, seed, rank=91) * scale
    active, swaps = selected(rows)
    assert active.grade(rows).max() <= THRESHOLD + 1e-8
    assert np.isfinite(active.inverse_transposed).all()
    filled = {position for position, _, _ in swaps}
    (unset,) = set(range(92)) - filled
    assert np.array_equal(active.matrix[unset], 1e-6 * np.eye(92)[unset])


def test_fewer_rows_than_columns_are_all_taken():
    rows = rows_of(3, 7)
    active, swaps = selected(rows)
    assert sorted({row for _, row, _ in swaps}) == [0, 1, 2]
    assert active.grade(rows) == pytest.approx(1.0, abs=1e-8)


def test_second_selection_makes_no_swap_and_changes_no_bit():
    rows = rows_of(100, 6)
    active, _ = selected(rows)
    matrix, inverse = active.matrix, active.inverse_transposed
    assert active.select(rows, THRESHOLD) == []
    assert np.array_equal(active.matrix, matrix)
    assert np.array_equal(active.inverse_transposed, inverse)


def test_stored_inverse_is_what_grades_mean():
    """Reference files hold sets so badly conditioned that a new inverse would differ."""
    inverse_transposed = np.array([[2.0, 0.0], [1.0, 3.0]])
    active = _core.ActiveSet.restore(np.eye(2), inverse_transposed)
    rows = rows_of(10, 2)
    np.testing.assert_allclose(
        active.grade(rows), np.abs(rows @ inverse_transposed.T).max(axis=1), rtol=1e-14
    )


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_rows_that_are_not_finite_are_refused(value):
    rows = rows_of(10, 3)
    active, _ = selected(rows)
    before = active.matrix
    bad = 10 * rows
    bad[7, 1] = value
    with pytest.raises(NumericalError, match="not finite"):
        active.select(bad, THRESHOLD)
    assert np.array_equal(active.matrix, before)
    assert not np.isfinite(active.grade(bad)[7])


@pytest.mark.parametrize("threshold", [1.0, 0.5, np.nan, np.inf])
def test_threshold_must_be_above_one(threshold):
    with pytest.raises(InputError, match="threshold"):
        _core.ActiveSet(2).select(rows_of(3, 2), threshold)


@pytest.mark.parametrize(
    ("matrix", "inverse"),
    [
        (np.eye(2), np.eye(3)),
        (np.eye(3)[:2], np.eye(3)[:2]),
        (np.eye(2) * np.nan, np.eye(2)),
        (np.eye(2), np.full((2, 2), np.inf)),
    ],
    ids=["sizes", "not-square", "nan", "inf"],
)
def test_matrices_that_are_not_sound_are_refused(matrix, inverse):
    with pytest.raises(InputError):
        _core.ActiveSet.restore(matrix, inverse)


def test_arrays_of_any_layout_give_the_same_grades():
    rows = np.round(rows_of(12, 4), 2).astype(np.float32)
    active, _ = selected(rows.astype(np.float64))
    expected = active.grade(rows.astype(np.float64))
    wide = np.zeros((24, 8))
    wide[::2, ::2] = rows
    read_only = rows.astype(np.float64)
    read_only.flags.writeable = False
    for layout in (rows, wide[::2, ::2], read_only, np.asfortranarray(rows), rows.tolist()):
        np.testing.assert_array_equal(active.grade(layout), expected)


def test_empty_sets_of_rows_are_harmless():
    active, _ = selected(rows_of(10, 3))
    assert active.grade(np.zeros((0, 3))).shape == (0,)
    assert active.select(np.zeros((0, 3)), 2.0) == []
    assert _core.ActiveSet(0).grade(np.zeros((0, 0))).shape == (0,)
