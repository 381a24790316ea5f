"""Posteriors, committees and calibration against closed forms, refits and synthetic data."""

from __future__ import annotations

import warnings
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
from ase.calculators.calculator import PropertyNotImplementedError
from models import CASES, Case, crystal, hoods
from test_training import distorted, label, settings

from mtpot import MTP, FormatError, InputError, MTPCalculator, UncalibratedWarning, _core
from mtpot.active.select import build_selection
from mtpot.data.neighborhoods import frame_neighborhoods
from mtpot.intervals import LEVELS, ErrorModel, Intervals, normal_factor
from mtpot.spread import SpreadEvaluator
from mtpot.train.calibration import calibrate, coverage, fit_error_model, score, spreads
from mtpot.train.committee import bag
from mtpot.train.loss import NormalEquations, Weights, weights_of
from mtpot.train.posterior import Posterior, PosteriorSpread, laplace
from mtpot.train.trainer import train
from mtpot.train.uncertainty import with_committee

pytestmark = pytest.mark.filterwarnings("ignore::mtpot.UncalibratedWarning")

CASE = Case("RBChebyshev", 6, 1)
WEIGHTS = Weights(1.0, 0.1, 0.0)
MODEL = ErrorModel(2.0, 0.1, tuple(1.1 * normal_factor(level) for level in LEVELS), 3.0)


def equations(matrix, residual) -> NormalEquations:
    """Normal equations of residuals with derivatives -matrix."""
    return NormalEquations(matrix.T @ matrix, matrix.T @ residual, float(residual @ residual))


def linear_count(potential: MTP) -> int:
    return len(potential.core.scalars) + potential.core.species_count


def committee(case: Case, members: int = 5, seed: int = 0) -> MTP:
    """Members with a tenth more or less of every linear parameter."""
    potential = case.potential(seed)
    linear = potential.parameters[-linear_count(potential) :]
    rng = np.random.default_rng(seed)
    return potential.with_members(linear * (1 + 0.1 * rng.normal(size=(members, len(linear)))))


def at_mean(potential: MTP, members) -> MTP:
    """The potential with the mean of the members' linear parameters."""
    parameters = potential.parameters
    parameters[-members.shape[1] :] = members.mean(axis=0)
    return MTP(potential.core.with_parameters(parameters))


def design(potential: MTP, frame) -> np.ndarray:
    """Derivatives of energy and forces in the linear parameters."""
    tangents, _ = _core.Design(potential.core).tangents(frame_neighborhoods(potential, frame))
    return tangents[: 1 + 3 * len(frame), -linear_count(potential) :]


# --- posterior ---


@pytest.mark.parametrize("unequal", [1.0, 1e6], ids=["columns-alike", "columns-unequal"])
def test_the_posterior_is_that_of_linear_regression(unequal: float) -> None:
    """Mean and covariance of ordinary least squares, in any units of the columns."""
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(40, 5)) * unequal ** np.linspace(-1, 1, 5)
    residual = rng.normal(size=40)
    residual -= matrix @ np.linalg.lstsq(matrix, residual, rcond=None)[0]
    found = Posterior(equations(matrix, residual), np.zeros(5), labels=40)
    orthogonal, triangle = np.linalg.qr(matrix)
    inverse = np.linalg.inv(triangle)
    expected = residual @ residual / (40 - 5) * inverse @ inverse.T
    assert found.effective_parameters == pytest.approx(5, rel=1e-8)
    np.testing.assert_allclose(found.covariance, expected, rtol=1e-7)
    np.testing.assert_allclose(
        found.variances(matrix), np.square(orthogonal).sum(axis=1) * found.variance, rtol=1e-7
    )


def test_a_prior_adds_its_precision() -> None:
    rng = np.random.default_rng(1)
    matrix = rng.normal(size=(30, 4)) * [0.1, 1.0, 1.0, 10.0]
    precision = np.array([0.1, 1.0, 10.0, 100.0])
    found = Posterior(equations(matrix, rng.normal(size=30)), np.zeros(4), 30, 1.0 / precision)
    hessian = matrix.T @ matrix
    expected = np.linalg.inv(hessian + np.diag(precision))
    np.testing.assert_allclose(found.covariance, found.variance * expected, rtol=1e-10)
    assert found.effective_parameters == pytest.approx(np.trace(hessian @ expected))


def linear_model(scale: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(2)
    return rng.normal(size=(12, 4)) * scale ** np.linspace(-1, 1, 4), rng.normal(size=12)


@pytest.mark.parametrize("noise", [0.3, 1.0])
@pytest.mark.parametrize("scale", [1.0, 1e4], ids=["columns-alike", "columns-unequal"])
def test_the_posterior_is_the_prior_conditioned_on_the_labels(scale: float, noise: float) -> None:
    """x ~ N(0, Lambda) and labels J x + N(0, noise): the normal law of x given the labels."""
    matrix, labels = linear_model(scale)
    factor = np.random.default_rng(3).normal(size=(4, 4)) / scale ** np.linspace(-1, 1, 4)[:, None]
    prior = factor @ factor.T
    found = Posterior(equations(matrix, labels), np.zeros(4), 12, prior / noise, noise)
    gain = prior @ matrix.T @ np.linalg.inv(matrix @ prior @ matrix.T + noise * np.eye(12))
    np.testing.assert_allclose(found.mean + found.step, gain @ labels, rtol=1e-7)
    expected = prior - gain @ matrix @ prior
    size = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    np.testing.assert_allclose(found.covariance / size, expected / size, atol=1e-6)
    tangents = np.eye(4)
    np.testing.assert_allclose(found.variances(tangents), np.diag(expected), rtol=1e-6)


def test_the_noise_follows_from_the_residuals_under_a_prior() -> None:
    """s^2 = r^T r / (m - trace of the hat matrix)."""
    matrix, labels = linear_model()
    prior = np.array([0.1, 2.0, 0.5, 1.0])
    found = Posterior(equations(matrix, labels), np.zeros(4), 12, prior)
    hat = matrix @ np.linalg.inv(matrix.T @ matrix + np.diag(1.0 / prior)) @ matrix.T
    assert found.effective_parameters == pytest.approx(np.trace(hat))
    assert found.variance == pytest.approx(labels @ labels / (12 - np.trace(hat)))


def test_variances_are_a_diagonal_prior_and_infinity_is_none() -> None:
    matrix, labels = linear_model()
    given = equations(matrix, labels)
    variances = np.array([0.1, 2.0, 0.5, 1.0])
    one, two = (Posterior(given, np.zeros(4), 12, x) for x in (variances, np.diag(variances)))
    np.testing.assert_allclose(one.step, two.step, rtol=1e-10)
    np.testing.assert_allclose(one.covariance, two.covariance, rtol=1e-10)
    free = Posterior(given, np.zeros(4), 12, np.full(4, np.inf))
    expected = np.linalg.lstsq(matrix, labels, rcond=None)[0]
    np.testing.assert_allclose(free.step, expected, rtol=1e-10)


@pytest.mark.parametrize(
    ("prior", "message"),
    [
        (np.zeros(4), "above 0"),
        (np.ones(3), "4 variances"),
        (-np.eye(4), "positive definite"),
        (np.full((4, 4), np.nan), "finite and symmetric"),
        (np.eye(4) + np.eye(4, k=1), "symmetric"),
        (np.array([1.0, np.nan, 1.0, 1.0]), "above 0"),
    ],
    ids=["zero", "length", "negative", "nan-matrix", "lopsided", "nan"],
)
def test_priors_that_make_no_sense_are_refused(prior: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Posterior(equations(*linear_model()), np.zeros(4), 12, prior)


def test_labels_that_tell_no_two_parameters_apart_take_a_prior() -> None:
    matrix, labels = linear_model()
    matrix[:, 1] = matrix[:, 0]
    with pytest.raises(InputError, match="smaller variances"):
        Posterior(equations(matrix, labels), np.zeros(4), 12, np.full(4, np.inf))
    found = Posterior(equations(matrix, labels), np.zeros(4), 12, np.ones(4))
    assert found.step[0] == pytest.approx(found.step[1])


def test_what_no_label_touches_is_unknown_unless_a_prior_tells() -> None:
    rng = np.random.default_rng(2)
    matrix = rng.normal(size=(30, 4)) * [1.0, 0.0, 100.0, 1.0]
    residual, mean = rng.normal(size=30), np.arange(4.0)
    found = Posterior(equations(matrix, residual), mean, 30)
    np.testing.assert_array_equal(found.known, [True, False, True, True])
    assert found.covariance[1, 1] == np.inf
    others = np.ix_([0, 2, 3], [0, 2, 3])
    alone = Posterior(equations(matrix[:, [0, 2, 3]], residual), mean[[0, 2, 3]], 30)
    np.testing.assert_allclose(found.covariance[others], alone.covariance, rtol=1e-8)
    np.testing.assert_array_equal(np.isinf(found.variances(np.eye(4))), ~found.known)
    np.testing.assert_array_equal(found.sample(5, seed=0)[:, 1], mean[1])

    told = Posterior(equations(matrix, residual), mean, 30, prior=[1e9, 0.25, 1e9, 1e9])
    assert told.covariance[1, 1] == pytest.approx(0.25 * told.variance)
    assert np.std(told.sample(2000, seed=0)[:, 1]) == pytest.approx(
        0.5 * np.sqrt(told.variance), rel=0.05
    )


def test_a_species_that_no_frame_has_makes_energies_unknown() -> None:
    potential = Case("RBChebyshev", 6, 2).potential(seed=3)
    frames = label(Case("RBChebyshev", 8, 2).potential(seed=4), distorted(8, "SiSiSi"))
    spread = PosteriorSpread(potential, laplace(potential, frames, WEIGHTS, threads=1))
    seen = spread.evaluate(frames[0])
    assert np.isfinite([seen.energy, *seen.sites, *seen.forces.ravel()]).all()
    mixed = spread.evaluate(distorted(1, "SiAlSi")[0])
    assert mixed.energy == np.inf
    np.testing.assert_array_equal(np.isinf(mixed.sites), [False, True, False])
    assert np.isfinite(mixed.forces).all()  # species energies do not act on them


def test_samples_have_the_moments_of_the_posterior() -> None:
    rng = np.random.default_rng(2)
    matrix = rng.normal(size=(50, 3)) * [1.0, 10.0, 0.1]
    found = Posterior(equations(matrix, rng.normal(size=50)), np.array([1.0, 2.0, 3.0]), 50)
    samples = found.sample(20000, seed=0)
    deviations = np.sqrt(np.diag(found.covariance))
    scaled = (samples - found.mean) / deviations
    np.testing.assert_allclose(scaled.mean(axis=0), 0.0, atol=0.03)
    correlation = found.covariance / np.outer(deviations, deviations)
    np.testing.assert_allclose(np.cov(scaled.T), correlation, atol=0.05)


def test_posterior_intervals_cover_synthetic_data_as_often_as_they_say() -> None:
    """Noise of variance s^2 / w on labels of a known potential; 400 times anew."""
    truth = CASE.potential(seed=1)
    frames, unseen = distorted(6, "SiSiSi"), distorted(1, "SiSiSi", seed=50)[0]
    matrix = np.vstack([design(truth, frame) for frame in frames])
    weights = np.concatenate([[1.0] + [0.1] * (len(design(truth, f)) - 1) for f in frames])
    weighted, target = matrix * np.sqrt(weights)[:, None], design(truth, unseen)[:5]
    rng, trials = np.random.default_rng(3), 400
    inside = {0.5: [], 0.9: []}
    for _ in range(trials):
        residual = 0.03 * rng.normal(size=len(matrix))  # of weighted labels: true ones at zero
        fitted = np.linalg.lstsq(weighted, residual, rcond=None)[0]
        found = Posterior(equations(weighted, residual - weighted @ fitted), fitted, len(residual))
        ratio = np.abs(target @ fitted) / np.sqrt(found.variances(target))
        for level, held in inside.items():
            held.append(ratio <= normal_factor(level))
    for level, held in inside.items():
        error = np.sqrt(level * (1.0 - level) / trials)
        np.testing.assert_allclose(np.mean(held, axis=0), level, atol=3.5 * error)


def test_laplace_is_the_posterior_of_the_weighted_labels() -> None:
    potential = CASE.potential(seed=4)
    frames = label(Case("RBChebyshev", 8, 1).potential(seed=5), distorted(5, "SiSi"))
    found = laplace(potential, frames, WEIGHTS, threads=1)
    matrix = np.vstack([design(potential, f) for f in frames])
    labels = np.concatenate([[f.energy, *f.forces.ravel()] for f in frames])
    roots = np.concatenate([np.sqrt([1 / 2] + [0.1] * 6) for _ in frames]) / np.sqrt(5)
    residual = roots * (labels - matrix @ potential.parameters[-linear_count(potential) :])
    matrix *= roots[:, None]
    expected = Posterior(equations(matrix, residual), found.mean, len(labels))
    assert found.variance == pytest.approx(expected.variance, rel=1e-9)
    np.testing.assert_allclose(found.covariance, expected.covariance, rtol=1e-6)
    spread = PosteriorSpread(potential, found).evaluate(frames[0])
    assert spread.energy**2 == pytest.approx(expected.variances(matrix[:1])[0] / roots[0] ** 2)
    assert spread.forces.shape == (2, 3)


def test_the_freedom_between_coefficients_gives_no_uncertainty() -> None:
    """Radial functions may grow as linear coefficients shrink: no energy knows of it."""
    potential = CASE.potential(seed=6)
    frames = label(Case("RBChebyshev", 8, 1).potential(seed=7), distorted(12, "SiSi"))
    found = laplace(potential, frames, WEIGHTS, linear_only=False, threads=1)
    tangents, _ = _core.Design(potential.core).tangents(frame_neighborhoods(potential, frames[0]))
    sampled = MTP(potential.core.with_parameters(found.sample(1, seed=0)[0]))
    assert np.isfinite(found.variances(tangents)).all()
    assert np.abs(sampled.parameters).max() < 1e4 * np.abs(potential.parameters).max()


def test_fewer_labels_than_parameters_are_refused() -> None:
    frames = distorted(1, "SiSi")
    frames = [replace(frame, energy=-1.0) for frame in frames]
    with pytest.raises(InputError, match="lower level"):
        laplace(CASE.potential(), frames, WEIGHTS)


# --- bagging ---


def least_squares(potential: MTP, frames) -> tuple[np.ndarray, np.ndarray]:
    """Weighted design matrix of frames of three atoms, and the linear parameters that fit them."""
    roots = np.sqrt([1 / 3] + [0.1] * 9)
    matrix = np.vstack([roots[:, None] * design(potential, f) for f in frames])
    labels = np.concatenate([roots * [f.energy, *f.forces.ravel()] for f in frames])
    return matrix, np.linalg.lstsq(matrix, labels, rcond=None)[0]


@pytest.mark.parametrize("factor", [1.0, 1.3], ids=["at-the-minimum", "elsewhere"])
def test_a_bagged_member_differs_as_the_fit_to_the_frames_it_drew(factor: float) -> None:
    """From the potential as that fit from the fit to all, wherever the potential is."""
    potential = CASE.potential(seed=8)
    frames = label(Case("RBChebyshev", 8, 1).potential(seed=9), distorted(6, "SiSiSi"))
    _, fit = least_squares(potential, frames)
    blocks = [0, 0, 1, 1, 2, 2]
    center = at_mean(potential, factor * fit[None])
    found = bag(center, frames, WEIGHTS, count=3, seed=1, blocks=blocks, ridge=1e-13)
    draws = np.random.default_rng(1).multinomial(3, [1 / 3] * 3, size=3)
    for member, times in zip(found, draws, strict=True):
        drawn = [f for f, block in zip(frames, blocks, strict=True) for _ in range(times[block])]
        matrix, other = least_squares(potential, drawn)
        difference = member - factor * fit
        np.testing.assert_allclose(matrix @ difference, matrix @ (other - fit), atol=1e-6)


SPLIT_BY = {
    "frame": [0, 1, 2, 3, 4, 5],
    "trajectory": [0, 1, 2, 0, 1, 2],
    "group": [0, 0, 1, 1, 1, 1],
}


@pytest.mark.parametrize("by", SPLIT_BY)
def test_a_trained_committee_draws_what_the_split_keeps_together(by: str) -> None:
    frames = label(Case("RBChebyshev", 8, 1).potential(seed=9), distorted(6, "SiSiSi"))
    frames = [
        replace(frame, trajectory=f"run {k % 3}", group="cold" if k < 2 else "hot")
        for k, frame in enumerate(frames)
    ]
    chosen = settings(ensemble=3, split_by=by)
    found = with_committee(chosen, CASE.potential(), frames).core.members
    blocks = SPLIT_BY[by]
    expected = bag(CASE.potential(), frames, weights_of(chosen), count=3, blocks=blocks, threads=1)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("solver", ["huber", "least-absolute"])
def test_members_of_a_robust_potential_scatter_about_it(solver: str) -> None:
    """Though every sixth energy lies 3 eV too high, and least squares would follow."""
    frames = label(Case("RBChebyshev", 8, 1).potential(seed=9), distorted(24, "SiSiSi"))
    frames = [replace(f, energy=f.energy + 3.0 * (k % 6 == 0)) for k, f in enumerate(frames)]
    chosen = settings(solver=solver, max_steps=20, ensemble=32)
    potential = with_committee(chosen, train(chosen, frames).potential, frames)
    members = potential.core.members - potential.parameters[-linear_count(potential) :]
    energies = np.array([design(potential, frame)[0] for frame in frames]) @ members.T
    offsets = np.abs(energies.mean(axis=1)) / energies.std(axis=1)
    assert np.median(offsets) < 3.0 / np.sqrt(32)  # three standard errors of a mean


def test_bagging_spreads_as_the_posterior_where_errors_are_independent() -> None:
    truth = CASE.potential(seed=10)
    rng = np.random.default_rng(11)
    frames = []
    for frame in label(truth, distorted(60, "SiSiSi")):
        energy = frame.energy + 0.03 * np.sqrt(3) * rng.normal()
        forces = frame.forces + 0.03 / np.sqrt(0.1) * rng.normal(size=(3, 3))
        frames.append(replace(frame, energy=energy, forces=forces))
    members = bag(truth, frames, WEIGHTS, count=200, seed=0, threads=1)
    fitted = at_mean(truth, members)
    bagged = fitted.with_members(members)
    posterior = PosteriorSpread(fitted, laplace(fitted, frames, WEIGHTS, threads=1))
    one = SpreadEvaluator(bagged).evaluate(frame_neighborhoods(bagged, frames[0]))
    other = posterior.evaluate(frames[0])
    ratios = np.concatenate([[one.energy / other.energy], (one.forces / other.forces).ravel()])
    assert np.exp(np.log(ratios).mean()) == pytest.approx(1.0, abs=0.2)


def test_bagging_does_not_depend_on_threads_and_depends_on_the_seed() -> None:
    potential = CASE.potential(seed=12)
    frames = label(Case("RBChebyshev", 8, 1).potential(seed=13), distorted(5, "SiSi"))
    one, two, other = (
        bag(potential, frames, WEIGHTS, count=2, seed=seed, threads=threads)
        for seed, threads in ((0, 1), (0, 2), (1, 1))
    )
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"count": 1}, "two members or more"),
        ({"blocks": [0, 0, 0]}, "drawn together"),
        ({"blocks": [0, 1]}, "numbers of blocks"),
    ],
    ids=["one-member", "one-block", "too-few-blocks"],
)
def test_what_gives_no_committee_is_refused(changes, message) -> None:
    frames = label(CASE.potential(), distorted(3, "SiSi"))
    with pytest.raises(InputError, match=message):
        bag(CASE.potential(), frames, WEIGHTS, **{"count": 2} | changes)


# --- members ---


@pytest.mark.parametrize("precision", ["double", "mixed"])
@pytest.mark.parametrize("case", [*CASES, Case("RBChebyshev", 16, 2)], ids=str)
def test_one_pass_spreads_as_the_members_one_by_one(case: Case, precision: str) -> None:
    potential = committee(case, members=11)
    atoms = crystal("".join(case.species) * 2, seed=1)
    calculator = MTPCalculator(potential, precision)
    calculator.get_property("forces_std", atoms)
    everything = [MTPCalculator(each) for each in (potential, *potential.members)]
    sites, *others = (each.get_property("energies", atoms) for each in everything)
    tolerance = 1e-10 if precision == "double" else 1e-4
    deviations = np.array(others) - sites
    found = calculator.results
    expected = np.sqrt(np.mean(deviations.sum(axis=1) ** 2))
    assert found["energy_std"] == pytest.approx(expected, rel=tolerance)
    np.testing.assert_allclose(
        found["energies_std"], np.sqrt(np.mean(deviations**2, axis=0)), rtol=tolerance
    )
    forces, *others = (each.get_property("forces", atoms) for each in everything)
    expected = np.sqrt(np.mean((np.array(others) - forces) ** 2, axis=0))
    np.testing.assert_allclose(found["forces_std"], expected, atol=1e-4 * expected.max())


def test_members_change_no_bit_of_the_energy() -> None:
    potential = committee(Case("RBChebyshev", 16, 1))
    atoms = crystal("SiSiSi", seed=2)
    without = MTP(potential.core.with_parameters(potential.parameters))
    with_members, alone = MTPCalculator(potential), MTPCalculator(without)
    for name in ("energy", "forces", "stress"):
        np.testing.assert_array_equal(
            with_members.get_property(name, atoms), alone.get_property(name, atoms)
        )


def test_graded_passes_and_lists_without_couplings_spread_alike() -> None:
    case = Case("RBChebyshev", 8, 2)
    potential = committee(case)
    frames = label(potential, distorted(4, "SiAl"))
    graded = MTP(potential.core, build_selection(potential, frames, "nbh", 1))
    factors = MTP.new(10, ["Si"], 5.0, max_factors=5)
    factors.parameters = np.random.default_rng(0).normal(size=len(factors.parameters))
    linear = factors.parameters[-linear_count(factors) :]
    odd = factors.with_members(linear * [[1.1], [0.8]])
    for other, atoms in ((graded, crystal("SiAlSi", seed=3)), (odd, crystal("SiSi", seed=4))):
        with pytest.warns() if other is odd else nullcontext():
            calculator = MTPCalculator(other)
        calculator.get_property("energy", atoms)
        spread = SpreadEvaluator(other).evaluate(hoods(other, atoms))
        assert calculator.results["energy_std"] == pytest.approx(spread.energy, rel=1e-5)
        np.testing.assert_allclose(calculator.results["energies_std"], spread.sites, rtol=1e-4)


def test_forces_std_come_when_they_are_asked_for() -> None:
    atoms = crystal("SiSi", seed=5)
    atoms.calc = MTPCalculator(committee(CASE))
    atoms.get_potential_energy()
    assert "energy_std" in atoms.calc.results
    assert "forces_std" not in atoms.calc.results
    assert atoms.calc.get_property("forces_std", atoms).shape == (2, 3)
    with pytest.raises(PropertyNotImplementedError):
        MTPCalculator(CASE.potential()).get_property("forces_std", atoms)


def test_a_calibrated_calculator_gives_the_errors_to_expect() -> None:
    potential = committee(CASE)
    calibrated = potential.with_members(potential.core.members, Intervals(MODEL, MODEL))
    atoms = crystal("SiSiSi", seed=6)
    raw, found = (MTPCalculator(each) for each in (potential, calibrated))
    for calculator in (raw, found):
        calculator.get_property("forces_std", atoms)
    expected = np.hypot(2.0 * raw.results["energy_std"], 0.1 * np.sqrt(3))
    assert found.results["energy_std"] == pytest.approx(expected)
    expected = np.hypot(2.0 * raw.results["forces_std"], 0.1)
    np.testing.assert_allclose(found.results["forces_std"], expected)


def test_the_calculator_warns_of_members_that_are_not_calibrated() -> None:
    potential = committee(CASE)
    with pytest.warns(UncalibratedWarning, match=r"mere spread .* --validation 0\.1") as caught:
        MTPCalculator(potential)
    assert [each.filename for each in caught] == [__file__]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        MTPCalculator(potential.with_members(potential.core.members, Intervals(MODEL, MODEL)))
        MTPCalculator(CASE.potential())


def test_new_parameters_and_pruning_forget_the_members() -> None:
    potential = committee(CASE)
    assert MTP(potential.core.keep_scalars([0, 1])).members == ()
    potential.parameters = potential.parameters
    assert potential.members == ()


# --- files ---


@pytest.mark.parametrize("calibrated", [False, True], ids=["raw", "calibrated"])
@pytest.mark.parametrize("case", [CASE, Case("RBChebyshev", 8, 2, "zbl")], ids=str)
def test_members_survive_a_round_trip_bit_for_bit(case: Case, calibrated: bool, tmp_path) -> None:
    potential = committee(case)
    if calibrated:
        potential = potential.with_members(potential.core.members, Intervals(MODEL, MODEL))
    potential.save(tmp_path / "potential.mtp")
    loaded = MTP.load(tmp_path / "potential.mtp")
    np.testing.assert_array_equal(loaded.core.members, potential.core.members)
    np.testing.assert_array_equal(loaded.parameters, potential.parameters)
    assert loaded.intervals == potential.intervals
    assert (loaded.intervals is not None) == calibrated


def test_other_programs_refuse_members_only_beside_an_active_set(tmp_path) -> None:
    """They would look for the active set where the members stand."""
    potential = committee(CASE)
    frames = label(potential, distorted(4, "SiSi"))
    graded = MTP(potential.core, build_selection(potential, frames, "nbh", 1))
    potential.save(tmp_path / "potential.mtp")
    graded.save(tmp_path / "potential.almtp")
    lines = [
        (tmp_path / f"potential.{end}").read_bytes().split(b"\n")[1] for end in ("mtp", "almtp")
    ]
    assert lines == [b"version = 1.1.0", b"version = 1.1.0+mtpot"]
    loaded = MTP.load(tmp_path / "potential.almtp")
    assert loaded.selection is not None
    assert len(loaded.members) == 5


FAULTS = [
    ("ensemble 5", "ensemble 6", "expected '{'"),
    ("ensemble 5", "ensemble 0", "do not fit"),
    ("ensemble 5", "ensemble 2000000000", "number of members"),
    ("energy_errors", "errors", "unexpected 'errors'"),
    ("force_errors", "errors", "expected 'force_errors'"),
    ("#mtpot ensemble", "#mtpot ensembles", "is unknown"),
]


@pytest.mark.parametrize(("old", "new", "message"), FAULTS, ids=[each[1] for each in FAULTS])
def test_faulty_members_are_refused(old: str, new: str, message: str) -> None:
    potential = committee(CASE)
    potential = potential.with_members(potential.core.members, Intervals(MODEL, MODEL))
    content = _core.format_potential(potential.core)
    assert old.encode() in content
    with pytest.raises(FormatError, match=message):
        _core.parse_potential(content.replace(old.encode(), new.encode()), "test.mtp")


def test_a_file_cut_short_inside_its_members_is_refused() -> None:
    content = _core.format_potential(committee(CASE).core)
    start = content.index(b"#mtpot") + 8
    for end in range(start, len(content) - 2, 7):
        with pytest.raises(FormatError, match=r"test\.mtp:\d+"):
            _core.parse_potential(content[:end], "test.mtp")


@pytest.mark.parametrize(
    "members",
    [np.zeros((2, 3)), np.full((2, 6), np.nan), np.zeros((0, 6))],
    ids=["shape", "nan", "none"],
)
def test_members_that_do_not_fit_are_refused(members) -> None:
    with pytest.raises(InputError):
        CASE.potential().with_members(members)


@pytest.mark.parametrize("number", [-1.0, np.nan])
def test_errors_are_not_negative(number: float) -> None:
    wrong = replace(MODEL, floor=number)
    with pytest.raises(InputError, match="finite and not negative"):
        CASE.potential().with_members(np.ones((2, 6)), Intervals(MODEL, wrong))


# --- calibration ---


def synthetic(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Spreads, and errors that follow MODEL's equation but for its quantiles."""
    rng = np.random.default_rng(seed)
    spread = 0.05 * rng.lognormal(size=count)
    return spread, np.hypot(2.0 * spread, 0.1) * rng.normal(size=count)


def test_scale_and_floor_are_found_again() -> None:
    found = fit_error_model(*synthetic(20000, seed=0))
    assert found.scale == pytest.approx(2.0, rel=0.05)
    assert found.floor == pytest.approx(0.1, rel=0.05)
    for level in LEVELS:
        assert found.factor(level) == pytest.approx(normal_factor(level), rel=0.05)


@pytest.mark.parametrize("tail", [None, 3.0], ids=["normal", "heavy-tails"])
def test_conformal_intervals_cover_whatever_the_distribution(tail: float | None) -> None:
    rng = np.random.default_rng(1)
    counts = []
    for _ in range(40):
        spread = rng.lognormal(size=500)
        noise = rng.normal(size=500) if tail is None else rng.standard_t(tail, size=500)
        errors = 3.0 * spread * noise
        model = fit_error_model(spread[:250], errors[:250])
        counts.append(coverage(model, spread[250:], errors[250:], 0.9))
    assert np.mean(counts) == pytest.approx(0.9, abs=0.012)


@pytest.mark.parametrize("spread", [0.0, 0.3], ids=["no-spread", "constant-spread"])
def test_members_that_agree_leave_the_root_mean_square_error(spread: float) -> None:
    errors = np.random.default_rng(2).normal(size=1000)
    model = fit_error_model(np.full(1000, spread), errors)
    assert model.sigma(spread) == pytest.approx(np.sqrt(np.mean(errors**2)), rel=1e-6)


def test_forces_that_vanish_by_symmetry_do_not_count() -> None:
    """Their ratio of error and spread is one of rounding errors."""
    potential = committee(CASE)
    crystal_at_rest = replace(distorted(1, "SiSi")[0], positions=np.zeros((2, 3)))
    crystal_at_rest.positions[1] = 0.5 * crystal_at_rest.cell.sum(axis=0)
    frames = label(Case("RBChebyshev", 8, 1).potential(), [crystal_at_rest, *distorted(1, "SiSi")])
    scored = score(potential, frames, spreads(potential, frames))
    assert len(scored.energy_errors) == 2
    assert len(scored.force_errors) == 6


@pytest.mark.parametrize(
    ("count", "levels"), [(9, 4), (18, 4), (19, 5), (48, 5), (49, 6), (98, 6), (99, 7)]
)
def test_a_level_takes_as_many_errors_as_its_quantile(count: int, levels: int) -> None:
    """The largest of n errors exceeds the next one with a probability of n / (n + 1)."""
    model = fit_error_model(*synthetic(count, seed=3))
    restored = ErrorModel.from_numbers(model.numbers)
    assert restored == model
    assert len(model.numbers) == len(MODEL.numbers)
    factors = [restored.factor(level) for level in LEVELS[:levels]]
    assert all(np.diff(factors) >= 0.0)
    for level in LEVELS[levels:]:
        with pytest.raises(InputError, match="too few errors for intervals above"):
            restored.factor(level)


def test_errors_that_vanish_keep_their_intervals() -> None:
    model = fit_error_model(np.ones(99), np.zeros(99))
    assert ErrorModel.from_numbers(model.numbers).factor(0.99) < 1e-300


@pytest.mark.parametrize("count", [9, 19, 100])
def test_few_errors_give_intervals_that_are_too_narrow_by_little(count: int) -> None:
    """Scale and floor have seen the errors whose quantiles follow."""
    held = []
    for trial in range(150):
        spread, errors = synthetic(count + 100, seed=trial)
        model = fit_error_model(spread[:count], errors[:count])
        held.append(coverage(model, spread[count:], errors[count:], 0.9))
    assert 0.82 <= np.mean(held) <= 0.92
    assert count < 100 or np.mean(held) >= 0.885


@pytest.mark.parametrize("level", [0.0, 1.0, -1.0, np.nan])
def test_levels_outside_of_zero_and_one_are_refused(level: float) -> None:
    with pytest.raises(InputError, match="between 0 and 1"):
        MODEL.factor(level)


@pytest.mark.parametrize(
    ("spread", "errors"),
    [(np.ones(3), np.ones(3)), (np.ones(20), np.ones(19)), (np.ones(20), np.full(20, np.nan))],
    ids=["few", "lengths", "nan"],
)
def test_unusable_errors_are_refused(spread, errors) -> None:
    with pytest.raises(InputError):
        fit_error_model(spread, errors)


def test_a_committee_calibrated_on_some_frames_covers_others() -> None:
    """Over a thousand force components that nobody has trained on or calibrated with."""
    truth = Case("RBChebyshev", 10, 1).potential(seed=20)
    frames = label(truth, distorted(220, "SiSiSiSi"))
    potential = CASE.potential(seed=21)
    training, validation, test = frames[:30], frames[30:130], frames[130:]
    members = bag(potential, training, WEIGHTS, count=8, threads=1)
    found = at_mean(potential, members).with_members(members)
    intervals = calibrate(score(found, validation, spreads(found, validation, 1), 1))
    scored = score(found, test, spreads(found, test, 1), 1)
    assert len(scored.force_errors) > 1000
    held = coverage(intervals.forces, scored.force_spread, scored.force_errors, 0.9)
    assert 0.85 <= held <= 0.95
