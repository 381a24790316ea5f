"""Neighbor lists kept from step to step change nothing: the results are those of fresh ones."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.md.verlet import VelocityVerlet
from models import CUTOFF, SMALL_CASES, Case, cluster, crystal, expected

from mtpot import MTP, InputError, MTPCalculator, NumericalError, _core, potential_path
from mtpot.active.select import build_selection
from mtpot.data.frame import Frame as DataFrame
from mtpot.verlet import Frame, VerletList, closest_stranger

CASE = Case("RBChebyshev", 8, 2)
Steps = Iterator[None]


@pytest.fixture
def potential() -> MTP:
    """Two species, level 8."""
    return CASE.potential()


def kept_and_fresh(potential: MTP, atoms: Atoms) -> tuple[dict, dict]:
    """Results with the lists of the structure's own calculator, and with new ones."""
    atoms.get_forces()
    fresh = MTPCalculator(potential, threads=1)
    fresh.calculate(atoms)
    return atoms.calc.results, fresh.results


def assert_fresh(potential: MTP, atoms: Atoms) -> None:
    """Every result is that of new lists, to the last bit."""
    kept, fresh = kept_and_fresh(potential, atoms)
    assert kept.keys() == fresh.keys()
    for name, value in fresh.items():
        np.testing.assert_array_equal(kept[name], value, err_msg=name)


def searches(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Reaches of all searches from now on."""
    reaches: list[float] = []
    search = VerletList._search

    def counted(self: VerletList, frame: Frame, reach: float) -> None:
        reaches.append(reach)
        search(self, frame, reach)

    monkeypatch.setattr(VerletList, "_search", counted)
    return reaches


def rattled(atoms: Atoms, size: float, steps: int = 12) -> Steps:
    """Random steps of every atom."""
    rng = np.random.default_rng(1)
    for _ in range(steps):
        atoms.positions += rng.uniform(-size, size, (len(atoms), 3))
        yield


def strained(atoms: Atoms) -> Steps:
    """The cell changes in every step, the atoms follow it and move besides."""
    rng = np.random.default_rng(2)
    for _ in rattled(atoms, 0.03, 20):
        strain = np.eye(3) + rng.uniform(-0.02, 0.02, (3, 3))
        atoms.set_cell(atoms.cell.array @ strain, scale_atoms=True)
        yield


def strained_alone(atoms: Atoms) -> Steps:
    """The cell changes and the atoms stay."""
    rng = np.random.default_rng(3)
    for _ in range(8):
        atoms.set_cell(atoms.cell.array @ (np.eye(3) + rng.uniform(-0.01, 0.01, (3, 3))))
        yield


def wrapped(atoms: Atoms) -> Steps:
    """Atoms drift out of the cell and are put back."""
    for _ in range(12):
        atoms.positions += [0.4, 0.1, -0.3]
        atoms.wrap()
        yield


def drifting(atoms: Atoms) -> Steps:
    """Atoms leave the cell for good."""
    for _ in range(12):
        atoms.positions += [0.4, 0.1, -0.3]
        yield


def swapped(atoms: Atoms) -> Steps:
    """Atoms exchange their species and their numbers."""
    rng = np.random.default_rng(4)
    for k in range(8):
        if k % 2:
            atoms.numbers = rng.permutation(atoms.numbers)
        else:
            atoms.positions = rng.permutation(atoms.positions)
        yield


def growing(atoms: Atoms) -> Steps:
    """Atoms come and go."""
    for _ in range(4):
        place = atoms.positions[0].copy()
        del atoms[0]
        yield
        atoms.append("Al")
        atoms.positions[-1] = place
        yield


def opened(atoms: Atoms) -> Steps:
    """Directions lose and regain their periodicity."""
    for mask in itertools.product([True, False], repeat=3):
        atoms.pbc = mask
        yield


def growing_cell(atoms: Atoms) -> Steps:
    """From far smaller than the cutoff to larger, which leaves no list of use."""
    for _ in range(6):
        atoms.set_cell(1.3 * atoms.cell.array, scale_atoms=True)
        yield


MOTIONS: list[Callable[[Atoms], Steps]] = [
    lambda atoms: rattled(atoms, 0.02),
    lambda atoms: rattled(atoms, 0.6),
    strained,
    strained_alone,
    wrapped,
    drifting,
    swapped,
    growing,
    opened,
    growing_cell,
]
NAMES = ["rattled", "shaken", "strained", "strained alone", "wrapped", "drifting", "swapped"]
NAMES += ["growing", "opened", "growing cell"]

STRUCTURES = {
    "crystal": lambda: crystal("SiAlSiAl", seed=1),
    "larger crystal": lambda: crystal("SiAlSi", seed=2).repeat(2),
    "one atom": lambda: crystal("Si", seed=3),
    "cluster": lambda: cluster("SiAlSiAlSi", seed=4),
}
for mask in itertools.product([True, False], repeat=3):
    if any(mask) and not all(mask):
        STRUCTURES["".join("FT"[p] for p in mask)] = lambda mask=mask: partly_periodic(mask)


def partly_periodic(mask: tuple[bool, bool, bool]) -> Atoms:
    """A slab or a wire without cell vectors across."""
    atoms = crystal("SiAlSi", seed=5)
    atoms.set_cell(np.where(np.array(mask)[:, None], atoms.cell.array, 0.0))
    atoms.pbc = mask
    return atoms


@pytest.mark.parametrize("build", STRUCTURES.values(), ids=list(STRUCTURES))
@pytest.mark.parametrize("motion", MOTIONS, ids=NAMES)
def test_results_are_those_of_fresh_lists(potential, build, motion):
    atoms = build()
    if motion is opened and atoms.cell.rank < 3:
        pytest.skip("a direction without a cell vector stays as it is")
    atoms.calc = MTPCalculator(potential, threads=1)
    atoms.get_forces()
    for _ in motion(atoms):
        assert_fresh(potential, atoms)


@pytest.mark.parametrize("case", SMALL_CASES, ids=str)
def test_kept_lists_agree_with_the_oracle(case, monkeypatch):
    potential = case.potential()
    atoms = crystal("SiAlSi", seed=6)
    atoms.calc = MTPCalculator(potential)
    atoms.get_forces()
    reaches = searches(monkeypatch)
    for _ in rattled(atoms, 0.01, 5):
        atoms.get_forces()
    assert len(reaches) == 1  # the skin, and then no more
    reference = expected(potential, atoms)
    scale = np.abs(reference.forces).max()
    np.testing.assert_allclose(atoms.get_forces(), reference.forces, atol=1e-11 * scale)


@pytest.mark.parametrize("mode", ["nbh", "cfg"])
def test_grades_are_those_of_fresh_lists(potential, mode):
    frames = [crystal("SiAlSi", seed=seed) for seed in range(10)]
    records = [
        DataFrame(
            symbols=tuple(atoms.get_chemical_symbols()),
            positions=atoms.positions,
            cell=atoms.cell.array,
            pbc=atoms.pbc,
            energy=0.0,
        )
        for atoms in frames
    ]
    graded = MTP(potential.core, build_selection(potential, records, mode))
    atoms = crystal("SiAl", seed=20).repeat(2)
    atoms.calc = MTPCalculator(graded, threads=1)
    atoms.get_forces()
    assert ("grades" in atoms.calc.results) == (mode == "nbh")
    for _ in strained(atoms):
        assert_fresh(graded, atoms)


@pytest.fixture
def silicon() -> Atoms:
    """64 atoms at 600 K with the shipped potential."""
    atoms = bulk("Si", cubic=True).repeat(2)
    variance = 2 * units.kB * 600 / atoms.get_masses()[:, None]
    atoms.set_velocities(np.sqrt(variance) * np.random.default_rng(0).normal(size=(64, 3)))
    return atoms


def test_molecular_dynamics_is_that_of_fresh_lists(silicon, monkeypatch):
    """Two hundred steps amplify the last bit of a force."""
    ends = []
    for skin in (0.0, 1.0, 2.5):
        atoms = silicon.copy()
        atoms.calc = MTPCalculator(potential_path("silicon"), threads=1, skin=skin)
        reaches = searches(monkeypatch)
        VelocityVerlet(atoms, 2 * units.fs).run(200)
        assert len(reaches) > 200 if skin == 0.0 else len(reaches) < 30
        ends.append(atoms.positions)
    np.testing.assert_array_equal(ends[1], ends[0])
    np.testing.assert_array_equal(ends[2], ends[0])


def test_different_structures_are_searched_without_a_skin(potential, monkeypatch):
    reaches = searches(monkeypatch)
    calculator = MTPCalculator(potential)
    for seed in range(4):
        calculator.calculate(crystal("SiAlSi", seed=seed))
    assert reaches == 4 * [CUTOFF]


def test_a_structure_that_moves_on_is_searched_with_a_skin(potential, monkeypatch):
    reaches = searches(monkeypatch)
    atoms = crystal("SiAlSi", seed=1)
    atoms.calc = MTPCalculator(potential, skin=0.5)
    for _ in rattled(atoms, 0.05, 40):
        atoms.get_forces()
    assert reaches[0] == CUTOFF
    assert set(reaches[1:]) == {CUTOFF + 0.5}
    assert len(reaches) < 20


@pytest.mark.parametrize("threads", [2, 3, None], ids=str)
def test_threads_give_the_same_results_to_rounding(potential, threads):
    atoms = crystal("SiAlSi", seed=7).repeat((4, 3, 3))
    serial, parallel = (MTPCalculator(potential, threads=n) for n in (1, threads))
    for _ in rattled(atoms, 0.05, 3):
        for calculator in (serial, parallel):
            calculator.calculate(atoms)
        for name, target in serial.results.items():
            scale = np.abs(target).max()
            np.testing.assert_allclose(parallel.results[name], target, atol=5e-13 * scale, rtol=0)


def collide(atoms: Atoms, offset: float) -> None:
    """Put an atom on the place of another."""
    atoms.positions[3] = atoms.positions[1] + [offset, 0, 0]


@pytest.mark.parametrize("offset", [0.0, 9e-7], ids=str)
def test_atoms_that_come_together_are_named(silicon, offset):
    silicon.calc = MTPCalculator(potential_path("silicon"), threads=1, skin=2.5)
    for _ in rattled(silicon, 0.01, 2):
        silicon.get_forces()
    kept = silicon.positions.copy()
    approach = silicon.positions[1] - silicon.positions[3]
    for fraction in (0.1, 0.1, 0.1):
        silicon.positions[3] += fraction * approach
        silicon.get_forces()
    collide(silicon, offset)
    with pytest.raises(NumericalError, match=r"atoms (1 and 3|3 and 1) are less than 1e-6"):
        silicon.get_forces()
    assert not silicon.calc.results
    silicon.positions = kept
    assert_fresh(MTP.load(potential_path("silicon")), silicon)


SPOIL = {
    "nan position": (lambda atoms: atoms.positions.__setitem__((2, 1), np.nan), "atom 2"),
    "infinite position": (lambda atoms: atoms.positions.__setitem__((2, 1), -np.inf), "atom 2"),
    "nan cell": (lambda atoms: atoms.cell.__setitem__((0, 0), np.nan), "finite"),
    "infinite cell": (lambda atoms: atoms.cell.__setitem__((0, 0), np.inf), "finite"),
    "zero volume": (lambda atoms: atoms.cell.__setitem__(2, atoms.cell[0]), "no volume"),
}


@pytest.mark.parametrize(("spoil", "message"), SPOIL.values(), ids=list(SPOIL))
def test_numbers_that_fail_under_way_are_refused(potential, spoil, message):
    atoms = crystal("SiAlSi", seed=8)
    atoms.calc = MTPCalculator(potential)
    for _ in rattled(atoms, 0.01, 3):
        atoms.get_forces()
    kept = atoms.copy()
    spoil(atoms)
    for _ in range(2):
        with pytest.raises(InputError, match=message):
            atoms.get_forces()
    atoms.positions, atoms.cell = kept.positions, kept.cell
    assert_fresh(potential, atoms)


def test_empty_structures_come_and_go(potential):
    calculator = MTPCalculator(potential)
    for atoms in (Atoms(), crystal("Si", seed=1), Atoms(pbc=True, cell=[3, 3, 3]), Atoms()):
        calculator.calculate(atoms)
        assert calculator.results["forces"].shape == (len(atoms), 3)


def frame(atoms: Atoms) -> Frame:
    """A structure as lists take it."""
    return Frame(atoms.positions, atoms.cell.array, atoms.pbc)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("mask", list(itertools.product([True, False], repeat=3)), ids=str)
def test_no_stranger_comes_closer_than_the_bound(mask, seed):
    """Over all pairs of all images; the bound is not far off either."""
    rng = np.random.default_rng(seed)
    reach = 5.0
    old = crystal("SiAlSi", seed=seed)
    old.pbc = mask
    new = old.copy()
    strain = np.eye(3) + rng.uniform(-0.05, 0.05, (3, 3))
    new.set_cell(old.cell.array @ strain, scale_atoms=bool(seed % 2))
    new.positions += rng.uniform(-0.1, 0.1, (3, 3))
    shifts = np.array(list(itertools.product(*(range(-6, 7) if p else [0] for p in mask))))

    def distances(atoms: Atoms) -> np.ndarray:
        delta = atoms.positions[None] - atoms.positions[:, None]
        return np.linalg.norm(delta + (shifts @ atoms.cell.array)[:, None, None], axis=3)

    bound = closest_stranger(frame(old), frame(new), reach)
    closest = distances(new)[distances(old) > reach].min(initial=np.inf)
    assert closest >= bound
    assert bound > 2.0


@pytest.mark.parametrize("each", [0.24, 0.26], ids=str)
def test_two_atoms_that_both_approach_are_found_in_time(potential, each, monkeypatch):
    """From beyond the lists to within the cutoff, neither of them moving as far as the skin."""
    atoms = Atoms("SiAl", positions=[[0, 0, 0], [CUTOFF + 0.51, 0, 0]])
    atoms.calc = MTPCalculator(potential, threads=1, skin=0.5)
    for _ in range(2):
        atoms.positions += 1e-3
        assert not atoms.get_forces().any()
    reaches = searches(monkeypatch)
    atoms.positions[:, 0] += [each, -each]
    found = atoms.get_forces()
    assert len(reaches) == (each > 0.25)
    assert found.any() == (each > 0.255)
    assert_fresh(potential, atoms)


def test_cell_vectors_across_open_directions_mean_nothing():
    old = partly_periodic((True, True, False))
    new = old.copy()
    new.cell[2] = [1.0, 2.0, 30.0]
    assert closest_stranger(frame(old), frame(new), 6.0) == pytest.approx(6.0, rel=1e-14)


def test_frames_of_other_sizes_or_periodicity_are_strangers():
    one = crystal("SiAl", seed=1)
    other = one.copy()
    other.pbc = [True, True, False]
    for atoms in (other, one[:1]):
        assert closest_stranger(frame(one), frame(atoms), 6.0) == -np.inf


@pytest.mark.parametrize("skin", [-0.1, np.nan, np.inf])
def test_impossible_skins_are_refused(potential, skin):
    with pytest.raises(InputError, match="skin"):
        MTPCalculator(potential, skin=skin)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, copy.copy])
def test_a_copied_calculator_keeps_its_skin_and_not_its_lists(potential, duplicate, monkeypatch):
    atoms = crystal("SiAlSi", seed=9)
    atoms.calc = MTPCalculator(potential, "double", 1, skin=0.7)
    atoms.get_forces()
    other = atoms.copy()
    other.calc = duplicate(atoms.calc)
    reaches = searches(monkeypatch)
    for _ in rattled(other, 0.01, 3):
        other.get_forces()
    assert reaches == [CUTOFF, CUTOFF + 0.7]


def image_lists(atoms: Atoms) -> VerletList:
    """The lists of a structure, in which Si and Al are types 0 and 1."""
    found = VerletList(CUTOFF, 0.5)
    types = np.array([["Si", "Al"].index(symbol) for symbol in atoms.symbols], np.int32)
    found.update(types, frame(atoms))
    return found


def test_one_list_evaluator_serves_concurrent_python_threads(potential):
    evaluator = _core.ListEvaluator(_core.Evaluator(potential.core))
    inputs = [image_lists(crystal("SiAlSi", seed=seed).repeat(2)) for seed in range(6)]

    def evaluate(k: int) -> tuple:
        found = inputs[k % 6]
        return evaluator.evaluate(found.lists, found.positions, found.types, 2)

    serial = [evaluate(k) for k in range(6)]
    with ThreadPoolExecutor(6) as pool:
        for k, result in enumerate(pool.map(evaluate, range(48))):
            for value, target in zip(result, serial[k % 6], strict=True):
                np.testing.assert_array_equal(value, target)


WRONG_LISTS = {
    "an atom beyond the last": (2, [[0, 2]], [[0, 0, 0]]),
    "a negative atom": (2, [[0, -1]], [[0, 0, 0]]),
    "a negative number of atoms": (-1, np.zeros((0, 2), int), np.zeros((0, 3), int)),
    "fewer shifts than pairs": (2, [[0, 1], [1, 0]], [[0, 0, 0]]),
    "flat pairs": (2, [0, 1], [[0, 0, 0]]),
    "fractional shifts": (2, [[0, 1]], np.array([[0.5, 0, 0]])),
    "a shift that has no opposite": (2, [[0, 1]], [[-(2**31), 0, 0]]),
}


@pytest.mark.parametrize("arguments", WRONG_LISTS.values(), ids=list(WRONG_LISTS))
def test_lists_that_do_not_fit_are_refused(arguments):
    count, pairs, shifts = arguments
    with pytest.raises((InputError, TypeError)):
        _core.ImageLists(count, pairs, shifts)


WRONG_ATOMS = {
    "fewer positions": lambda found: (found.positions[:-1], found.types),
    "flat positions": lambda found: (found.positions.ravel(), found.types),
    "fewer types": lambda found: (found.positions, found.types[:-1]),
    "a type beyond the potential": lambda found: (found.positions, found.types + 1),
    "a negative type": lambda found: (found.positions, found.types - 1),
    "complex positions": lambda found: (found.positions + 1j, found.types),
}


@pytest.mark.parametrize("spoil", WRONG_ATOMS.values(), ids=list(WRONG_ATOMS))
def test_atoms_that_do_not_fit_their_lists_are_refused(potential, spoil):
    found = image_lists(crystal("SiAlSi", seed=1))
    evaluator = _core.ListEvaluator(_core.Evaluator(potential.core))
    with pytest.raises((InputError, TypeError)):
        evaluator.evaluate(found.lists, *spoil(found))
