"""Correlated labels give the estimates of Gauss, Markov and Aitken; priors decay by level."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import ase.io
import numpy as np
import pytest
from models import Case
from test_solvers import noisy_frames

from mtpot import _core
from mtpot.cli.train import read_data
from mtpot.data.atoms import atoms_from_frame
from mtpot.data.split import numbered
from mtpot.errors import InputError
from mtpot.train.covariance import Block, CorrelatedProblem, constant_block, trajectory_blocks
from mtpot.train.factors import scalar_levels
from mtpot.train.loss import Problem, Weights, labeled_frames
from mtpot.train.prior import level_widths
from mtpot.train.settings import Settings
from mtpot.train.solvers import SOLVERS, Options
from mtpot.train.trainer import train

if TYPE_CHECKING:
    from pathlib import Path

CASE = Case("RBChebyshev", 6, 2)
WEIGHTS = Weights(1.0, 0.1, 0.01)
FRAMES = [replace(frame, trajectory="ab"[k % 2]) for k, frame in enumerate(noisy_frames(8))]


def settings(**changes: object) -> Settings:
    base = Settings(
        data="-", output="-", species=CASE.species, level=6, cutoff=5.0, min_distance=1.9, threads=1
    )
    return replace(base, **changes)


def rows_of(problem: Problem, parameters: np.ndarray) -> np.ndarray:
    """Weighted [J | label - prediction] of all labels, from the engine's tangents."""
    blocks = []
    for frame in problem.frames:
        design = _core.Design(problem.potential.with_parameters(parameters))
        tangents, values = design.tangents(frame.neighborhoods)
        labels = np.concatenate([[frame.energy], frame.forces.ravel(), frame.virial])
        virial = frame.virial_weight * np.array([1, 1, 1, 2, 2, 2])
        weights = np.r_[frame.energy_weight, np.repeat(frame.force_weights, 3), virial]
        blocks.append(np.sqrt(weights)[:, None] * np.column_stack([tangents, labels - values]))
    return np.array(blocks)


def problem_of(blocks: list[Block], folds: tuple = ()) -> tuple[CorrelatedProblem, np.ndarray]:
    potential = CASE.potential(seed=2)
    labeled, _ = labeled_frames(potential, FRAMES, WEIGHTS)
    problem = CorrelatedProblem(potential.core, labeled, 1, blocks, folds)
    return problem, potential.parameters


def whole_covariance(blocks: list[Block], rows: np.ndarray) -> np.ndarray:
    frames, count = rows.shape[:2]
    covariance = np.eye(frames * count)
    for block in blocks:
        places = block.frames * count
        if len(block.matrix) != len(places):
            places = (places[:, None] + np.arange(count)).ravel()
        covariance[np.ix_(places, places)] = block.matrix
    return covariance


def random_block(frames: list[int], rows: int) -> Block:
    factor = np.random.default_rng(1).normal(size=(len(frames) * rows, len(frames) * rows))
    return Block(np.array(frames), factor @ factor.T / len(factor) + 0.1 * np.eye(len(factor)))


BLOCKS = {
    "trajectories": trajectory_blocks(FRAMES, 0.8),
    "constant": [constant_block([0, 2, 5], 0.6), constant_block([1, 4], 0.3)],
    "all labels": [random_block([1, 3], 19)],
    "some of both": [random_block([1, 3], 19), constant_block([0, 2], 0.5)],
}


@pytest.mark.parametrize("blocks", BLOCKS.values(), ids=BLOCKS)
def test_least_squares_with_correlated_labels_is_aitken_s(blocks: list[Block]) -> None:
    problem, start = problem_of(blocks)
    origin = problem.without_coefficients(start)
    rows = rows_of(problem, origin)
    inverse = np.linalg.inv(whole_covariance(blocks, rows))
    flat = rows.reshape(-1, rows.shape[-1])
    matrix, labels = flat[:, problem.radial_count : -1], flat[:, -1]
    expected = np.linalg.solve(matrix.T @ inverse @ matrix, matrix.T @ inverse @ labels)
    solver = SOLVERS["least-squares"].minimize
    result = solver(problem, start, Options(ridge=1e-14), lambda *_: None)
    found = (result.parameters - origin)[problem.radial_count :]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    residuals = labels - matrix @ expected
    assert result.loss == pytest.approx(residuals @ inverse @ residuals, rel=1e-8)


@pytest.mark.parametrize("blocks", BLOCKS.values(), ids=BLOCKS)
def test_equations_of_all_parameters_agree_with_those_of_the_rows(blocks: list[Block]) -> None:
    problem, start = problem_of(blocks)
    rows = rows_of(problem, start)
    inverse = np.linalg.inv(whole_covariance(blocks, rows))
    flat = rows.reshape(-1, rows.shape[-1])
    gram = flat.T @ inverse @ flat
    equations = problem.normal_equations(start, linear_only=False)
    scale = np.sqrt(np.outer(np.diag(gram), np.diag(gram)))[:-1, :-1]
    assert (np.abs(equations.matrix - gram[:-1, :-1]) <= 1e-10 * scale.clip(1e-30)).all()
    loss, gradient = problem.loss_and_gradient(start)
    assert loss == pytest.approx(gram[-1, -1], rel=1e-10)
    np.testing.assert_allclose(gradient, -2.0 * equations.gradient, rtol=1e-8, atol=1e-10)


def test_without_correlation_nothing_changes() -> None:
    problem, start = problem_of(trajectory_blocks(FRAMES, 0.0))
    plain = Problem(problem.potential, problem.frames, 1)
    for linear_only in (True, False):
        one = problem.normal_equations(start, linear_only)
        two = plain.normal_equations(start, linear_only)
        np.testing.assert_allclose(one.matrix, two.matrix, rtol=1e-9, atol=1e-12)


def test_a_part_has_the_covariance_of_its_labels() -> None:
    problem, start = problem_of(BLOCKS["some of both"])
    part = problem.part(np.array([0, 1, 2]))
    rows = rows_of(part, start)
    blocks = [
        Block(np.array([1]), BLOCKS["all labels"][0].matrix[:19, :19]),
        constant_block([0, 2], 0.5),
    ]
    inverse = np.linalg.inv(whole_covariance(blocks, rows))
    residuals = rows[..., -1].ravel()
    loss = part.normal_equations(start, linear_only=True).loss
    assert loss == pytest.approx(residuals @ inverse @ residuals, rel=1e-10)


def test_correlations_decay_along_each_trajectory() -> None:
    first, second = trajectory_blocks(FRAMES, 0.5)
    assert first.frames.tolist() == [0, 2, 4, 6]
    assert second.frames.tolist() == [1, 3, 5, 7]
    np.testing.assert_array_equal(first.matrix[0], [1.0, 0.5, 0.25, 0.125])


def test_correlations_are_those_of_the_whole_trajectory_after_a_split() -> None:
    frames = numbered(FRAMES)
    (block,) = trajectory_blocks([frames[0], frames[2], frames[6]], 0.5)
    expected = [[1.0, 0.5, 0.125], [0.5, 1.0, 0.25], [0.125, 0.25, 1.0]]
    np.testing.assert_array_equal(block.matrix, expected)


def test_the_command_numbers_trajectories_before_it_splits(tmp_path: Path) -> None:
    every = [atoms_from_frame(frame) for frame in FRAMES]
    for atoms in every:
        atoms.info["trajectory"] = "run"
    ase.io.write(tmp_path / "run.xyz", every)
    wanted = settings(data=(tmp_path / "run.xyz",), validation=0.5, energy_correlation=0.5)
    _, data = read_data(wanted)
    energies = [atoms.get_potential_energy() for atoms in every]
    for part in (data.train, data.validation):
        assert len(part) == 4
        assert [energies[frame.snapshot] for frame in part] == pytest.approx(
            [frame.energy for frame in part]
        )


def test_the_loss_of_validation_frames_is_whitened_as_that_of_training_frames() -> None:
    wanted = settings(energy_correlation=0.8, max_steps=1, patience=0)
    result = train(wanted, FRAMES, FRAMES)
    losses = [(step.loss, step.validation_loss) for step in result.steps]
    assert all(seen == pytest.approx(unseen, rel=1e-8) for seen, unseen in losses)


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ([Block(np.array([0, 1]), np.ones((2, 2)))], "not positive definite"),
        ([Block(np.array([0, 1]), np.eye(3))], r"shape \(3, 3\) fits neither the 2 .* 38 labels"),
        ([constant_block([0, 1], 0.5), constant_block([1, 2], 0.5)], "in two blocks"),
    ],
    ids=["singular", "shape", "overlap"],
)
def test_blocks_that_make_no_sense_are_refused(blocks: list[Block], message: str) -> None:
    with pytest.raises(InputError, match=message):
        problem_of(blocks)


@pytest.mark.parametrize("solver", SOLVERS)
def test_every_solver_takes_correlated_energies(solver: str) -> None:
    wanted = settings(solver=solver, max_steps=2, energy_correlation=0.5)
    assert np.isfinite(train(wanted, FRAMES).potential.parameters).all()


def test_levels_are_those_of_the_products_of_moments() -> None:
    potential = Case("RBChebyshev", 16, 1).potential()
    levels = scalar_levels(potential.core)
    counts = [int((levels <= level).sum()) for level in range(2, 17, 2)]
    assert counts == [1, 2, 5, 9, 16, 29, 52, 92]
    widths = level_widths(potential.core, 0.25)
    np.testing.assert_allclose(widths, np.exp(-0.25 * (levels - levels.mean())))
