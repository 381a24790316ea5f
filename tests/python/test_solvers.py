"""Every solver against a closed form, an exhaustive search or scikit-learn on all rows."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace

import numpy as np
import pytest
from models import Case, crystal
from scipy.optimize import linprog
from sklearn.linear_model import ARDRegression, BayesianRidge, HuberRegressor, lasso_path

from mtpot import MTP, InputError, _core
from mtpot.data.frame import Frame
from mtpot.train.centered import Centered
from mtpot.train.cross_validation import RIDGES, choose_ridge, simplest
from mtpot.train.loss import Problem, Weights, labeled_frames
from mtpot.train.metrics import evaluate_frames
from mtpot.train.posterior import Posterior
from mtpot.train.prior import DECAYS, level_widths
from mtpot.train.settings import Settings
from mtpot.train.settings_file import load_settings
from mtpot.train.solvers import SOLVERS, Options, Result, minimize
from mtpot.train.solvers.lasso import _path
from mtpot.train.solvers.regression import Regression
from mtpot.train.thin import without_zeros
from mtpot.train.trainer import TrainingResult, train

CASE = Case("RBChebyshev", 6, 2)
LINEAR = [name for name, solver in SOLVERS.items() if solver.linear]
NOISE = 0.3


@dataclass(frozen=True)
class Fit:
    """A problem, a start for it, and all its rows in the linear parameters about that start."""

    problem: Problem
    start: np.ndarray
    matrix: np.ndarray
    labels: np.ndarray

    @property
    def linear(self) -> slice:
        return slice(self.problem.radial_count, None)

    def run(self, name: str, **options: object) -> Result:
        return SOLVERS[name].minimize(self.problem, self.start, Options(**options), lambda *_: None)

    def values(self, result: Result) -> np.ndarray:
        """Linear parameters, species energies relative to those of the start."""
        found = result.parameters.copy()
        count = self.problem.species_count
        first = self.problem.radial_count
        found[first : first + count] -= self.start[first : first + count]
        return found[self.linear]

    def residuals(self, result: Result) -> np.ndarray:
        return self.labels - self.matrix @ self.values(result)

    @property
    def centered(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Columns of the scalars and labels without what species energies explain; norms before."""
        count = self.problem.species_count
        species, scalars = self.matrix[:, :count], self.matrix[:, count:]
        basis = np.linalg.qr(species)[0]
        norms = np.linalg.norm(scalars, axis=0)
        unit = scalars / norms
        project = lambda x: x - basis @ (basis.T @ x)  # noqa: E731
        return project(unit), project(self.labels), norms


def noisy_frames(count: int, seed: int = 0, case: Case = CASE, atoms: int = 4) -> list[Frame]:
    rng = np.random.default_rng(seed)
    frames = []
    for k in range(count):
        symbols = "".join(rng.choice(case.species, size=atoms))
        made = crystal(symbols, seed=100 * seed + k)
        frames.append(
            Frame(tuple(made.get_chemical_symbols()), made.positions, made.cell.array, made.pbc)
        )
    return [
        replace(
            frame,
            energy=found.energy + NOISE * rng.normal(),
            forces=found.forces + NOISE * rng.normal(size=found.forces.shape),
            stress=found.stress + 0.01 * rng.normal(size=6),
        )
        for frame, found in zip(
            frames, evaluate_frames(case.potential(seed=1), frames), strict=True
        )
    ]


def fit_of(
    frames: list[Frame], weights: Weights, case: Case = CASE, folds: tuple = (), threads: int = 1
) -> Fit:
    potential = case.potential(seed=2)
    labeled, hoods = labeled_frames(potential, frames, weights)
    problem = Problem(potential.core, labeled, threads, folds)
    start = potential.parameters
    design = _core.Design(potential.core.with_parameters(problem.without_coefficients(start)))
    blocks = []
    for frame, each, hood in zip(frames, labeled, hoods, strict=True):
        tangents, values = design.tangents(hood, linear_only=True)
        labels = np.concatenate([[frame.energy], frame.forces.ravel(), frame.virial])
        virial = each.virial_weight * np.array([1, 1, 1, 2, 2, 2])
        roots = np.sqrt(np.r_[each.energy_weight, np.repeat(each.force_weights, 3), virial])
        blocks.append(roots[:, None] * np.column_stack([tangents, labels - values]))
    rows = np.vstack(blocks)
    rows = rows[np.abs(rows).max(axis=1) > 0.0]
    return Fit(problem, start, rows[:, :-1], rows[:, -1])


FOLDS = tuple(np.arange(12)[k::4] for k in range(4))


@pytest.fixture(scope="module")
def fit() -> Fit:
    return fit_of(noisy_frames(12), Weights(1.0, 0.1, 0.01), folds=FOLDS)


@pytest.mark.parametrize("name", SOLVERS)
def test_the_loss_is_that_of_the_parameters(name: str, fit: Fit) -> None:
    result = fit.run(name, max_steps=3)
    residuals = fit.problem.normal_equations(result.parameters, linear_only=True)
    assert result.loss == pytest.approx(residuals.loss, rel=1e-9)
    assert result.loss < fit.problem.normal_equations(fit.start, linear_only=True).loss


@pytest.mark.parametrize("name", LINEAR)
def test_regressions_leave_radial_functions_alone(name: str, fit: Fit) -> None:
    result = fit.run(name)
    count = fit.problem.radial_count
    np.testing.assert_array_equal(result.parameters[:count], fit.start[:count])


@pytest.mark.parametrize("name", LINEAR)
def test_regressions_begin_with_variable_projection_where_nothing_is_trained(
    name: str, fit: Fit
) -> None:
    untrained = fit.problem.without_coefficients(fit.start)
    options, ignored = Options(max_steps=2, ridge=1e-8), lambda *_: None
    projected = SOLVERS["variable-projection"].minimize(fit.problem, untrained, options, ignored)
    result = SOLVERS[name].minimize(fit.problem, untrained, options, ignored)
    count = fit.problem.radial_count
    np.testing.assert_array_equal(result.parameters[:count], projected.parameters[:count])
    assert result.steps > projected.steps


@pytest.mark.parametrize("name", SOLVERS)
def test_ctrl_c_leaves_the_last_step(name: str, fit: Fit) -> None:
    seen = []

    def interrupt(step: int, loss: float, *_: object) -> None:
        seen.append(loss)
        if step == 1:
            raise KeyboardInterrupt

    result = SOLVERS[name].minimize(fit.problem, fit.start, Options(), interrupt)
    assert result.stop == "interrupted"
    assert result.loss == seen[-1]


@pytest.mark.parametrize("name", SOLVERS)
def test_every_solver_trains(name: str) -> None:
    settings = Settings(
        data="-", output="-", species=CASE.species, level=6, cutoff=5.0, min_distance=1.9,
        solver=name, max_steps=3, threads=1,
    )  # fmt: skip
    frames = noisy_frames(8)
    result = train(settings, frames)
    coefficients = result.potential.parameters[-len(result.potential.core.scalars) :]
    assert np.isfinite(result.potential.parameters).all()
    if SOLVERS[name].sparse:
        assert (coefficients != 0.0).all()
    labeled, _ = labeled_frames(result.potential, frames, Weights())
    problem = Problem(result.potential.core, labeled, 1)
    loss = problem.normal_equations(result.potential.parameters, linear_only=True).loss
    assert result.loss == pytest.approx(loss, rel=1e-8)


def test_least_squares_is_the_least_squares_solution(fit: Fit) -> None:
    solution = np.linalg.lstsq(fit.matrix, fit.labels, rcond=None)[0]
    np.testing.assert_allclose(fit.values(fit.run("least-squares")), solution, rtol=1e-5)


def test_a_ridge_spares_the_species_energies(fit: Fit) -> None:
    norms = np.linalg.norm(fit.matrix, axis=0)
    norms[: fit.problem.species_count] = 0.0
    penalty = np.sqrt(1e-3) * np.diag(norms)
    rows = np.vstack([fit.matrix, penalty])
    labels = np.concatenate([fit.labels, np.zeros(len(penalty))])
    solution = np.linalg.lstsq(rows, labels, rcond=None)[0]
    found = fit.values(fit.run("least-squares", ridge=1e-3))
    np.testing.assert_allclose(found, solution, rtol=1e-8)
    # That of variable projection is the same one.
    projected = fit.run("variable-projection", max_steps=0, ridge=1e-3)
    np.testing.assert_allclose(fit.values(projected), solution, rtol=1e-5)


def test_the_ridge_has_the_least_held_out_loss(fit: Fit) -> None:
    owners = np.repeat(np.arange(12), len(fit.labels) // 12)
    losses = np.zeros(len(RIDGES))
    for fold in FOLDS:
        out = np.isin(owners, fold)
        scale = np.linalg.norm(fit.matrix[~out], axis=0)
        scale[: fit.problem.species_count] = 0.0
        for k, ridge in enumerate(RIDGES):
            normal = fit.matrix[~out].T @ fit.matrix[~out] + ridge * np.diag(scale**2)
            solution = np.linalg.solve(normal, fit.matrix[~out].T @ fit.labels[~out])
            losses[k] += np.square(fit.labels[out] - fit.matrix[out] @ solution).sum()
    best = RIDGES[losses.argmin()]
    assert fit.run("ridge").chosen["ridge"] == best
    assert choose_ridge(fit.problem, fit.start) == best
    result = fit.run("least-squares", ridge="auto")
    np.testing.assert_allclose(result.parameters, fit.run("ridge").parameters, rtol=1e-8)


def trained_with_automatic_ridge(
    name: str, kept: list[Frame], aside: list[Frame]
) -> TrainingResult:
    settings = Settings(
        data="-", output="-", species=CASE.species, level=8, cutoff=5.0, min_distance=1.9,
        solver=name, ridge="auto", patience=1, max_steps=8, threads=1,
    )  # fmt: skip
    return train(settings, kept, aside)


@pytest.mark.parametrize("aside", [0, 12], ids=["to-the-end", "stopped-early"])
def test_the_ridge_told_is_that_of_the_potential(aside: int) -> None:
    frames = noisy_frames(20)
    kept = frames[: 20 - aside]
    result = trained_with_automatic_ridge("variable-projection", kept, frames[20 - aside :])
    labeled, _ = labeled_frames(result.potential, kept, Weights())
    problem = Problem(result.potential.core, labeled, 1)

    def solved(ridge: float) -> np.ndarray:
        options = Options(max_steps=0, ridge=ridge)
        start = result.potential.parameters
        return minimize(problem, start, options, lambda *_: None).parameters

    told = result.chosen["ridge"]
    distances = {
        ridge: np.linalg.norm(solved(ridge) / result.potential.parameters - 1.0)
        for ridge in (told / 1000.0, told, told * 1000.0)
    }
    assert distances[told] < 0.1 * min(distances[told / 1000.0], distances[told * 1000.0])


@pytest.mark.parametrize("name", ["variable-projection", "bfgs"])
def test_early_stopping_comes_before_the_ridge_and_after_it(name: str) -> None:
    frames = noisy_frames(20)
    result = trained_with_automatic_ridge(name, frames[:8], frames[8:])
    stages = [step.stage for step in result.steps]
    assert sorted(set(stages)) == ["", "chosen ridge"]
    of_last = result.steps[stages.index("chosen ridge") :]
    assert result.validation_loss == min(step.validation_loss for step in of_last)


def standard(fit: Fit) -> tuple[np.ndarray, np.ndarray, float]:
    matrix, labels, _ = fit.centered
    count = len(labels)
    unit = np.linalg.norm(labels) / np.sqrt(count)
    return np.sqrt(count) * matrix, labels / unit, unit * np.sqrt(count)


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("bayesian-ridge", BayesianRidge(fit_intercept=False, tol=1e-8, max_iter=3000)),
        ("ard", ARDRegression(fit_intercept=False, tol=1e-8, max_iter=3000, threshold_lambda=1e8)),
    ],
)
def test_bayesian_regressions_are_those_of_all_rows(name: str, model: object, fit: Fit) -> None:
    matrix, labels, unit = standard(fit)
    model.set_params(alpha_1=0.0, alpha_2=0.0, lambda_1=0.0, lambda_2=0.0)
    model.fit(matrix, labels)
    expected = unit * model.coef_ / fit.centered[2]
    found = fit.values(fit.run(name))[fit.problem.species_count :]
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=1e-4 * np.abs(expected).max())


def test_the_lasso_keeps_what_it_keeps_of_all_rows(fit: Fit) -> None:
    matrix, labels, _ = fit.centered
    equations = fit.problem.normal_equations(
        fit.problem.without_coefficients(fit.start), linear_only=True
    )
    centered = Centered.of(equations, fit.problem.species_count)
    penalties = np.geomspace(1.0, 1e-3, 20) * np.abs(matrix.T @ labels).max()
    _, paths, _ = lasso_path(matrix, labels, alphas=penalties / len(labels), max_iter=10**5)
    found = _path(centered, penalties)
    np.testing.assert_allclose(found, paths.T, atol=1e-3 * np.abs(paths).max())
    np.testing.assert_array_equal(found != 0.0, paths.T != 0.0)
    assert len(set(np.count_nonzero(found, axis=1))) > 3


@pytest.mark.parametrize("name", ["lasso", "elimination"])
@pytest.mark.parametrize("features", [1, 3, 100])
def test_features_are_kept_and_fitted_by_least_squares(name: str, features: int, fit: Fit) -> None:
    found = fit.values(fit.run(name, features=features))
    kept = np.flatnonzero(found)
    scalars = found[fit.problem.species_count :]
    assert np.count_nonzero(scalars) == min(features, len(scalars))
    solution = np.linalg.lstsq(fit.matrix[:, kept], fit.labels, rcond=None)[0]
    np.testing.assert_allclose(found[kept], solution, rtol=1e-5)


def strained_crystals() -> list[Frame]:
    """Of one atom, where many scalars vanish by symmetry, and one of two that shows them."""
    rng = np.random.default_rng(0)
    cubes = [
        Frame(("Si",), np.zeros((1, 3)), edge * np.eye(3), np.ones(3, bool))
        for edge in np.linspace(2.4, 3.2, 15)
    ]
    pair = Frame(("Si", "Si"), rng.normal(size=(2, 3)), 4.0 * np.eye(3), np.ones(3, bool))
    return [
        replace(
            frame,
            energy=float(rng.normal()),
            forces=0.1 * rng.normal(size=(len(frame), 3)),
            stress=np.zeros(6),
        )
        for frame in [*cubes, pair]
    ]


@pytest.mark.parametrize("name", ["lasso", "elimination"])
def test_folds_that_lack_columns_of_the_whole_are_compared_with_it(name: str) -> None:
    folds = tuple(np.arange(16)[k::4] for k in range(4))
    case = Case("RBChebyshev", 8, 1)
    crystals = fit_of(strained_crystals(), Weights(1.0, 0.1, 0.0), case, folds)
    whole = Regression(crystals.problem, crystals.start, Options())
    without_pair = crystals.problem.part(np.arange(15))
    fewer = Regression(without_pair, crystals.start, Options())
    assert len(fewer.centered.vector) < len(whole.centered.vector)
    result = crystals.run(name)
    kept = np.count_nonzero(crystals.values(result)[crystals.problem.species_count :])
    assert kept == result.chosen["features"]
    assert np.isfinite(result.loss)


def test_elimination_drops_what_the_loss_needs_least(fit: Fit) -> None:
    species = list(range(fit.problem.species_count))
    alive = list(range(len(species), fit.matrix.shape[1]))

    def loss(columns: list[int]) -> float:
        return np.linalg.lstsq(fit.matrix[:, species + columns], fit.labels, rcond=None)[1][0]

    while len(alive) > 1:
        alive = min(([k for k in alive if k != gone] for gone in alive), key=loss)
        found = np.flatnonzero(fit.values(fit.run("elimination", features=len(alive))))
        assert found[len(species) :].tolist() == alive


def test_among_equals_the_simplest_is_chosen() -> None:
    losses = np.array([[9.0, 9.0, 9.0], [2.0, 3.0, 1.0], [1.0, 3.5, 1.0], [5.0, 2.0, 9.0]])
    assert simplest(losses) == 1


ENERGIES = Weights(1.0, 0.0, 0.0, "molecules")
ONE = Case("RBChebyshev", 4, 1)


def energies_with_outliers() -> Fit:
    frames = noisy_frames(60, seed=3, case=ONE)
    rng = np.random.default_rng(0)
    bad = rng.choice(60, size=6, replace=False)
    frames = [
        replace(frame, energy=frame.energy + (20.0 if k in bad else 0.0))
        for k, frame in enumerate(frames)
    ]
    return fit_of(frames, ENERGIES, case=ONE)


def test_huber_is_that_of_scikit_learn() -> None:
    fit = energies_with_outliers()
    scale = np.linalg.norm(fit.matrix, axis=0)
    model = HuberRegressor(fit_intercept=False, alpha=0.0, max_iter=10**4, tol=1e-10)
    model.fit(fit.matrix / scale, fit.labels)
    expected = fit.labels - fit.matrix / scale @ model.coef_
    found = fit.residuals(fit.run("huber"))
    np.testing.assert_allclose(found, expected, atol=2e-2 * model.scale_)


def test_least_absolute_is_the_optimum_of_a_linear_program() -> None:
    fit = energies_with_outliers()
    rows, columns = fit.matrix.shape
    costs = np.r_[np.zeros(columns), np.ones(rows)]
    unit = np.eye(rows)
    above = np.block([[fit.matrix, -unit], [-fit.matrix, -unit]])
    bounds = [(None, None)] * columns + [(0, None)] * rows
    best = linprog(costs, above, np.r_[fit.labels, -fit.labels], bounds=bounds).fun
    found = np.abs(fit.residuals(fit.run("least-absolute"))).sum()
    assert best <= found < 1.002 * best
    squares = np.abs(fit.residuals(fit.run("least-squares"))).sum()
    assert best < 0.9 * squares


@pytest.mark.parametrize("name", ["huber", "least-absolute"])
def test_robust_regressions_do_not_depend_on_the_axes(name: str) -> None:
    frames = noisy_frames(6)
    turn = np.linalg.qr(np.random.default_rng(5).normal(size=(3, 3)))[0]
    turned = [
        replace(
            f, positions=f.positions @ turn, cell=f.cell @ turn, forces=f.forces @ turn,
            stress=(turn.T @ f.stress[[[0, 5, 4], [5, 1, 3], [4, 3, 2]]] @ turn)[
                [0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]
            ],
        )
        for f in frames
    ]  # fmt: skip
    weights = Weights(1.0, 0.1, 0.01)
    first, second = (fit_of(each, weights).run(name).parameters for each in (frames, turned))
    np.testing.assert_allclose(first, second, rtol=1e-6)


@pytest.mark.parametrize("name", ["bfgs", "l-bfgs"])
def test_quasi_newton_solvers_reach_the_loss_of_variable_projection(name: str) -> None:
    case = Case("RBChebyshev", 4, 1)
    fit = fit_of(noisy_frames(6, seed=4, case=case), Weights(1.0, 0.1, 0.01), case=case)
    target = fit.run("variable-projection", max_steps=100, tolerance=1e-9).loss
    assert fit.run(name, max_steps=500, tolerance=1e-7).loss == pytest.approx(target, rel=1e-3)


@pytest.mark.parametrize("name", ["ridge", "bayesian-ridge"])
def test_a_prior_by_level_gives_the_mean_of_the_posterior(name: str, fit: Fit) -> None:
    result = fit.run(name, prior="level")
    widths = level_widths(fit.problem.potential, result.chosen["decay"])
    count = fit.problem.species_count
    prior = np.full(fit.matrix.shape[1], np.inf)
    prior[count:] = (widths / fit.centered[2]) ** 2 / result.chosen["ridge"]
    bare = fit.problem.without_coefficients(fit.start)
    equations = fit.problem.normal_equations(bare, linear_only=True)
    found = Posterior(equations, bare[fit.problem.radial_count :], fit.problem.row_count, prior)
    np.testing.assert_allclose(fit.values(result), found.step, rtol=1e-3)


def test_the_decay_with_the_level_has_the_largest_evidence(fit: Fit) -> None:
    matrix, labels, _ = fit.centered
    rows = len(labels)

    def log_evidence(decay: float) -> float:
        wide = matrix * level_widths(fit.problem.potential, decay)
        found = []
        for ridge in np.geomspace(1e-9, 1e-1, 200):
            covariance = np.eye(wide.shape[1]) + wide.T @ wide / ridge
            inner = np.linalg.solve(covariance, wide.T @ labels / ridge)
            misfit = labels @ labels - labels @ wide @ inner
            found.append(-0.5 * (rows * np.log(misfit) + np.linalg.slogdet(covariance)[1]))
        return max(found)

    assert fit.run("bayesian-ridge", prior="level").chosen["decay"] == max(DECAYS, key=log_evidence)


@pytest.mark.parametrize(
    ("name", "option"),
    [("ard", "features"), ("lasso", "prior"), ("bayesian-ridge", "ridge"), ("bfgs", "prior")],
)
def test_options_without_use_are_refused(name: str, option: str) -> None:
    value = {"features": "3", "prior": "level", "ridge": "auto"}[option]
    flags = {"data": "a.xyz", "output": "run", "solver": name, option: value}
    with pytest.raises(InputError, match=f"--solver {name} has no use for --{option}; it is for"):
        load_settings(None, flags)


def test_cross_validation_of_one_frame_is_refused() -> None:
    with pytest.raises(InputError, match="at least two frames"):
        fit_of(noisy_frames(1), Weights()).run("ridge")


def test_without_scikit_learn_the_message_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in ("scikit", "bayesian", "lasso"):
        monkeypatch.delitem(sys.modules, f"mtpot.train.solvers.{module}", raising=False)
    monkeypatch.setitem(sys.modules, "sklearn.linear_model", None)
    with pytest.raises(InputError, match=r"pip install 'mtpot\[regression\]'"):
        _ = SOLVERS["lasso"].minimize


def test_sparse_potentials_lose_their_zeros() -> None:
    potential = CASE.potential()
    parameters = potential.parameters
    parameters[-3:-1] = 0.0
    core = potential.core.with_parameters(parameters)
    small = without_zeros(core)
    assert len(small.scalars) == len(core.scalars) - 2
    frames = noisy_frames(1)
    (before,), (after,) = (evaluate_frames(MTP(each), frames) for each in (core, small))
    np.testing.assert_allclose(after.forces, before.forces, rtol=1e-10, atol=1e-12)
