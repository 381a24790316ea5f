"""The scalars of every level are the multigraphs of the theory, by a valid list of products.

Shapeev, Multiscale Model. Simul. 14 (2016) 1153: a scalar is a loopless multigraph whose nodes are
the moments M_{mu,nu} and whose edges contract pairs of indices; nu is the degree of a node, and
the level is the sum over the nodes of 2 + 4 mu + nu.
"""

from __future__ import annotations

import itertools
import string
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import oracle
import pytest

from mtpot import _core
from mtpot.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

RADIAL_SIZE = 8
NO_CAP = 16

# Of MLIP-3's templates: scalars, basic moments, radial functions, parameters, products.
TEMPLATES = {
    2: (1, 1, 1, 10, 0),
    4: (2, 1, 1, 11, 1),
    6: (5, 5, 2, 22, 5),
    8: (9, 11, 2, 26, 14),
    10: (16, 25, 3, 41, 42),
    12: (29, 46, 3, 54, 117),
    14: (52, 81, 4, 85, 348),
    16: (92, 130, 4, 125, 969),
    18: (163, 201, 5, 204, 2634),
    20: (288, 295, 5, 329, 6349),
    22: (500, 421, 6, 549, 15431),
    24: (864, 581, 6, 913, 36170),
    26: (1464, 706, 6, 1513, 82520),
    28: (2445, 866, 6, 2494, 180069),
}
LEVELS = pytest.mark.parametrize("level", TEMPLATES, ids=lambda level: f"level{level}")


@dataclass(frozen=True)
class Rule:
    """A level and its caps; `str` of it is the test's id."""

    level: int
    max_factors: int = 4
    max_mu: int = 5
    max_nu: int = 10

    def __str__(self) -> str:
        return f"level{self.level}-{self.max_factors}factors-mu{self.max_mu}-nu{self.max_nu}"

    def generate(self) -> _core.Potential:
        """The untrained potential of this rule, for one species."""
        return _core.Potential.new(
            level=self.level,
            species=["Si"],
            cutoff=5.0,
            min_distance=2.0,
            radial_size=RADIAL_SIZE,
            radial_basis="RBChebyshev",
            max_factors=self.max_factors,
            max_mu=self.max_mu,
            max_nu=self.max_nu,
        )


@dataclass(frozen=True)
class Multigraph:
    """Labels mu of the nodes, and how often each pair of nodes (in the order of combinations)."""

    labels: tuple[int, ...]
    edges: tuple[int, ...]

    @property
    def degrees(self) -> tuple[int, ...]:
        """Number of edges that end at each node."""
        result = [0] * len(self.labels)
        for (i, j), count in zip(node_pairs(len(self.labels)), self.edges, strict=True):
            result[i] += count
            result[j] += count
        return tuple(result)

    def least_renumbered(self) -> Multigraph:
        """The same graph in the numbering that sorts first, by trying all."""
        size = len(self.labels)
        count = dict(zip(node_pairs(size), self.edges, strict=True))
        labels, edges = min(
            (
                tuple(self.labels[i] for i in order),
                tuple(count[min(a, b), max(a, b)] for a, b in itertools.combinations(order, 2)),
            )
            for order in itertools.permutations(range(size))
        )
        return Multigraph(labels, edges)


def node_pairs(size: int) -> list[tuple[int, int]]:
    """All pairs of `size` nodes."""
    return list(itertools.combinations(range(size), 2))


def compositions(total: int, parts: int) -> Iterator[tuple[int, ...]]:
    """All ways to write `total` as a sum of `parts` numbers >= 0, in order."""
    if parts == 0:
        if total == 0:
            yield ()
        return
    for first in range(total + 1):
        for rest in compositions(total - first, parts - 1):
            yield (first, *rest)


def all_multigraphs(rule: Rule) -> set[Multigraph]:
    """Brute force: every labeling and every choice of edges, equal ones by renumbering."""
    found = set()
    for size in range(1, min(rule.max_factors, rule.level // 2) + 1):
        for labels in itertools.combinations_with_replacement(range(rule.max_mu + 1), size):
            spare = (rule.level - 2 * size - 4 * sum(labels)) // 2
            for edge_count in range(spare + 1):
                for edges in compositions(edge_count, len(node_pairs(size))):
                    graph = Multigraph(labels, edges)
                    if max(graph.degrees) <= rule.max_nu:
                        found.add(graph.least_renumbered())
    return found


class RandomTensors:
    """Symmetric tensors M_{mu,nu} of random integers, so that contractions are exact."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._components: dict[tuple[int, ...], int] = {}

    def component(self, mu: int, a: int, b: int, c: int) -> int:
        """The component whose indices are a times x, b times y and c times z."""
        return self._components.setdefault((mu, a, b, c), int(self._rng.integers(1, 99)))

    def tensor(self, mu: int, nu: int) -> NDArray[np.int64]:
        """All 3^nu components."""
        result = np.empty((3,) * nu, dtype=np.int64)
        for axes in itertools.product(range(3), repeat=nu):
            result[axes] = self.component(mu, *(axes.count(axis) for axis in range(3)))
        return result

    def contract(self, graph: Multigraph) -> int:
        """The scalar of a multigraph, index by index."""
        letters = iter(string.ascii_letters)
        indices = [""] * len(graph.labels)
        for (i, j), count in zip(node_pairs(len(graph.labels)), graph.edges, strict=True):
            shared = "".join(itertools.islice(letters, count))
            indices[i] += shared
            indices[j] += shared
        tensors = [self.tensor(mu, nu) for mu, nu in zip(graph.labels, graph.degrees, strict=True)]
        return int(np.einsum(",".join(indices) + "->", *tensors, optimize="greedy"))


def scalar_values(
    lists: _core.Potential | oracle.Oracle, basic_moments: NDArray[Any]
) -> NDArray[Any]:
    """The scalars, shape [..., scalars], from basic moments, shape [..., basics]."""
    moments = np.zeros((lists.moment_count, *basic_moments.shape[:-1]), basic_moments.dtype)
    moments[: len(lists.basics)] = np.moveaxis(basic_moments, -1, 0)
    for left, right, multiplier, target in lists.products:
        moments[target] += multiplier * moments[left] * moments[right]
    return np.moveaxis(moments[lists.scalars], 0, -1)


def exact_values(potential: _core.Potential, tensors: RandomTensors) -> list[int]:
    """The scalars of random integer tensors."""
    basics = [tensors.component(*map(int, basic)) for basic in potential.basics]
    return [int(value) for value in scalar_values(potential, np.array(basics))]


def environment_scalars(lists: _core.Potential | oracle.Oracle, count: int) -> NDArray[np.float64]:
    """Scalars of random environments, shape [count, scalars], each column of unit norm.

    Twelve neighbors in random directions; their radial functions are independent numbers.
    """
    rng = np.random.default_rng(20)
    directions = rng.normal(size=(count, 12, 3))
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    radial = rng.normal(size=(6, count, 12))
    columns = [
        (radial[mu] * np.prod(directions ** np.array(powers), axis=-1)).sum(axis=1)
        for mu, *powers in lists.basics
    ]
    values = scalar_values(lists, np.stack(columns, axis=-1))
    values /= np.linalg.norm(values, axis=0)
    return values


def rank(columns: NDArray[np.float64]) -> int:
    """Numerical rank; beside rounding errors, singular values are far above the tolerance."""
    singular = np.linalg.svd(columns, compute_uv=False)
    return int(np.count_nonzero(singular > 1e-11 * singular[0]))


def random_rules() -> list[Rule]:
    """Levels and caps that brute force can enumerate."""
    rng = np.random.default_rng(2)
    small = [(int(rng.integers(1, 8)) * 2, int(rng.integers(4, 7))) for _ in range(8)]
    large = [(int(rng.integers(7, 11)) * 2, int(rng.integers(1, 5))) for _ in range(8)]
    return [
        Rule(level, factors, int(rng.integers(0, 5)), int(rng.integers(0, 9)))
        for level, factors in small + large
    ]


@LEVELS
def test_counts_are_those_of_the_template(level: int) -> None:
    potential = Rule(level).generate()
    scalars, basics, radial_functions, parameters, products = TEMPLATES[level]
    assert len(potential.scalars) == scalars
    assert len(potential.basics) == basics
    assert potential.radial_function_count == radial_functions
    assert len(potential.parameters) == parameters
    assert potential.level == level
    assert len(potential.products) <= products


@pytest.mark.parametrize(
    ("rule", "scalars"),
    [
        (Rule(10, max_factors=9), 17),
        (Rule(26, max_mu=NO_CAP, max_nu=NO_CAP), 1466),
        (Rule(28, max_mu=NO_CAP, max_nu=NO_CAP), 2455),
        (Rule(12, max_factors=1), 3),
        (Rule(12, max_nu=0, max_mu=0), 4),
    ],
    ids=str,
)
def test_caps_are_obeyed(rule: Rule, scalars: int) -> None:
    assert len(rule.generate().scalars) == scalars


@pytest.mark.parametrize("rule", [Rule(16), Rule(20), *random_rules()], ids=str)
def test_scalars_are_the_contractions_of_all_multigraphs(rule: Rule) -> None:
    potential = rule.generate()
    graphs = all_multigraphs(rule)
    occurring = {pair for graph in graphs for pair in zip(graph.labels, graph.degrees, strict=True)}
    tensors = RandomTensors(seed=1)
    assert sorted(exact_values(potential, tensors)) == sorted(map(tensors.contract, graphs))
    assert potential.basics.tolist() == [
        [mu, a, b, nu - a - b]
        for mu, nu in sorted(occurring)
        for a in range(nu, -1, -1)
        for b in range(nu - a, -1, -1)
    ]


@pytest.mark.parametrize(
    "rule", [Rule(2), Rule(16), Rule(22), Rule(18, max_factors=NO_CAP)], ids=str
)
def test_products_read_only_complete_moments(rule: Rule) -> None:
    potential = rule.generate()
    basic_count = len(potential.basics)
    targets = potential.products[:, 3]
    assert np.all(potential.products[:, :2] < targets[:, None])
    # Consecutive targets: all products of a moment stand together, and no moment lacks any.
    assert [moment for moment, _ in itertools.groupby(targets)] == list(
        range(basic_count, potential.moment_count)
    )


@pytest.mark.parametrize("rule", [Rule(16), Rule(22)], ids=str)
def test_no_product_is_idle_or_doubled(rule: Rule) -> None:
    potential = rule.generate()
    left, right, multipliers, targets = potential.products.T
    built = set(range(len(potential.basics), potential.moment_count))
    assert built <= {*left.tolist(), *right.tolist(), *potential.scalars.tolist()}
    assert len(np.unique(potential.scalars)) == len(potential.scalars)
    assert np.all(multipliers >= 1)
    assert np.all(left <= right)
    assert len(set(zip(left, right, targets, strict=True))) == len(targets)


def test_scalars_of_a_lower_level_come_first() -> None:
    tensors = RandomTensors(seed=3)
    lower = exact_values(Rule(14).generate(), tensors)
    higher = exact_values(Rule(18).generate(), tensors)
    assert higher[: len(lower)] == lower


@pytest.mark.parametrize(("level", "expected"), [(8, 9), (12, 29), (16, 91), (20, 282)], ids=str)
def test_rank_over_random_environments(level: int, expected: int) -> None:
    assert rank(environment_scalars(Rule(level).generate(), count=600)) == expected


@pytest.mark.parametrize(
    ("name", "level"),
    [
        ("mono_06.mtp", 6),
        ("multi_08.mtp", 8),
        ("repuls_10.mtp", 10),
        ("multi_12.mtp", 12),
        ("mono_16.mtp", 16),
        ("mono_20.mtp", 20),
    ],
)
def test_scalars_span_the_space_of_a_reference_file(mlip3: Path, name: str, level: int) -> None:
    reference = oracle.read(mlip3 / name)
    theirs = environment_scalars(reference, count=600)
    ours = environment_scalars(Rule(level).generate(), count=600)
    assert rank(ours) == rank(theirs) == rank(np.hstack([ours, theirs]))


@pytest.mark.parametrize(
    "rule",
    [
        Rule(0),
        Rule(-2),
        Rule(15),
        Rule(34),
        Rule(8, max_factors=0),
        Rule(8, max_mu=-1),
        Rule(8, max_nu=-1),
    ],
    ids=str,
)
def test_a_rule_out_of_range_is_refused(rule: Rule) -> None:
    with pytest.raises(InputError, match=r"^(level|max_)"):
        rule.generate()
