"""Training finds what is there to be found, and nothing where there is nothing."""

from __future__ import annotations

import dataclasses
from dataclasses import replace

import numpy as np
import pytest
from ase.build import bulk
from models import CASES, Case, crystal

from mtpot import MTP, NumericalError, _core
from mtpot.data.frame import Frame
from mtpot.neighbors import neighborhoods, shortest_distance
from mtpot.train.gauge import normalize
from mtpot.train.loss import Problem, Weights, labeled_frames
from mtpot.train.metrics import evaluate_frames
from mtpot.train.settings import Settings
from mtpot.train.solvers import Options, minimize
from mtpot.train.trainer import species_energies, starting_potential, train


def bare_frame(atoms) -> Frame:
    return Frame(tuple(atoms.get_chemical_symbols()), atoms.positions, atoms.cell.array, atoms.pbc)


def label(potential: MTP, frames: list[Frame]) -> list[Frame]:
    """Frames with the energies, forces and stresses of a potential."""
    found = evaluate_frames(potential, frames)
    return [
        replace(frame, energy=p.energy, forces=p.forces, stress=p.stress)
        for frame, p in zip(frames, found, strict=True)
    ]


def distorted(count: int, symbols: str, seed: int = 0) -> list[Frame]:
    return [bare_frame(crystal(symbols, seed=seed + k)) for k in range(count)]


def settings(**changes: object) -> Settings:
    base = Settings(
        data="-", output="-", species=("Si",), level=6, cutoff=5.0, min_distance=1.9, threads=1
    )
    return dataclasses.replace(base, **changes)


@pytest.mark.parametrize("case", [Case("RBChebyshev", 6, 1), Case("RBChebyshev", 6, 2)], ids=str)
def test_a_potential_is_recovered_from_its_labels(case: Case) -> None:
    truth = case.potential(seed=1)
    frames = label(truth, distorted(8, "".join(case.species) * 2))
    labeled, _ = labeled_frames(truth, frames, Weights())
    start = truth.parameters
    start[: Problem(truth.core, labeled, 1).radial_count] *= 1.2
    problem = Problem(truth.core, labeled, threads=1)
    result = minimize(problem, start, Options(tolerance=1e-6), lambda *_: None)
    scale = np.mean([np.square(frame.forces).sum() for frame in frames])
    assert result.loss < 1e-9 * scale


def test_the_projection_is_the_least_squares_solution() -> None:
    case = Case("RBChebyshev", 6, 1)
    frames = label(case.potential(seed=3), distorted(5, "SiSi"))
    potential = case.potential(seed=4)
    labeled, _ = labeled_frames(potential, frames, Weights(1.0, 1.0, 0.0))
    problem = Problem(potential.core, labeled, threads=1)
    result = minimize(problem, potential.parameters, Options(max_steps=0), lambda *_: None)
    rows, values = [], []
    for frame in frames:
        around = neighborhoods(potential, frame.symbols, frame.positions, frame.cell, frame.pbc)
        tangents, _ = _core.Design(potential.core).tangents(around)
        n = len(frame)
        rows += [tangents[:1, problem.radial_count :] / np.sqrt(n)]
        rows += [tangents[1 : 1 + 3 * n, problem.radial_count :]]
        values += [np.array([frame.energy]) / np.sqrt(n), frame.forces.ravel()]
    matrix, vector = np.vstack(rows), np.concatenate(values)
    residual = matrix @ np.linalg.lstsq(matrix, vector, rcond=None)[0] - vector
    assert result.loss == pytest.approx(residual @ residual / len(frames), rel=1e-6)


def test_the_reported_loss_is_that_of_the_residuals() -> None:
    frames = label(Case("RBChebyshev", 10, 1).potential(seed=5), distorted(3, "SiSi"))
    result = train(settings(level=8), frames)
    labeled, _ = labeled_frames(result.potential, frames, Weights())
    problem = Problem(result.potential.core, labeled, threads=1)
    truth = problem.normal_equations(result.potential.parameters, linear_only=True).loss
    assert result.loss == pytest.approx(truth, rel=1e-6)


@pytest.mark.parametrize("shift", [-1e4, 1e5])
def test_the_zero_of_energy_does_not_matter(shift: float) -> None:
    frames = label(Case("RBChebyshev", 10, 1).potential(seed=6), distorted(6, "SiSi"))
    shifted = [replace(frame, energy=frame.energy + shift * len(frame)) for frame in frames]
    first, second = (train(settings(max_steps=3, ridge=1e-6), each) for each in (frames, shifted))
    assert second.loss == pytest.approx(first.loss, rel=1e-4)


def test_scalars_that_vanish_by_symmetry_keep_zero_coefficients() -> None:
    frames = []
    for a in np.linspace(5.2, 5.7, 6):
        frame = bare_frame(bulk("Si", a=a))
        frames.append(replace(frame, energy=float((a - 5.43) ** 2 - 10.0)))
    result = train(settings(level=12, min_distance="auto"), frames)
    assert np.abs(result.potential.parameters).max() < 1e6
    hot = bulk("Si", cubic=True)
    hot.rattle(0.05, seed=0)
    (found,) = evaluate_frames(result.potential, [bare_frame(hot)])
    assert abs(found.energy / 8 + 5.0) < 5.0


def test_a_species_without_data_and_a_constant_composition_are_no_trouble() -> None:
    frames = label(Case("RBChebyshev", 6, 2).potential(seed=7), distorted(6, "SiAl"))
    result = train(settings(species=("Si", "Al", "Ni"), max_steps=3), frames)
    assert np.isfinite(result.potential.parameters).all()
    assert result.loss < 1.0


def test_absurd_labels_end_in_a_message() -> None:
    frames = [replace(f, energy=1e200) for f in distorted(2, "SiSi")]
    with pytest.raises(NumericalError, match="not finite"):
        train(settings(), frames)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_normalizing_radial_functions_keeps_all_energies(case: Case) -> None:
    potential = case.potential(seed=8)
    normalized = MTP(normalize(potential.core))
    frames = distorted(2, "".join(case.species) * 2)
    pairs = zip(
        evaluate_frames(potential, frames), evaluate_frames(normalized, frames), strict=True
    )
    for before, after in pairs:
        np.testing.assert_allclose(after.site_energies, before.site_energies, rtol=1e-11)
    radial = normalized.parameters[: _radial_count(normalized)]
    functions, size = potential.core.radial_function_count, potential.core.radial_size
    norms = np.square(radial.reshape(-1, functions, size)).sum(axis=(0, 2))
    np.testing.assert_allclose(norms, case.species_count**2, rtol=1e-12)


def _radial_count(potential: MTP) -> int:
    core = potential.core
    return core.species_count**2 * core.radial_function_count * core.radial_size


def test_species_energies_fit_the_compositions() -> None:
    frames = [
        replace(frame, energy=-3.0 * frame.symbols.count("Si") - 5.0 * frame.symbols.count("Al"))
        for frame in (*distorted(1, "SiAl"), *distorted(1, "SiSiAl"))
    ]
    np.testing.assert_allclose(species_energies(("Si", "Al"), frames), [-3.0, -5.0], rtol=1e-12)


def test_the_automatic_minimum_distance_is_that_of_the_data() -> None:
    frames = [replace(frame, energy=0.0) for frame in distorted(3, "SiSi")]
    potential = starting_potential(settings(min_distance="auto"), frames)
    assert potential.core.min_distance == shortest_distance(frames, 5.0)


def test_ctrl_c_leaves_the_best_so_far() -> None:
    frames = label(Case("RBChebyshev", 10, 1).potential(seed=9), distorted(4, "SiSi"))

    def interrupt(step) -> None:
        if step.number == 2:
            raise KeyboardInterrupt

    result = train(settings(level=8), frames, progress=interrupt)
    assert result.stop == "interrupted"
    assert result.loss <= result.steps[0].loss


@pytest.mark.parametrize("moment", [("seed 1", 0), ("seed 1", 1), ("seed 2", 0)], ids=str)
def test_ctrl_c_in_a_later_seed_leaves_the_best_and_is_no_success(moment) -> None:
    frames = label(Case("RBChebyshev", 10, 1).potential(seed=9), distorted(4, "SiSi"))
    finished = []

    def interrupt(step) -> None:
        if (step.stage, step.number) == moment:
            raise KeyboardInterrupt
        finished.append(step.loss)

    result = train(settings(level=8, seeds=3, max_steps=4), frames, progress=interrupt)
    assert result.stop == "interrupted"
    assert result.loss <= min(finished)
    assert (result.steps[-1].stage, result.steps[-1].number) == moment


def test_ctrl_c_before_the_first_step_leaves_nothing() -> None:
    frames = label(Case("RBChebyshev", 10, 1).potential(seed=9), distorted(4, "SiSi"))

    def interrupt(_) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(settings(level=8), frames, progress=interrupt)
