"""Below the data: repulsion of nuclei, radial functions that stop, and no holes."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.data import chemical_symbols, covalent_radii
from models import Case, cluster, hoods, random_parameters
from test_training import bare_frame, label, settings

from mtpot import MTP, FormatError, InputError, MTPCalculator, NumericalError, _core, short_range
from mtpot.cli import train as train_command
from mtpot.data import read_frames
from mtpot.elements import SYMBOLS, covalent_radius
from mtpot.neighbors import shortest_distances
from mtpot.short_range import core_radii, dimer_curve, find_holes
from mtpot.train.gauge import normalize
from mtpot.train.settings import Settings
from mtpot.train.trainer import starting_potential, train

CUTOFF = 5.0
CHARGES = {"Si": 14, "W": 74}
DATA = Path(__file__).parents[2] / "examples" / "silicon" / "train.xyz"


def bare(species=("Si", "W"), outer=2.0) -> MTP:
    """A potential whose only energy is its core."""
    potential = MTP.new(4, species, CUTOFF, radial_size=4, core="zbl", core_outer=outer)
    potential.parameters = np.zeros(len(potential.parameters))
    return potential


def screened_coulomb(z_a: int, z_b: int, r: float) -> float:
    """The formula as it stands in LAMMPS' page of pair_style zbl."""
    x = r / (0.46850 / (z_a**0.23 + z_b**0.23))
    phi = 0.18175 * np.exp(-3.19980 * x) + 0.50986 * np.exp(-0.94229 * x)
    phi += 0.28022 * np.exp(-0.40290 * x) + 0.02817 * np.exp(-0.20162 * x)
    return 14.399645 * z_a * z_b / r * phi


# The core


@pytest.mark.parametrize(("a", "b"), [("Si", "Si"), ("Si", "W"), ("W", "Si"), ("W", "W")])
def test_the_core_of_a_dimer_is_the_screened_coulomb_energy(a, b):
    distances = np.array([1e-3, 0.1, 0.5, 1.0, 1.5, 1.6])
    target = [screened_coulomb(CHARGES[a], CHARGES[b], r) for r in distances]
    np.testing.assert_allclose(dimer_curve(bare(), a, b, distances), target, rtol=1e-12)


def test_the_core_falls_to_zero_at_its_outer_radius():
    distances = np.linspace(1.5, 2.2, 400)
    curve = dimer_curve(bare(), "Si", "W", distances)
    inside = distances < 2.0
    assert (curve[inside] > 0).all()
    assert (np.diff(curve)[inside[1:]] < 0).all()
    assert not curve[~inside].any()


def one_sided(curve, joint: float, order: int, h: float) -> float:
    """How much a derivative jumps at a joint, by differences on its two sides."""
    steps = h * np.arange(order + 1)
    below = np.diff(curve(joint - steps[::-1]), order)[0]
    above = np.diff(curve(joint + steps), order)[0]
    return float(abs(above - below)) / h**order


@pytest.mark.parametrize("joint", [1.6, 2.0], ids=["inner", "outer"])
@pytest.mark.parametrize("order", [1, 2])
def test_force_and_its_slope_are_continuous_where_the_core_is_switched(joint, order):
    potential = bare()

    def curve(distances):
        return dimer_curve(potential, "Si", "Si", distances)

    jumps = [one_sided(curve, joint, order, h) for h in (4e-3, 2e-3, 1e-3)]
    assert jumps[1] < 0.6 * jumps[0]
    assert jumps[2] < 0.6 * jumps[1]


def test_half_of_a_pair_belongs_to_either_atom():
    atoms = Atoms("SiW", positions=[[0, 0, 0], [1.0, 0, 0]])
    atoms.calc = MTPCalculator(bare())
    energies = atoms.get_potential_energies()
    assert energies[0] == energies[1]
    assert energies.sum() == pytest.approx(screened_coulomb(14, 74, 1.0), rel=1e-12)


@pytest.mark.parametrize("precision", ["double", "mixed"])
def test_no_bit_changes_while_all_pairs_are_beyond_the_core(precision):
    plain = Case("RBChebyshev", 8, 2).potential()
    atoms = cluster("SiAlSi", seed=3)
    shortest = min(atoms.get_all_distances()[np.triu_indices(3, 1)])
    cored = plain.with_core(shortest - 1e-6)
    one, other = (
        _core.Evaluator(each.core, precision).evaluate(hoods(plain, atoms))
        for each in (plain, cored)
    )
    assert all(map(np.array_equal, one, other))


def test_rows_know_no_core():
    potential = Case("RBChebyshev", 8, 2).potential()
    around = hoods(potential, cluster("SiAlSiAl", seed=5))
    rows = [_core.Design(each.core).rows(around) for each in (potential, potential.with_core(3.0))]
    assert np.array_equal(*rows)


# Radii


def test_a_radius_is_that_of_the_pair_in_either_order():
    radii = bare(outer={("W", "Si"): 2.5, ("Si", "Si"): 1.5}).core_radii
    assert radii == {
        ("Si", "Si"): pytest.approx((1.2, 1.5)),
        ("Si", "W"): pytest.approx((2.0, 2.5)),
        ("W", "W"): pytest.approx((0.8 * 0.7 * 3.24, 0.7 * 3.24)),  # twice the covalent radius
    }


def test_radii_without_data_stay_inside_the_cutoff():
    assert core_radii(["Cs"], 3.0, "auto")[0, 0, 1] == 3.0


@pytest.mark.parametrize("outer", [0.0, -1.0, 5.1, np.nan, np.inf], ids=str)
def test_a_radius_out_of_range_is_refused(outer):
    with pytest.raises(InputError, match="outer"):
        bare(outer=outer)


def test_what_a_core_cannot_be_of_is_refused():
    with pytest.raises(InputError, match="Si-Ge is no pair of the species Si, W"):
        bare(outer={("Si", "Ge"): 2.0})
    with pytest.raises(InputError, match="Xx is none"):
        MTP.new(4, ["Xx"], CUTOFF, core="zbl", core_outer=2.0)
    with pytest.raises(InputError, match="no covalent radius of Og"):
        MTP.new(4, ["Og"], CUTOFF, core="zbl")
    with pytest.raises(InputError, match="none or zbl, not 'morse'"):
        MTP.new(4, ["Si"], CUTOFF, core="morse")
    with pytest.raises(InputError, match="not that of Ge"):
        bare().core.with_species(["Si", "Ge"])


def test_every_element_has_its_number():
    assert list(SYMBOLS) == chemical_symbols[1:]
    for number, symbol in enumerate(SYMBOLS[:96], start=1):
        assert covalent_radius(symbol) == pytest.approx(covalent_radii[number])
        close = MTP.new(4, [symbol], CUTOFF, radial_size=2, core="zbl", core_outer=0.5)
        close.parameters = np.zeros(len(close.parameters))
        expected = screened_coulomb(number, number, 0.1)
        assert dimer_curve(close, symbol, symbol, 0.1)[0] == pytest.approx(expected, rel=1e-12)


# The clamped basis


def pair_potential(basis: str, element: str = "Si") -> MTP:
    """The same parameters in any basis."""
    potential = MTP.new(2, [element], CUTOFF, min_distance=2.0, radial_size=6, radial_basis=basis)
    potential.parameters = random_parameters(potential, seed=4)
    return potential


def test_the_clamped_basis_is_the_other_from_the_minimum_distance_on():
    distances = np.linspace(2.0, 5.0, 50)
    plain, clamped = (
        dimer_curve(pair_potential(name), "Si", "Si", distances)
        for name in ("RBChebyshev", "RBChebyshev_clamped")
    )
    np.testing.assert_allclose(clamped, plain, rtol=1e-12)


def test_the_clamped_basis_is_constant_below():
    distances = np.array([0.01, 0.5, 1.0, 1.5, 1.899])
    curve = dimer_curve(pair_potential("RBChebyshev_clamped"), "Si", "Si", distances)
    edge = dimer_curve(pair_potential("RBChebyshev"), "Si", "Si", [1.95])
    np.testing.assert_allclose(curve, edge[0], rtol=1e-12)


@pytest.mark.parametrize("joint", [1.9, 2.0])
@pytest.mark.parametrize("order", [1, 2])
def test_the_clamped_basis_is_twice_differentiable(joint, order):
    potential = pair_potential("RBChebyshev_clamped")

    def curve(distances):
        return dimer_curve(potential, "Si", "Si", distances)

    jumps = [one_sided(curve, joint, order, h) for h in (2e-3, 1e-3, 5e-4)]
    assert jumps[1] < 0.6 * jumps[0]
    assert jumps[2] < 0.6 * jumps[1]


def test_a_minimum_distance_of_zero_clamps_nothing():
    potential = MTP.new(
        4, ["Si"], CUTOFF, min_distance=0.0, radial_size=4, radial_basis="RBChebyshev_clamped"
    )
    potential.parameters = random_parameters(potential, seed=1)
    assert np.isfinite(dimer_curve(potential, "Si", "Si", [1e-3, 0.1, 1.0])).all()


# Files


def content(active=False) -> bytes:
    potential = bare(outer={("Si", "Si"): 1 / 3, ("Si", "W"): 2.1, ("W", "W"): np.pi})
    rng = np.random.default_rng(0)
    core = potential.core.with_parameters(rng.normal(size=len(potential.parameters)))
    if not active:
        return _core.format_potential(core)
    size = len(potential.parameters)
    rows = _core.ActiveSet(size)
    rows.select(rng.normal(size=(size, size)), 1.001)
    return _core.format_potential(
        core, _core.Selection(rows, (0, 0, 0, 1), 2, np.full((size, 2), -1), "")
    )


@pytest.mark.parametrize("active", [False, True], ids=["mtp", "almtp"])
def test_a_core_survives_a_file_bit_for_bit(active):
    written = content(active)
    potential, selection = _core.parse_potential(written, "a.mtp")
    assert (selection is not None) == active
    assert potential.zbl_radii[0, 0, 1] == 1 / 3
    assert potential.zbl_radii[1, 1, 1] == np.pi
    assert _core.format_potential(potential, selection) == written


def test_other_programs_are_told_by_the_version():
    text = content().decode()
    assert text.startswith("MTP\nversion = 1.1.0+mtpot\n")
    section = text[text.index("#mtpot") :]
    assert section.startswith(
        "#mtpot core\n\tcore_type = ZBL\n\tatomic_numbers = {14, 74}\n\tradii\n\t\t0-0 = {"
    )
    assert re.findall(r"\t\t(\d-\d) = ", section) == ["0-0", "0-1", "1-1"]


def test_an_untrained_potential_keeps_its_core(tmp_path):
    potential = MTP.new(4, ["Si", "W"], CUTOFF, core="zbl", core_outer=2.0)
    potential.save(tmp_path / "new.mtp")
    assert MTP.load(tmp_path / "new.mtp").core_radii == potential.core_radii


FAULTS = [
    ("1.1.0+mtpot", "1.1.0", 2, "has version 1.1.0+mtpot"),
    ("1.1.0+mtpot", "1.1.0+mtpot2", 2, "use a newer release"),
    ("#mtpot core", "#mtpot committee", None, "section '#mtpot committee' is unknown"),
    ("#mtpot core", "#mtpot", None, "is unknown"),
    ("core_type = ZBL", "core_type = Morse", None, "unknown core_type 'Morse'"),
    ("{14, 74}", "{14}", None, "expected ','"),
    ("{14, 74}", "{14, 119}", None, "an atomic number must be an integer from 1 to 118"),
    ("{14, 74}", "{14, 32}", None, "not that of W"),
    ("\tradii\n", "", None, "expected 'radii'"),
    ("0-1 = ", "1-0 = ", None, "expected '0-1'"),
    ("0-1 = {", "0-1 = {nan, ", None, "finite number"),
    ("0-1 = {", "0-1 = {3.0, ", None, "expected '}'"),
    ("2.100000000000000e+00", "1.0", None, "inner radius of a core (1.68"),
    ("2.100000000000000e+00", "6.0", None, "must not exceed the cutoff"),
    ("2.100000000000000e+00", "1e999", None, "finite number"),
]


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    FAULTS,
    ids=[f"{old}-{new}".strip() for old, new, *_ in FAULTS],
)
def test_a_fault_of_the_core_is_refused_with_its_line(old, new, line, message):
    text = content().decode()
    assert text.count(old) == 1
    place = text[: text.index(old)].count("\n") + 1
    with pytest.raises(FormatError) as caught:
        _core.parse_potential(text.replace(old, new).encode(), "a.mtp")
    found = re.match(r"a\.mtp:(\d+): ", str(caught.value))
    assert found
    first = line or text[: text.index("#mtpot")].count("\n") + 1
    assert first <= int(found[1]) <= place + 1
    assert message in str(caught.value)


def test_a_core_that_stands_twice_is_refused():
    text = content()
    section = text[text.index(b"#mtpot") :]
    with pytest.raises(FormatError, match="is there twice"):
        _core.parse_potential(text + section, "a.mtp")


def test_a_file_that_is_cut_anywhere_in_its_core_is_refused():
    text = content()
    for end in range(text.index(b"#mtpot"), len(text) - 1):
        with pytest.raises(FormatError, match=r"^a\.mtp:\d+: "):
            _core.parse_potential(text[:end], "a.mtp")


# What keeps the core


def test_whatever_is_made_of_a_potential_keeps_its_core():
    potential = Case("RBChebyshev", 8, 2, "zbl").potential()
    core, radii = potential.core, potential.core.zbl_radii
    made = {
        "parameters": core.with_parameters(core.parameters),
        "pruned": core.keep_scalars([0, 2]),
        "normalized": normalize(core),
        "named": core.with_species(core.species),
        "again": _core.parse_potential(_core.format_potential(core), "a.mtp")[0],
    }
    for name, each in made.items():
        assert np.array_equal(each.zbl_radii, radii), name


# Training


def test_the_shortest_distances_are_found_by_pairs():
    atoms = Atoms("SiWWSi", positions=[[0, 0, 0], [2.0, 0, 0], [2.0, 3.0, 0], [0, 20, 0]])
    found = shortest_distances([bare_frame(atoms)], ["Si", "W", "Ge"], CUTOFF)
    inf = np.inf
    np.testing.assert_allclose(found, [[inf, 2.0, inf], [2.0, 3.0, inf], [inf, inf, inf]])


def test_the_outer_radius_is_the_shortest_distance_of_each_pair():
    atoms = Atoms("SiWW", positions=[[0, 0, 0], [2.5, 0, 0], [2.5, 2.3, 0]])
    frames = label(bare(), [bare_frame(atoms)])
    found = starting_potential(settings(species=("Si", "W"), core="zbl"), frames).core_radii
    assert found[("Si", "W")] == pytest.approx((2.0, 2.5))
    assert found[("W", "W")] == pytest.approx((0.8 * 2.3, 2.3))
    assert found[("Si", "Si")][1] == pytest.approx(0.7 * 2 * 1.11)


def test_what_the_core_explains_is_not_fitted():
    """Labels of the core alone leave nothing to the coefficients of the scalars."""
    truth = bare(species=("Si",), outer=2.9)
    crystals = [bulk("Si", cubic=True) for _ in range(4)]
    for seed, atoms in enumerate(crystals):
        atoms.rattle(0.2, seed=seed)
    frames = label(truth, [bare_frame(atoms) for atoms in crystals])
    assert max(np.abs(frame.forces).max() for frame in frames) > 0.5
    fixed = settings(core="zbl", core_outer=2.9, max_steps=2)
    result = train(fixed, frames)
    assert result.loss < 1e-10
    curves = [dimer_curve(each, "Si", "Si", [2.0, 2.4]) for each in (result.potential, truth)]
    np.testing.assert_allclose(*curves, atol=0.02)


# Holes


@cache
def silicon() -> tuple[MTP, float]:
    """Trained as a user would on the example's data, and the shortest distance there."""
    frames = read_frames(DATA, ("Si",))
    chosen = Settings(
        data=DATA,
        output=Path("-"),
        species=("Si",),
        level=8,
        radial_basis="RBChebyshev_clamped",
        core="zbl",
        max_steps=8,
        threads=2,
    )
    potential = train(chosen, frames).potential
    return potential, float(shortest_distances(frames, ("Si",), CUTOFF)[0, 0])


def test_two_atoms_repel_each_other_below_the_data():
    potential, shortest = silicon()
    distances = np.linspace(0.05, shortest, 1000)
    assert (np.diff(dimer_curve(potential, "Si", "Si", distances)) < 0).all()
    assert find_holes(potential, [[shortest]]) == []


@pytest.mark.parametrize("direction", [(1, 1, 1), (1, 2, 3)], ids=str)
def test_an_atom_of_a_crystal_that_is_pushed_onto_another_is_repelled(direction):
    potential, shortest = silicon()
    atoms = bulk("Si", cubic=True) * 2
    atoms.calc = MTPCalculator(potential)
    other = int(np.argsort(atoms.get_distances(0, range(len(atoms)), mic=True))[1])
    unit = np.array(direction) / np.linalg.norm(direction)
    energies = []
    for r in np.linspace(0.2, shortest, 60):
        atoms.positions[0] = atoms.positions[other] + r * unit
        energies.append(atoms.get_potential_energy())
    assert (np.diff(energies) < 0).all()


def test_no_disordered_compressed_cell_lies_below_the_crystal():
    potential, _ = silicon()
    calculator = MTPCalculator(potential)
    crystal = bulk("Si", cubic=True)
    calculator.calculate(crystal)
    ground = calculator.results["energy"]
    rng = np.random.default_rng(0)
    for scale in np.linspace(1.0, 0.5, 11):
        for _ in range(6):
            atoms = crystal.copy()
            atoms.set_cell(scale * atoms.cell)
            atoms.positions = rng.uniform(size=(len(atoms), 3)) @ atoms.cell.array
            calculator.calculate(atoms)
            assert calculator.results["energy"] > ground


@pytest.mark.parametrize("seed", range(4))
def test_whatever_is_fitted_only_the_core_acts_below_the_clamped_distance(seed):
    """From 0.95 times the minimum distance down, two atoms repel each other."""
    potential = Case("RBChebyshev_clamped", 12, 2).potential(seed)  # minimum distance 1.9
    distances = np.linspace(0.1, 0.95 * 1.9, 200)
    for pair in (("Si", "Si"), ("Si", "Al"), ("Al", "Al")):
        without = dimer_curve(potential, *pair, distances)
        np.testing.assert_allclose(without, without[0], rtol=1e-10)
        assert (np.diff(dimer_curve(potential.with_core(1.9), *pair, distances)) < 0).all()


@pytest.mark.parametrize("element", ["Si", "Es"], ids=["Si", "without-covalent-radius"])
def test_a_hole_is_found_and_named(element):
    potential = pair_potential("RBChebyshev", element)
    radial = np.zeros(len(potential.parameters))
    radial[0], radial[-1] = -1.0, 1.0  # -(r - cutoff)^2, which falls all the way to zero
    potential.parameters = radial
    (line,) = find_holes(potential, [[2.0]])
    pair = f"{element} and {element}"
    assert re.match(pair + r" alone in space fall into a hole of [\d.]+ eV at 0\.40", line)
    assert find_holes(potential.with_core(3.0), [[2.0]]) == []


@pytest.mark.parametrize("basis", ["RBChebyshev", "RBChebyshev_clamped"])
def test_the_way_out_of_a_hole_beside_a_core_is_the_clamped_basis(basis, monkeypatch, capsys):
    """A core that begins farther out would only move the hole, unless functions are clamped."""
    monkeypatch.setattr(short_range, "find_holes", lambda *_: ["a hole"])
    potential = pair_potential(basis).with_core(1.9)
    train_command._warn_of_holes(potential, [bare_frame(bulk("Si"))])
    advice = capsys.readouterr().out.splitlines()[-1]
    assert ("RBChebyshev_clamped" in advice) == (basis == "RBChebyshev")


@pytest.mark.parametrize(
    ("a", "distances", "error", "message"),
    [
        ("Ge", [2.0], InputError, "has no Ge: its species are Si, W"),
        ("Si", [1e-7], NumericalError, "apart"),
        ("Si", [np.nan], NumericalError, "not a finite"),
    ],
    ids=["element", "coincident", "nan"],
)
def test_a_dimer_that_cannot_be_is_refused(a, distances, error, message):
    with pytest.raises(error, match=message):
        dimer_curve(bare(), a, "Si", distances)


def test_an_untrained_potential_has_no_dimers():
    with pytest.raises(InputError, match="untrained"):
        dimer_curve(MTP.new(4, ["Si"], CUTOFF), "Si", "Si", [2.0])
