"""Explorers move atoms as they are told, keep what extrapolates and stop where forces end.

Of the silicon potential that is installed with the package.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from ase.build import bulk, fcc111
from ase.data import covalent_radii
from ase.geometry import find_mic
from ase.io import read, write
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution

import mtpot
from mtpot import MTP
from mtpot.active.explorers import CANDIDATES, Watch, candidates_of, explorer_of
from mtpot.active.explorers.lammps import complete
from mtpot.active.explorers.random_search import random_structure
from mtpot.active.explorers.relax import RELAXED
from mtpot.active.select import grade_frame
from mtpot.data.atoms import frame_from_atoms
from mtpot.errors import InputError

if TYPE_CHECKING:
    from ase import Atoms

    from mtpot.active.explorers import Exploration

POTENTIAL = Path(mtpot.potential_path("silicon")).with_suffix(".almtp")
DYNAMICS = ("lammps", "md")
NEVER, ALWAYS = 1e9, 1e-9
pytestmark = pytest.mark.filterwarnings("ignore:.*MelchionnaNPT")


def silicon(kelvin: float = 0.0) -> Atoms:
    atoms = bulk("Si", cubic=True)
    atoms.rattle(0.02, seed=0)
    if kelvin:
        MaxwellBoltzmannDistribution(atoms, temperature_K=kelvin, rng=np.random.default_rng(0))
    return atoms


def explore(
    folder: Path, start: Atoms, watch: Watch, seed: int = 0, which: int = 0, **table: Any
) -> Exploration:
    folder.mkdir(exist_ok=True)
    explorer = explorer_of(table)
    explorer.check()
    return explorer.explore(start, POTENTIAL, watch, explorer.variants()[which][1], seed, folder)


def largest(atoms: Atoms) -> float:
    return grade_frame(MTP.load(POTENTIAL), frame_from_atoms(atoms)).frame


def apart(one: Atoms, other: Atoms) -> np.ndarray:
    """Shifts of atoms, whichever of its images each of them is."""
    return find_mic(one.positions - other.positions, other.cell, pbc=True)[0]


# --- dynamics ---


def test_lammps_and_ase_run_the_same_trajectory(tmp_path: Path) -> None:
    found = {}
    for engine in DYNAMICS:
        watch = Watch(ALWAYS, NEVER, 5)
        table = {"engine": engine, "ensemble": "nve", "time": 0.02, "every": 5}
        result = explore(tmp_path / engine, silicon(600.0), watch, **table)
        assert (result.ended, result.steps, result.candidates) == ("complete", 20, 5)
        assert result.picoseconds == pytest.approx(0.02)
        found[engine] = list(candidates_of(tmp_path / engine))
    moved = found["md"][-1].positions - found["md"][0].positions
    assert np.abs(moved).max() > 0.03
    for one, other in zip(found["lammps"], found["md"], strict=True):
        assert np.abs(apart(one, other)).max() < 1e-5
        assert one.info["grade"] == pytest.approx(other.info["grade"], rel=1e-4)


@pytest.mark.parametrize("engine", DYNAMICS)
def test_candidates_are_those_above_the_threshold(engine: str, tmp_path: Path) -> None:
    table = {"engine": engine, "time": 0.05, "temperature": 900.0, "every": 5}
    every = explore(tmp_path / "every", silicon(), Watch(ALWAYS, NEVER, 5), **table)
    middle = float(np.median([grade for _, grade in every.grades]))
    result = explore(tmp_path / "some", silicon(), Watch(middle, NEVER, 5), **table)
    images = list(candidates_of(tmp_path / "some"))
    assert 0 < len(images) == result.candidates < every.candidates
    assert result.largest == pytest.approx(max(grade for _, grade in every.grades))
    for atoms in images:
        assert atoms.info["grade"] > middle
        assert atoms.info["grade"] == pytest.approx(largest(atoms), rel=1e-4)


@pytest.mark.parametrize("engine", DYNAMICS)
def test_a_simulation_stops_above_the_upper_threshold(engine: str, tmp_path: Path) -> None:
    start = silicon()
    start.positions[0] += 0.4
    grade = largest(start)
    watch = Watch(0.5 * grade, 0.9 * grade)
    result = explore(tmp_path, start, watch, engine=engine, time=1.0)
    assert (result.ended, result.steps, result.candidates) == ("break", 0, 1)
    assert result.largest == pytest.approx(grade, rel=1e-4)


@pytest.mark.parametrize("engine", DYNAMICS)
def test_temperatures_and_pressures_are_side_by_side(engine: str) -> None:
    explorer = explorer_of(
        {"engine": engine, "ensemble": "npt", "temperature": [300, 900], "pressure": [0, 5]}
    )
    names = [name for name, _ in explorer.variants()]
    assert names == ["npt-300K-0GPa", "npt-300K-5GPa", "npt-900K-0GPa", "npt-900K-5GPa"]
    assert explorer.variants()[1][1] == {"temperature": 300.0, "pressure": 5.0}


@pytest.mark.parametrize("engine", DYNAMICS)
def test_pressure_makes_a_cell_smaller(engine: str, tmp_path: Path) -> None:
    volumes = []
    for which in (0, 1):
        table = {"engine": engine, "ensemble": "npt", "pressure": [-10, 10], "repeat": 2}
        table |= {"time": 0.1, "every": 50}
        explore(tmp_path / str(which), silicon(), Watch(ALWAYS, NEVER, 50), which=which, **table)
        volumes.append(list(candidates_of(tmp_path / str(which)))[-1].get_volume() / 8)
    assert volumes[0] > bulk("Si", cubic=True).get_volume() > volumes[1]


@pytest.mark.parametrize("engine", DYNAMICS)
def test_a_ramp_ends_at_its_final_temperature(engine: str, tmp_path: Path) -> None:
    table = {"engine": engine, "temperature": 100.0, "final-temperature": 1500.0, "repeat": 2}
    explore(tmp_path, silicon(), Watch(ALWAYS, NEVER, 50), time=1.0, every=50, **table)
    images = list(candidates_of(tmp_path))
    spread = [np.std(apart(atoms, images[0])) for atoms in images]
    assert np.mean(spread[-5:]) > 1.5 * np.mean(spread[3:8])


@pytest.mark.parametrize("engine", DYNAMICS)
def test_the_same_seed_finds_the_same(engine: str, tmp_path: Path) -> None:
    contents = []
    for seed in (1, 1, 2):
        folder = tmp_path / str(len(contents))
        explore(folder, silicon(), Watch(ALWAYS, NEVER, 5), seed, engine=engine, time=0.02)
        contents.append((folder / CANDIDATES).read_bytes())
    assert contents[0] == contents[1] != contents[2]


INPUT = """
units metal
atom_style atomic
read_data ${data}
pair_style ${pair}
pair_coeff * * Si
timestep 0.001
thermo 5
fix integrate all nve
run 20
"""


def test_an_input_file_of_the_user_runs_as_it_stands(tmp_path: Path) -> None:
    file = tmp_path / "in file.lammps"
    file.write_text(INPUT)
    table = {"engine": "lammps", "ensemble": "nve", "time": 0.02, "every": 5}
    watch = Watch(ALWAYS, NEVER, 5)
    explore(tmp_path / "ours", silicon(600.0), watch, **table)
    result = explore(tmp_path / "theirs", silicon(600.0), watch, **table, input=str(file))
    assert (result.ended, result.candidates) == ("complete", 5)
    ours, theirs = (list(candidates_of(tmp_path / name))[-1] for name in ("ours", "theirs"))
    np.testing.assert_allclose(theirs.positions, ours.positions, atol=1e-5)


@pytest.mark.parametrize("length", [2.0, pytest.param(100.0, marks=pytest.mark.slow)])
@pytest.mark.parametrize("final", [300.0, 3000.0])
def test_a_simulation_finishes_or_stops_by_its_grade(
    length: float, final: float, tmp_path: Path
) -> None:
    table = {"engine": "lammps", "temperature": 300.0, "final-temperature": final, "repeat": 2}
    result = explore(tmp_path, silicon(), Watch(2.0, 10.0, 10), time=length, **table)
    assert result.steps == round(1e3 * length) or result.ended == "break"
    assert (result.ended == "break") == (result.largest > 10.0)
    assert np.isfinite([grade for _, grade in result.grades]).all()
    assert "nan" not in (tmp_path / "log.lammps").read_text().lower()
    for atoms in candidates_of(tmp_path):
        assert len(atoms) == 64
        assert np.isfinite(atoms.positions).all()


# --- without dynamics ---


def strained(*sizes: float) -> list[Atoms]:
    """Perfect crystals, the further from equilibrium the less known."""
    images = [bulk("Si", cubic=True) for _ in sizes]
    for atoms, size in zip(images, sizes, strict=True):
        atoms.set_cell(size * atoms.cell, scale_atoms=True)
    return images


def test_of_a_pool_those_are_kept_that_extrapolate(tmp_path: Path) -> None:
    images = strained(1.0, 0.8, 1.01, 1.4)
    write(tmp_path / "pool.xyz", images)
    grades = [largest(atoms) for atoms in images]
    bar = max(grades[0], grades[2])
    assert bar < min(grades[1], grades[3])
    watch = Watch(1.01 * bar, 1.02 * bar)
    structures = [str(tmp_path / "pool.xyz")]
    result = explore(tmp_path / "task", silicon(), watch, engine="pool", structures=structures)
    assert (result.steps, result.candidates) == (4, 2)
    for atoms, which in zip(candidates_of(tmp_path / "task"), (1, 3), strict=True):
        np.testing.assert_allclose(atoms.positions, images[which].positions, atol=1e-6)


def test_relaxation_finds_the_crystal(tmp_path: Path) -> None:
    start = silicon()
    start.set_cell(1.02 * start.cell, scale_atoms=True)
    result = explore(tmp_path, start, Watch(NEVER, NEVER), engine="relax", force=0.005)
    relaxed = read(tmp_path / RELAXED)
    assert result.ended == "complete"
    assert relaxed.info["ended"] == "relaxed"
    assert relaxed.cell.lengths() == pytest.approx(3 * [5.45], abs=0.06)
    gaps = relaxed.get_all_distances(mic=True)[np.triu_indices(8, 1)]
    assert gaps.min() == pytest.approx(relaxed.cell.lengths()[0] * np.sqrt(3) / 4, abs=0.01)


def test_a_relaxation_that_extrapolates_does_not_keep_the_rest(tmp_path: Path) -> None:
    images = strained(1.4, 1.0)
    write(tmp_path / "two.xyz", images)
    watch = Watch(1.01 * largest(images[1]), 1.02 * largest(images[1]))
    structures = [str(tmp_path / "two.xyz")]
    result = explore(tmp_path / "task", silicon(), watch, engine="relax", structures=structures)
    assert (result.ended, result.candidates) == ("break", 1)
    ends = {a.info["number"]: a.info["ended"] for a in read(tmp_path / "task" / RELAXED, ":")}
    assert list(ends) == [0, 1]
    assert (ends[0], ends[1] == "break") == ("break", False)


@pytest.mark.parametrize("formula", ["Si3", "Al2Ni", "SiC"])
def test_random_structures_have_their_composition_and_no_close_atoms(formula: str) -> None:
    rng = np.random.default_rng(0)
    for _ in range(4):
        atoms = random_structure(formula, rng)
        assert atoms.get_chemical_formula() == type(atoms)(formula).get_chemical_formula()
        assert atoms.pbc.all()
        images = atoms.repeat(3)
        gaps = images.get_all_distances()
        radii = covalent_radii[images.numbers]
        inside = gaps[np.triu_indices(len(images), 1)]
        limits = 0.8 * np.add.outer(radii, radii)[np.triu_indices(len(images), 1)]
        assert (inside >= limits).all()


def test_random_structures_are_those_of_the_seed_and_volume() -> None:
    one, same = (random_structure("Si4", np.random.default_rng(3), 20.0) for _ in range(2))
    assert one == same
    assert one != random_structure("Si4", np.random.default_rng(4), 20.0)
    assert one.get_volume() >= 4 * 20.0 - 1e-9


def test_random_search_relaxes_each(tmp_path: Path) -> None:
    table = {"engine": "random", "compositions": ["Si2", "Si4"], "count": 3, "most-steps": 2}
    result = explore(tmp_path, silicon(), Watch(ALWAYS, NEVER), which=1, **table)
    images = read(tmp_path / RELAXED, ":")
    assert [len(atoms) for atoms in images] == [4, 4, 4]
    assert result.steps <= 6
    assert result.candidates == len(list(candidates_of(tmp_path))) >= 3


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"engine": "lammps", "input": "in.none"}, "in.none: no such file"),
        ({"engine": "pool", "structures": ["none.xyz"]}, "none.xyz: no such file"),
        ({"engine": "relax", "structures": ["none.xyz"]}, "none.xyz: no such file"),
        ({"engine": "random", "compositions": ["Sj4"]}, "Sj4 is no formula"),
        ({"engine": "pool"}, "structures"),
        ({"engine": "random"}, "compositions"),
        ({"engine": "md", "time": -1.0}, "time"),
        ({"engine": "md", "temperature": 0}, "temperature"),
        ({"engine": "md", "ensemble": "nph"}, "ensemble"),
    ],
    ids=lambda value: value if isinstance(value, str) else value["engine"],
)
def test_what_cannot_work_is_refused(table: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        explorer_of(table).check()


def test_candidates_of_a_slab_keep_its_vacuum_and_moments() -> None:
    start = fcc111("Al", (2, 2, 4), vacuum=9.0)
    start.pbc = [True, True, False]
    start.set_initial_magnetic_moments(np.arange(16.0))
    image = start.copy()
    del image.arrays["initial_magmoms"]
    image.positions[-1, 2] += 0.5  # spreads by as much
    image.cell[2, 2] = np.ptp(image.positions[:, 2])
    complete(image, start)
    np.testing.assert_allclose(image.cell[2], [0.0, 0.0, start.cell[2, 2] + 0.5], atol=1e-12)
    np.testing.assert_array_equal(image.get_initial_magnetic_moments(), np.arange(16.0))
    np.testing.assert_array_equal(image.cell[:2], start.cell[:2])


@pytest.mark.parametrize("lost", ["newline", "number", "column", "atom", "comment", "count"])
def test_a_structure_that_was_being_written_is_left_out(lost: str, tmp_path: Path) -> None:
    path = tmp_path / CANDIDATES
    atoms = bulk("Cu", cubic=True)
    atoms.info["grade"] = 3.5
    write(path, [atoms, atoms], format="extxyz")
    content = path.read_bytes()
    half = content[: len(content) // 2]
    lines = half.splitlines(keepends=True)
    torn = {
        "newline": half[:-1],
        "number": half[:-3],
        "column": half[: -len(lines[-1].split()[-1]) - 2],
        "atom": b"".join(lines[:-1]),
        "comment": b"".join(lines[:1]) + lines[1][:20],
        "count": lines[0][:1],
    }
    path.write_bytes(half + torn[lost])
    assert len(list(candidates_of(tmp_path))) == 1
