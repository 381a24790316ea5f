"""Pruned potentials are what they say: exact restrictions, as good as promised, and cheaper."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from models import CASES, Case, cluster, crystal, evaluate
from test_training import bare_frame, distorted, label

from mtpot import MTP, InputError, _core
from mtpot.train.groups import highest_order, natural_groups, orders_up_to
from mtpot.train.loss import NormalEquations, Problem, Weights, labeled_frames
from mtpot.train.metrics import evaluate_frames, measure
from mtpot.train.pareto import judge, measure_times, pareto_page
from mtpot.train.prune import Point, PruneOptions, pareto_front, prune
from mtpot.train.quadratic import QuadraticModel

NEIGHBORS = 42.0
QUICK = PruneOptions(force_error=0.3, restarts=1, threads=1)


def some_scalars(potential: MTP, seed: int, share: float = 0.4) -> list[int]:
    count = len(potential.core.scalars)
    rng = np.random.default_rng(seed)
    return sorted(rng.choice(count, max(1, int(share * count)), replace=False).tolist())


def with_zeros(potential: MTP, kept: list[int]) -> MTP:
    """The same potential, where the coefficients of all other scalars are zero."""
    parameters = potential.parameters
    linear = parameters[-len(potential.core.scalars) :]
    linear[np.setdiff1d(np.arange(len(linear)), kept)] = 0.0
    result = MTP(potential.core)
    result.parameters = parameters
    return result


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_kept_scalars_alone_are_the_others_at_zero(case: Case, seed: int) -> None:
    potential = case.potential(seed)
    kept = some_scalars(potential, seed)
    restricted, whole = MTP(potential.core.keep_scalars(kept)), with_zeros(potential, kept)
    symbols = "".join(case.species) * 2
    for atoms in (cluster(symbols, seed), crystal(symbols, seed)):
        for value, target in zip(evaluate(restricted, atoms), evaluate(whole, atoms), strict=True):
            scale = max(1.0, np.abs(target).max())
            np.testing.assert_allclose(value, target, rtol=0, atol=1e-12 * scale)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_restriction_holds_only_what_is_needed(case: Case) -> None:
    core = case.potential().core
    restricted = core.keep_scalars(some_scalars(case.potential(), 2, 0.2))
    used = set(restricted.products[:, :2].ravel()) | set(restricted.scalars)
    assert used == set(range(restricted.moment_count))
    functions = set(restricted.basics[:, 0])
    assert functions == set(range(restricted.radial_function_count))
    back, _ = _core.parse_potential(_core.format_potential(restricted), "restricted")
    np.testing.assert_array_equal(back.parameters, restricted.parameters)
    np.testing.assert_array_equal(back.products, restricted.products)


def test_keeping_all_scalars_changes_nothing() -> None:
    core = Case("RBChebyshev", 12, 2).potential().core
    same = core.keep_scalars(list(range(len(core.scalars))))
    assert _core.format_potential(same) == _core.format_potential(core)


@pytest.mark.parametrize(
    ("kept", "message"),
    [
        ([], "at least one"),
        ([1, 0], "ascending"),
        ([2, 2], "ascending"),
        ([-1, 0], "between 0 and 8"),
        ([9], "between 0 and 8"),
    ],
)
def test_a_senseless_restriction_is_refused(kept: list[int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Case("RBChebyshev", 8, 1).potential().core.keep_scalars(kept)


def test_fewer_scalars_fewer_neighbors_and_lower_levels_cost_less() -> None:
    def cost(core: _core.Potential, neighbors: float = NEIGHBORS) -> float:
        return _core.cost(core, neighbors).effort

    high, low = (Case("RBChebyshev", level, 1).potential() for level in (16, 8))
    assert cost(low.core) < cost(high.core)
    assert cost(high.core, 20.0) < cost(high.core)
    kept = some_scalars(high, 0)
    restricted = high.core.keep_scalars(kept)
    assert cost(restricted) < cost(high.core)
    assert cost(with_zeros(high, kept).core) == cost(restricted)


def linear_equations(core: _core.Potential, frames: list) -> NormalEquations:
    labeled, _ = labeled_frames(MTP(core), frames, Weights())
    return Problem(core, labeled, 1).normal_equations(core.parameters, linear_only=True)


def noisy(frames: list, seed: int = 0, size: float = 0.05) -> list:
    rng = np.random.default_rng(seed)
    return [
        replace(frame, forces=frame.forces + size * rng.normal(size=frame.forces.shape))
        for frame in frames
    ]


def test_the_rise_of_the_loss_is_that_of_a_new_fit() -> None:
    potential = Case("RBChebyshev", 8, 1).potential(seed=1)
    frames = noisy(label(potential, distorted(12, "SiSiSi")))
    equations = linear_equations(potential.core, frames)
    ridge = np.full(len(equations.gradient), 1e-13)
    model = QuadraticModel(equations, potential.parameters[-len(ridge) :], ridge)
    removed: list[int] = []
    for group in ([3], [5, 8], [1, 9]):
        expected = model.loss + model.increase(np.array(group))
        model.hold_at_zero(np.array(group))
        removed += group
        scalars = [k for k in range(9) if k + 1 not in removed]
        core = potential.core.keep_scalars(scalars)
        fresh = linear_equations(core, frames)
        found = fresh.loss_after(np.linalg.solve(fresh.matrix, fresh.gradient))
        assert model.loss == pytest.approx(expected, rel=1e-9)
        assert found == pytest.approx(expected, rel=1e-6)
        assert np.all(model.parameters[removed] == 0.0)


def test_scalars_that_the_data_do_not_see_cost_nothing() -> None:
    matrix = np.diag([4.0, 0.0, 1.0])
    equations = NormalEquations(matrix, np.zeros(3), 1.0)
    model = QuadraticModel(equations, np.ones(3), np.full(3, 1e-12))
    assert model.increase(np.array([1])) == 0.0
    assert model.increase(np.array([0, 1])) == pytest.approx(4.0)
    model.hold_at_zero(np.array([0, 1]))
    np.testing.assert_allclose(model.parameters, [0.0, 0.0, 1.0])


def test_groups_cover_radial_functions_orders_and_single_scalars() -> None:
    core = Case("RBChebyshev", 12, 1).potential().core
    groups = {group.tobytes() for group in natural_groups(core)}
    assert all(row.tobytes() in groups for row in np.eye(len(core.scalars), dtype=bool))
    assert highest_order(core) == 4
    for nu in range(1, 4):
        low = orders_up_to(core, nu)
        assert (~low).tobytes() in groups
        assert highest_order(core.keep_scalars(np.flatnonzero(low).tolist())) == nu
    fewer = [core.keep_scalars(np.flatnonzero(~g).tolist()) for g in natural_groups(core)]
    assert min(each.radial_function_count for each in fewer) < core.radial_function_count


def trained_on_noise(level: int = 8) -> tuple[MTP, list]:
    """A potential near its optimum, and frames that it cannot fit to the end."""
    truth = Case("RBChebyshev", 10, 1).potential(seed=3)
    frames = noisy(label(truth, distorted(10, "SiSiSiSi", seed=3)))
    return Case("RBChebyshev", level, 1).potential(seed=3), frames


@pytest.fixture(scope="module")
def pruned() -> tuple[list[Point], list]:
    potential, frames = trained_on_noise()
    return prune(potential, frames, QUICK).points, frames


def test_points_keep_the_budget_and_lie_on_a_front(pruned: tuple[list[Point], list]) -> None:
    points, frames = pruned
    assert len(points) > 1
    for point in points:
        found = measure(frames, evaluate_frames(point.potential, frames)).total.forces
        assert found.rmse == pytest.approx(point.force_rmse, rel=1e-9)
        assert point.force_rmse <= 1.3 * points[0].force_rmse
    costs = [point.effort for point in points]
    assert costs == sorted(costs, reverse=True)
    errors = [point.force_rmse for point in points[1:]]
    assert errors == sorted(errors)


def test_energies_have_a_budget_of_their_own(pruned: tuple[list[Point], list]) -> None:
    first, frames = pruned[0][1].potential, pruned[1]
    options = replace(QUICK, force_error=3.0)
    free = prune(first, frames, options).points
    worst = max(point.energy_rmse for point in free[1:]) / free[0].energy_rmse - 1.0
    assert worst > 0.0
    within = prune(first, frames, replace(options, energy_error=0.5 * worst)).points
    most = (1.0 + 0.5 * worst) * free[0].energy_rmse
    assert len(within) > 1
    assert all(point.energy_rmse <= most for point in within)
    for point in within:
        found = measure(frames, evaluate_frames(point.potential, frames)).total.energy
        assert found.rmse == pytest.approx(point.energy_rmse, rel=1e-9)


def test_the_same_seed_prunes_to_the_same_bytes(pruned: tuple[list[Point], list]) -> None:
    potential, frames = trained_on_noise()
    again = prune(potential, frames, QUICK).points
    first, second = (
        [_core.format_potential(point.potential.core) for point in points]
        for points in (pruned[0], again)
    )
    assert first == second


def test_the_table_shows_what_was_measured(pruned: tuple[list[Point], list]) -> None:
    points, frames = pruned
    rows = judge(points, frames, frames[:2], threads=1)
    page = pareto_page(rows, "anything")
    assert page.count("\n| ") == len(points) + 1
    assert all(row.microseconds > 0.0 for row in rows)
    assert rows[-1].as_dict()["scalars"] == len(points[-1].potential.core.scalars)
    assert rows[0].train.forces.rmse == pytest.approx(points[0].force_rmse, rel=1e-9)


def test_pairs_of_species_keep_their_radial_functions() -> None:
    truth = Case("RBChebyshev", 8, 2).potential(seed=5)
    frames = noisy(label(truth, distorted(8, "SiAlSiAl", seed=5)))
    points = prune(truth, frames, replace(QUICK, restarts=0)).points
    core = points[-1].potential.core
    assert core.species == truth.core.species
    linear = len(core.scalars) + 2
    assert len(core.parameters) == 4 * core.radial_function_count * core.radial_size + linear
    assert points[-1].force_rmse <= 1.3 * points[0].force_rmse


def test_scalars_at_zero_go_first_and_at_no_loss() -> None:
    potential, frames = trained_on_noise(12)
    kept = some_scalars(potential, 0, 0.5)
    reached: list[Point] = []
    result = prune(with_zeros(potential, kept), frames, QUICK, reached.append)
    assert reached[0] is result.points[0]
    assert len(reached[1].potential.core.scalars) == len(kept)
    assert reached[1].loss <= result.points[0].loss * (1.0 + 1e-9)
    assert all(len(point.potential.core.scalars) <= len(kept) for point in result.points[1:])


def test_ctrl_c_leaves_what_was_found() -> None:
    potential, frames = trained_on_noise()
    reached: list[Point] = []

    def interrupt(point: Point) -> None:
        reached.append(point)
        if len(reached) == 6:
            raise KeyboardInterrupt

    result = prune(potential, frames, QUICK, interrupt)
    assert result.interrupted
    assert result.points[0].potential.core is potential.core


def test_what_cannot_be_pruned_is_refused() -> None:
    potential, frames = trained_on_noise()
    untrained = MTP.new(8, ["Si"], 5.0)
    with pytest.raises(InputError, match="untrained"):
        prune(untrained, frames, QUICK)
    bare = [replace(frame, forces=None) for frame in frames]
    with pytest.raises(InputError, match="no frame has forces"):
        prune(potential, bare, QUICK)


def test_a_front_leaves_out_what_is_beaten() -> None:
    potential = Case("RBChebyshev", 4, 1).potential()
    pairs = [(5.0, 0.1), (4.0, 0.3), (3.0, 0.2), (3.0, 0.4), (1.0, 0.9)]
    points = [Point(potential, 0.0, error, 0.0, cost) for cost, error in pairs]
    assert [(p.effort, p.force_rmse) for p in pareto_front(points)] == [
        (5.0, 0.1),
        (3.0, 0.2),
        (1.0, 0.9),
    ]


def test_times_are_those_of_the_potentials_in_their_order() -> None:
    potential = Case("RBChebyshev", 8, 1).potential()
    times = measure_times([potential, potential], [bare_frame(crystal("SiSi"))])
    assert len(times) == 2
    assert min(times) > 0.0
