"""Cutting neighborhoods: the site is in the small cell what it was in the large one."""

from __future__ import annotations

from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111
from ase.neighborlist import neighbor_list
from ase.optimize import FIRE
from models import Case, evaluate, hoods
from scipy.spatial.distance import pdist

from mtpot import MTP, InputError, MTPCalculator, _core
from mtpot.active.cut import Cut, NoCellError, cut_sites
from mtpot.active.cut.lattice import find_lattice
from mtpot.active.cut.surroundings import Surroundings, least_neighborhood
from mtpot.active.select import build_selection
from mtpot.data.atoms import frame_from_atoms

CUTOFF = 5.0
THRESHOLD = 2.0
SILICON = Path(__file__).parents[2] / "potentials" / "silicon" / "potential.almtp"


def hot(atoms: Atoms, amplitude: float, seed: int = 0) -> Atoms:
    """The same with atoms displaced at random."""
    moved = atoms.copy()
    moved.positions += np.random.default_rng(seed).normal(0, amplitude, atoms.positions.shape)
    return moved


def fcc(*repeats: int, a: float = 4.1) -> Atoms:
    return bulk("Si", "fcc", a, cubic=True).repeat(repeats)


def salt(*repeats: int) -> Atoms:
    return bulk("SiAl", "rocksalt", 4.9, cubic=True).repeat(repeats)


def vacancy() -> Atoms:
    """One of 1,000 atoms is missing; its neighbors come first."""
    atoms = fcc(5, 5, 10)
    order = np.argsort(atoms.get_distances(500, range(1000), mic=True))
    return hot(atoms[order[1:]], 0.03)


def liquid(symbols: str = "Si300", volume: float = 20.0, closest: float = 2.0) -> Atoms:
    """Atoms at random places, none too close to another."""
    atoms = Atoms(symbols)
    length = (volume * len(atoms)) ** (1 / 3)
    rng = np.random.default_rng(0)
    points = rng.uniform(0, length, (1, 3))
    while len(points) < len(atoms):
        point = rng.uniform(0, length, 3)
        apart = points - point - length * np.rint((points - point) / length)
        if np.linalg.norm(apart, axis=1).min() > closest:
            points = np.vstack([points, point])
    return Atoms(symbols, positions=points, cell=3 * [length], pbc=True)


def slab(layers: int, pbc: bool = False) -> Atoms:
    atoms = hot(fcc111("Si", (6, 6, layers), a=4.1, vacuum=6.0), 0.03)
    atoms.pbc = [True, True, pbc]
    return atoms


def ball() -> Atoms:
    atoms = fcc(7, 7, 7)
    center = atoms.positions.mean(axis=0)
    inside = np.linalg.norm(atoms.positions - center, axis=1) < 11.0
    return hot(Atoms(atoms[inside].symbols, positions=atoms[inside].positions), 0.03)


def scattered(atoms: Atoms) -> Atoms:
    """Each atom in another image of the cell."""
    moved = atoms.copy()
    shifts = np.random.default_rng(1).integers(-3, 4, atoms.positions.shape)
    moved.positions += shifts @ atoms.cell.array
    return moved


STRUCTURES = {
    "crystal": lambda: hot(fcc(6, 6, 6), 0.1),
    "vacancy": vacancy,
    "liquid": liquid,
    "liquid-of-two": lambda: liquid("SiAl" * 150),
    "slab": lambda: slab(4),
    "slab-with-gap": lambda: slab(4, pbc=True),
    "thick-slab": lambda: slab(14),
    "ball": ball,
    "triclinic": lambda: hot(bulk("Si", "fcc", 4.1).repeat((8, 7, 9)), 0.05),
    "scattered": lambda: scattered(hot(bulk("Si", "fcc", 4.1).repeat((8, 7, 9)), 0.05)),
    "sheared": lambda: sheared(hot(fcc(5, 6, 6), 0.05)),
    "two-species": lambda: hot(salt(4, 4, 4), 0.05),
    "alloy": lambda: alloy(hot(fcc(5, 5, 5), 0.05)),
    "rotated": lambda: rotated(hot(fcc(6, 6, 6), 0.05)),
    "flat": lambda: hot(fcc(1, 6, 6), 0.05),
    "wire": lambda: hot(fcc(1, 1, 40), 0.05),
}
MAX_ATOMS = 160


def alloy(atoms: Atoms) -> Atoms:
    mixed = atoms.copy()
    mixed.symbols[np.random.default_rng(2).random(len(atoms)) < 0.4] = "Al"
    return mixed


def rotated(atoms: Atoms) -> Atoms:
    """Without periods, in a cell that knows nothing of the lattice."""
    turned = atoms.copy()
    turned.rotate(40.0, (1, 2, 3), center="COP")
    turned.pbc = False
    turned.set_cell(np.eye(3))
    return turned


def sheared(atoms: Atoms) -> Atoms:
    strained = atoms.copy()
    strained.set_cell(atoms.cell.array @ [[1, 0.2, 0.1], [0, 1, 0.3], [0, 0, 1]], scale_atoms=True)
    return strained


@cache
def potential(species: int = 1, mode: str = "nbh") -> MTP:
    """Random parameters, and an active set of hot crystals."""
    untrained = Case("RBChebyshev", 8, species).potential()
    crystal = fcc(2, 2, 2) if species == 1 else salt(2, 2, 2)
    frames = [frame_from_atoms(hot(crystal, 0.05, seed)) for seed in range(6)]
    return MTP(untrained.core, build_selection(untrained, frames, mode, 1))


def grades(model: MTP, atoms: Atoms) -> np.ndarray:
    return _core.Grader(model.core, model.selection.active_set).grades(hoods(model, atoms), 1)


def around(atoms: Atoms, site: int) -> tuple[list[str], np.ndarray]:
    """Elements and vectors of a site's neighbors, found among many images of all atoms."""
    cell = atoms.cell.complete().array
    wrapped = atoms.get_positions(wrap=True)
    heights = 1 / np.linalg.norm(np.linalg.inv(cell), axis=0)
    counts = np.where(atoms.pbc, np.ceil(CUTOFF / heights), 0).astype(int)
    shifts = np.array(list(product(*(range(-n, n + 1) for n in counts)))) @ cell
    vectors = wrapped + shifts[:, None] - wrapped[site]
    image, neighbor = np.nonzero(np.linalg.norm(vectors, axis=2) < CUTOFF)
    other = np.linalg.norm(vectors[image, neighbor], axis=1) > 0
    symbols = [atoms.symbols[j] for j in neighbor[other]]
    return symbols, vectors[image, neighbor][other]


@pytest.fixture(scope="module", params=STRUCTURES)
def large(request) -> Atoms:
    """Structures of every kind, hot."""
    return STRUCTURES[request.param]()


@pytest.fixture(scope="module")
def model(large) -> MTP:
    return potential(len(set(large.symbols)))


@pytest.fixture(scope="module")
def cuts(large, model) -> list[Cut]:
    return cut_sites(large, model, [1, 7, 60], max_atoms=MAX_ATOMS, threads=1)


def test_neighborhoods_are_the_same(large, cuts):
    for cut in cuts:
        for site, origin in zip(cut.sites, cut.origins, strict=True):
            symbols, vectors = around(cut.atoms, site)
            expected_symbols, expected = around(large, origin)
            assert len(vectors) == len(expected)
            distances = np.linalg.norm(vectors[:, None] - expected, axis=2)
            assert distances.min(axis=0).max() < 1e-12
            same = np.array(symbols)[distances.argmin(axis=0)]
            assert list(same) == expected_symbols


def test_site_energies_and_grades_are_the_same(large, model, cuts):
    before, energies = grades(model, large), evaluate(model, large)[0]
    for cut in cuts:
        sites, origins = list(cut.sites), list(cut.origins)
        np.testing.assert_allclose(grades(model, cut.atoms)[sites], before[origins], rtol=1e-10)
        np.testing.assert_allclose(cut.grades, before[origins], rtol=1e-10)
        np.testing.assert_allclose(cut.grades_before, before[origins], rtol=1e-10)
        small = evaluate(model, cut.atoms)[0]
        np.testing.assert_allclose(small[sites], energies[origins], rtol=1e-10, atol=1e-10)
        assert cut.grade == max(cut.grades)


def test_small_cell_is_small_and_periodic_and_no_atoms_are_too_close(large, model, cuts):
    for cut in cuts:
        assert len(cut.atoms) <= MAX_ATOMS
        assert cut.atoms.pbc.all()
        distances = neighbor_list("d", cut.atoms, CUTOFF)
        assert cut.shortest == pytest.approx(distances.min(), abs=1e-12)
        nearest = min(pdist(np.vstack([[0, 0, 0], around(large, i)[1]])).min() for i in cut.origins)
        assert distances.min() >= min(model.core.min_distance, nearest) - 1e-8


def test_every_site_is_in_a_cut_or_covered(cuts):
    accounted = [site for cut in cuts for site in (*cut.origins, *cut.covered)]
    assert sorted(accounted) == [1, 7, 60]
    assert [cut.grade for cut in cuts] == sorted((cut.grade for cut in cuts), reverse=True)


def test_covered_sites_no_longer_extrapolate(large, model, cuts):
    active = model.selection.active_set
    design = _core.Design(model.core)
    before = design.rows(hoods(model, large), 1)
    for cut in cuts:
        active.select(design.rows(hoods(model, cut.atoms), 1), 1.001)
        for site in cut.covered:
            assert active.grade(before[[site]])[0] <= THRESHOLD


@pytest.mark.parametrize("kind", ["crystal", "liquid", "liquid-of-two", "alloy", "two-species"])
def test_density_and_stoichiometry_are_those_of_the_large_structure(kind):
    atoms = STRUCTURES[kind]()
    (cut, *_) = cut_sites(atoms, potential(len(set(atoms.symbols))), [60], max_atoms=160, threads=1)
    volume = cut.atoms.get_volume() * len(atoms) / atoms.get_volume()
    assert len(cut.atoms) == pytest.approx(volume, rel=0.06 if "liquid" in kind else 1e-9)
    part = len(cut.atoms) / len(atoms)
    for element in set(atoms.symbols):
        expected = part * atoms.symbols.count(element)
        assert cut.atoms.symbols.count(element) == pytest.approx(expected, rel=0.25)


CRYSTALS = {
    "fcc": lambda: fcc(6, 6, 6),
    "fcc-primitive": lambda: bulk("Si", "fcc", 4.1).repeat((9, 8, 9)),
    "bcc": lambda: bulk("Si", "bcc", 3.2, cubic=True).repeat((8, 7, 7)),
    "hcp": lambda: bulk("Si", "hcp", 2.9, c=4.7).repeat((8, 8, 6)),
    "diamond": lambda: bulk("Si", "diamond", 5.43, cubic=True).repeat((4, 4, 5)),
    "graphene-like": lambda: bulk("Si", "hcp", 2.9, c=12.0).repeat((8, 8, 2)),
    "rocksalt": lambda: salt(4, 5, 4),
}


@pytest.mark.parametrize("crystal", CRYSTALS.values(), ids=CRYSTALS)
def test_perfect_crystal_is_cut_into_a_perfect_crystal(crystal):
    atoms = crystal()
    model = potential(len(set(atoms.symbols)))
    (cut,) = cut_sites(atoms, model, [17], max_atoms=170, threads=1)
    assert len(cut.atoms) <= 170
    assert not cut.relaxed
    energies = [evaluate(model, each)[0].sum() / len(each) for each in (cut.atoms, atoms)]
    assert energies[0] == pytest.approx(energies[1], rel=1e-10)
    assert np.abs(evaluate(model, cut.atoms)[1]).max() < 1e-9


def test_cell_with_a_vacancy_lacks_one_atom():
    (cut,) = cut_sites(vacancy(), potential(), [0], max_atoms=150, threads=1)
    sites = cut.atoms.get_volume() / (4.1**3 / 4)
    assert len(cut.atoms) + 1 == pytest.approx(sites, abs=1e-6)


def test_lattice_of_a_hot_crystal_fits_its_cell_exactly():
    atoms = hot(fcc(6, 6, 6), 0.1)
    basis = find_lattice(Surroundings.of(atoms, potential()), atoms.positions[3], np.zeros((0, 3)))
    assert abs(np.linalg.det(basis)) == pytest.approx(4.1**3 / 4)
    counts = atoms.cell.array @ np.linalg.inv(basis)
    np.testing.assert_allclose(counts, np.rint(counts), atol=1e-9)


def test_liquid_has_no_lattice():
    atoms = liquid()
    large = Surroundings.of(atoms, potential())
    assert len(find_lattice(large, atoms.positions[3], np.zeros((0, 3)))) == 0


def test_equal_neighborhoods_are_cut_once():
    compressed = fcc(6, 6, 6, a=3.7)
    assert grades(potential(), compressed).min() > THRESHOLD
    sites = [3, 100, 200, 333, 500]
    (cut,) = cut_sites(compressed, potential(), sites, max_atoms=150, threads=1)
    assert len(cut.origins) == 1
    assert sorted([*cut.origins, *cut.covered]) == sites


def test_dense_liquid_fits_at_its_own_least_distance():
    atoms = liquid("Si250", volume=24.0, closest=2.35)
    (cut,) = cut_sites(atoms, potential(), [3], max_atoms=120, min_distance=2.35, threads=1)
    assert neighbor_list("d", cut.atoms, CUTOFF).min() >= 2.35


def test_near_sites_share_a_cell_that_has_room_and_else_get_one_each():
    atoms = fcc(6, 6, 6)
    pair = [0, int(np.argmin(np.linalg.norm(atoms.positions - [8.2, 0.0, 0.0], axis=1)))]
    atoms.positions[pair] += [[0.0, 0.3, 0.5], [0.7, 0.2, 0.0]]
    (shared,) = cut_sites(atoms, potential(), pair, max_atoms=150, threads=1)
    assert sorted(shared.origins) == pair
    apart = cut_sites(atoms, potential(), pair, max_atoms=62, threads=1)
    assert sorted(cut.origins for cut in apart) == [(site,) for site in pair]


def test_small_structure_is_returned_whole():
    atoms = hot(fcc(2, 2, 2), 0.2)
    (cut,) = cut_sites(atoms, potential(), [5, 3], max_atoms=32, threads=1)
    np.testing.assert_array_equal(cut.atoms.positions, atoms.positions)
    np.testing.assert_array_equal(cut.atoms.cell.array, atoms.cell.array)
    assert sorted(cut.origins) == [3, 5]
    np.testing.assert_array_equal(cut.sites, cut.origins)


def test_small_cluster_is_returned_whole_with_vacuum():
    atoms = ball()[:30]
    (cut,) = cut_sites(atoms, potential(), [2], max_atoms=32, threads=1)
    assert cut.atoms.pbc.all()
    np.testing.assert_allclose(evaluate(potential(), cut.atoms)[0], evaluate(potential(), atoms)[0])


def test_no_sites_no_cuts():
    assert cut_sites(fcc(6, 6, 6), potential(), [], max_atoms=100) == []


def test_the_large_structure_stays_as_it_was():
    atoms = STRUCTURES["scattered"]()
    before = atoms.copy()
    cut_sites(atoms, potential(), [3], max_atoms=150, threads=1)
    assert atoms == before


def test_relaxation_makes_padding_interpolate_and_leaves_the_neighborhood():
    """A liquid does not fit to itself across the faces of a box."""
    model = MTP.load(SILICON)
    atoms = liquid("Si300", closest=2.1)
    atoms.calc = MTPCalculator(model, threads=1)
    FIRE(atoms, logfile=None).run(steps=60)
    site = int(np.argmax(grades(model, atoms)))
    (cut,) = cut_sites(atoms, model, [site], max_atoms=62, threads=1)
    (raw,) = cut_sites(atoms, model, [site], max_atoms=80, threshold=1e9, threads=1)
    assert cut.relaxed
    assert not raw.relaxed
    assert cut.padding_grade < 0.5 * raw.padding_grade
    np.testing.assert_array_equal(cut.atoms.positions[: cut.core], raw.atoms.positions[: cut.core])
    assert np.abs(cut.atoms.positions - raw.atoms.positions).max() > 0.05


def test_too_few_atoms_says_how_many_are_needed():
    atoms = hot(fcc(6, 6, 6), 0.05)
    with pytest.raises(InputError, match=r"site 7: .* at least (\d+) atoms") as error:
        cut_sites(atoms, potential(), [7], max_atoms=20, threads=1)
    needed = int(str(error.value).split("at least ")[1].split()[0])
    (cut,) = cut_sites(atoms, potential(), [7], max_atoms=needed, threads=1)
    assert len(cut.atoms) == needed


@pytest.mark.parametrize(
    ("repeat", "atoms"),
    [((1, 1, 1), 4), ((1, 1, 9), 5 * 2), ((5, 5, 5), 1 + 12 + 6 + 24)],
    ids=["as-it-is", "five-layers-of-two", "three-shells"],
)
def test_smallest_neighborhood_counts_no_atom_twice(repeat, atoms):
    assert least_neighborhood(bulk("Cu", a=3.6, cubic=True), repeat, 4.5) == atoms


def test_sites_that_fit_into_no_cell_are_left_out_where_others_fit():
    atoms, dense, thin = liquid(), 21, 12
    model = potential()
    before = grades(model, atoms)
    assert before[dense] > before[thin] > THRESHOLD
    with pytest.raises(NoCellError, match=f"site {dense}: "):
        cut_sites(atoms, model, [dense], max_atoms=35, threads=1)
    (cut,) = cut_sites(atoms, model, [dense, thin], max_atoms=35, threads=1)
    assert cut.origins == (thin,)
    assert cut.grade == pytest.approx(before[thin], rel=1e-8)


def test_atoms_too_close_in_a_neighborhood_are_named():
    with pytest.raises(InputError, match=r"site 7: atoms \d+ and \d+ .* min_distance = 3"):
        cut_sites(fcc(6, 6, 6), potential(), [7], max_atoms=150, min_distance=3.0)


@pytest.mark.parametrize("site", [-1, 864])
def test_site_that_does_not_exist_is_named(site):
    with pytest.raises(InputError, match=f"site {site}: .* 864 atoms"):
        cut_sites(fcc(6, 6, 6), potential(), [site], max_atoms=150)


def test_potential_must_grade_sites():
    with pytest.raises(InputError, match="--active-set nbh"):
        cut_sites(fcc(6, 6, 6), potential(mode="cfg"), [0], max_atoms=150)
    with pytest.raises(InputError, match="--active-set"):
        cut_sites(fcc(6, 6, 6), Case("RBChebyshev", 8, 1).potential(), [0], max_atoms=150)


def test_threshold_must_be_above_one():
    with pytest.raises(InputError, match="threshold"):
        cut_sites(fcc(6, 6, 6), potential(), [0], max_atoms=150, threshold=1.0)


def test_foreign_element_is_named():
    atoms = fcc(6, 6, 6)
    atoms.symbols[5] = "Xe"
    with pytest.raises(InputError, match="Xe"):
        cut_sites(atoms, potential(), [0], max_atoms=150)
