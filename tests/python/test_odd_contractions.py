"""Lists that no generator makes: whatever a file may say, the engine computes what it says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import oracle
import pytest
from models import (
    BASES,
    CUTOFF,
    MIN_DISTANCE,
    TOLERANCES,
    assert_close,
    cluster,
    crystal,
    evaluate,
    hoods,
    types,
)

from mtpot import MTP, _core

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from ase import Atoms

SPECIES = ("Si", "Al")
RADIAL_SIZE = 5
TOLERANCE = TOLERANCES["double"]

Quadruple = tuple[int, int, int, int]


@dataclass(frozen=True)
class Lists:
    """Basics are mu a b c, products left right multiplier target."""

    basics: Sequence[Quadruple]
    products: Sequence[Quadruple]
    scalars: Sequence[int]

    @property
    def moment_count(self) -> int:
        """Every moment is a basic one or the target of a product."""
        return len(self.basics) + len({target for *_, target in self.products})

    @property
    def radial_function_count(self) -> int:
        """Those that no basic uses count as well."""
        return 1 + max(mu for mu, *_ in self.basics)


def fours(text: str) -> list[Quadruple]:
    """The quadruples of "0 1 0 0 | 0 0 1 0"."""
    rows = [tuple(map(int, row.split())) for row in text.split("|")]
    return [(a, b, c, d) for a, b, c, d in rows]


LISTS = {
    "orders rise with mu": Lists(
        basics=fours(
            "0 0 0 0 | 1 1 0 0 | 1 0 1 0 | 1 0 0 1 | 2 2 0 0 | 2 1 1 0 | 2 0 2 0 | "
            "2 1 0 1 | 2 0 1 1 | 2 0 0 2"
        ),
        products=fours(
            "1 1 1 10 | 2 2 1 10 | 3 3 1 10 | 4 4 1 11 | 6 6 1 11 | 9 9 1 11 | "
            "5 5 2 11 | 7 7 2 11 | 8 8 2 11 | 0 10 1 12"
        ),
        scalars=[0, 10, 11, 12],
    ),
    "orders go up and down": Lists(
        basics=fours("0 0 0 1 | 1 0 0 4 | 2 0 0 0 | 3 1 1 1 | 4 0 1 0"),
        products=fours("0 4 1 5 | 1 2 1 6 | 3 5 1 7"),
        scalars=[2, 5, 6, 7],
    ),
    "orders up to 20": Lists(
        basics=fours("0 18 0 0 | 0 3 9 8 | 1 0 0 0 | 1 0 17 2 | 2 1 0 0"),
        products=fours("0 2 1 5 | 1 4 1 6 | 3 3 1 7 | 0 1 1 8"),
        scalars=[2, 5, 6, 7, 8],
    ),
    "gaps in mu": Lists(
        basics=fours("1 0 0 0 | 4 1 0 0 | 4 0 1 0 | 4 0 0 1 | 9 0 0 0"),
        products=fours("1 1 1 5 | 2 2 1 5 | 3 3 1 5 | 0 4 1 6"),
        scalars=[0, 4, 5, 6],
    ),
    "lone components": Lists(
        basics=fours("0 1 2 3 | 0 0 0 6 | 1 0 0 5 | 2 0 3 1 | 2 2 0 2"),
        products=fours("0 1 1 5 | 2 2 1 6 | 3 4 1 7"),
        scalars=[0, 2, 5, 6, 7],
    ),
    "basics in disorder, one of them twice": Lists(
        basics=fours("2 0 0 0 | 0 0 0 2 | 1 1 0 0 | 0 0 0 0 | 0 0 0 2"),
        products=fours("1 4 1 5 | 2 2 1 6"),
        scalars=[6, 0, 5, 1, 4],
    ),
    "sums that mix, interleave and cancel": Lists(
        basics=fours("0 0 0 0 | 0 1 0 0 | 1 0 0 0"),
        products=fours(
            "0 0 3 3 | 1 2 -2 4 | 2 0 1 3 | 1 1 0 5 | 0 2 -1 3 | 3 3 -1 6 | "
            "4 3 5 6 | 6 3 1 7 | 2 2 1 8 | 2 2 -1 8"
        ),
        scalars=[3, 4, 5, 6, 7, 8],
    ),
    "everything at once": Lists(
        basics=fours(
            "0 0 0 0 | 3 1 2 3 | 3 0 0 2 | 1 0 0 5 | 5 2 0 0 | 6 0 0 0 | 7 0 1 2 | 8 1 0 0"
        ),
        products=fours(
            "1 3 2 8 | 2 2 -1 9 | 8 9 3 10 | 4 7 1 11 | 6 6 1 12 | 10 12 1 13 | 5 0 2 14 | 0 7 5 14"
        ),
        scalars=[0, 10, 13, 4, 11, 14],
    ),
    "one basic and no product": Lists(
        basics=fours("0 0 0 0"),
        products=[],
        scalars=[0],
    ),
    "moments that nothing reads": Lists(
        basics=fours("0 0 0 0 | 1 0 2 1 | 2 0 0 0"),
        products=fours("1 1 1 3 | 3 3 1 4 | 0 0 1 5"),
        scalars=[0, 5],
    ),
}
# Which linear coefficients are not zero: the engine leaves out what the energy does not depend on.
KEPT: dict[str, Callable[[int], slice | list[int]]] = {
    "all xi": lambda _: slice(None),
    "xi all zero": lambda _: [],
    "only the first xi": lambda _: [0],
    "only the middle xi": lambda count: [count // 2],
    "only the last xi": lambda count: [count - 1],
}


def braces(items: Iterable[object]) -> str:
    return "{" + ", ".join(map(str, items)) + "}"


def nested(rows: Iterable[Iterable[object]]) -> str:
    return braces(braces(row) for row in rows)


def radial_lines(lists: Lists, rng: np.random.Generator) -> list[str]:
    lines = []
    for center in range(len(SPECIES)):
        for neighbor in range(len(SPECIES)):
            table = 0.2 * rng.normal(size=(lists.radial_function_count, RADIAL_SIZE))
            lines += [f"\t\t{center}-{neighbor}", *("\t\t\t" + braces(row) for row in table)]
    return lines


def file_text(lists: Lists, basis: str, kept: slice | list[int]) -> str:
    """Random parameters; only the linear coefficients in `kept` are not zero."""
    rng = np.random.default_rng(5)
    linear = np.zeros(len(lists.scalars))
    linear[kept] = rng.normal(size=linear.size)[kept]
    lines = [
        "MTP",
        "version = 1.1.0",
        "potential_name = odd",
        "scaling = 0.1",
        f"species_count = {len(SPECIES)}",
        f"potential_tag = species {' '.join(SPECIES)}",
        f"radial_basis_type = {basis}",
        f"\tmin_dist = {MIN_DISTANCE}",
        f"\tmax_dist = {CUTOFF}",
        f"\tradial_basis_size = {RADIAL_SIZE}",
        f"\tradial_funcs_count = {lists.radial_function_count}",
        "\tradial_coeffs",
        *radial_lines(lists, rng),
        f"alpha_moments_count = {lists.moment_count}",
        f"alpha_index_basic_count = {len(lists.basics)}",
        f"alpha_index_basic = {nested(lists.basics)}",
        f"alpha_index_times_count = {len(lists.products)}",
        f"alpha_index_times = {nested(lists.products)}",
        f"alpha_scalar_moments = {len(lists.scalars)}",
        f"alpha_moment_mapping = {braces(lists.scalars)}",
        f"species_coeffs = {braces(rng.normal(size=len(SPECIES)))}",
        f"moment_coeffs = {braces(linear)}",
    ]
    return "\n".join(lines) + "\n"


class Subject(NamedTuple):
    """The same file as the engine and as the oracle read it."""

    potential: MTP
    reference: oracle.Oracle

    def arguments(self, atoms: Atoms) -> tuple[Any, ...]:
        """What the oracle takes."""
        return types(self.potential, atoms), atoms.positions, atoms.cell.array, atoms.pbc


@pytest.fixture(params=BASES)
def basis(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=LISTS.values(), ids=list(LISTS))
def lists(request: pytest.FixtureRequest) -> Lists:
    return request.param


@pytest.fixture(params=KEPT.values(), ids=list(KEPT))
def subject(request: pytest.FixtureRequest, lists: Lists, basis: str, tmp_path: Path) -> Subject:
    path = tmp_path / "odd.mtp"
    path.write_text(file_text(lists, basis, request.param(len(lists.scalars))))
    return Subject(MTP.load(path), oracle.read(path))


@pytest.mark.parametrize("precision", TOLERANCES)
@pytest.mark.parametrize("build", [cluster, crystal], ids=["cluster", "crystal"])
def test_energies_forces_and_virial_are_the_oracle_s(
    subject: Subject, build: Callable[..., Atoms], precision: str
) -> None:
    atoms = build("SiAlSiAl", seed=1)
    reference = subject.reference.predict(*subject.arguments(atoms))
    values = evaluate(subject.potential, atoms, 1, precision)
    assert_close(values, reference.parts, TOLERANCES[precision])


def test_rows_are_the_oracle_s(subject: Subject) -> None:
    atoms = crystal("SiAlSiAl", seed=2)
    rows = _core.Design(subject.potential.core).rows(hoods(subject.potential, atoms))
    assert_close([rows], [subject.reference.rows(*subject.arguments(atoms))], TOLERANCE)


def test_tangents_are_the_oracle_s(subject: Subject) -> None:
    atoms = crystal("SiAlSi", seed=3)
    design = _core.Design(subject.potential.core)
    tangents, values = design.tangents(hoods(subject.potential, atoms))
    arguments = subject.arguments(atoms)
    assert_close([values], [subject.reference.predict(*arguments).vector], TOLERANCE)
    for direction in np.random.default_rng(4).normal(size=(4, tangents.shape[1])):
        expected = subject.reference.along(direction, *arguments).vector
        assert_close([tangents @ direction], [expected], TOLERANCE)


def test_lists_survive_a_round_trip(subject: Subject, lists: Lists, tmp_path: Path) -> None:
    path = tmp_path / "again.mtp"
    subject.potential.save(path)
    again = _core.read_potential(str(path))[0]
    assert again.basics.tolist() == list(map(list, lists.basics))
    assert again.products.reshape(-1, 4).tolist() == list(map(list, lists.products))
    assert again.scalars.tolist() == list(lists.scalars)
