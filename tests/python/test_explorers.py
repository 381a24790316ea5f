"""Explorers move atoms as they are told, keep what extrapolates and stop where forces end.

Of the silicon potential that is installed with the package.
"""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111, make_supercell
from ase.constraints import FixAtoms, FixBondLength
from ase.data import covalent_radii
from ase.geometry import find_mic
from ase.io import iread, read, write
from ase.md.velocitydistribution import thermalize_momenta

import mtpot
from mtpot import MTP
from mtpot.active.explorers import (
    CANDIDATES,
    Relaxer,
    Watch,
    candidates,
    candidates_of,
    explorer_of,
)
from mtpot.active.explorers.collect import Broken, Collector
from mtpot.active.explorers.dynamics import heated
from mtpot.active.explorers.lammps import complete
from mtpot.active.explorers.md import MolecularDynamics
from mtpot.active.explorers.random_search import random_structure
from mtpot.active.explorers.relax import RELAXED
from mtpot.active.run import look
from mtpot.active.select import grade_frame
from mtpot.active.settings import LearnSettings
from mtpot.data.atoms import frame_from_atoms
from mtpot.errors import InputError, MtpotError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mtpot.active.explorers import Exploration

POTENTIAL = Path(mtpot.potential_path("silicon")).with_suffix(".almtp")
DYNAMICS = ("lammps", "md")
NEVER, ALWAYS = 1e9, 1e-9
pytestmark = pytest.mark.filterwarnings("ignore:.*MelchionnaNPT")


def silicon(kelvin: float = 0.0) -> Atoms:
    atoms = bulk("Si", cubic=True)
    atoms.rattle(0.02, seed=0)
    if kelvin:
        thermalize_momenta(atoms, temperature_K=kelvin, rng=np.random.default_rng(0))
    return atoms


def explore(
    folder: Path, start: Atoms, watch: Watch, seed: int = 0, which: int = 0, **table: Any
) -> Exploration:
    folder.mkdir(exist_ok=True)
    explorer = explorer_of(table)
    explorer.check([start])
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


CELLS = {
    "cubic": bulk("Si", cubic=True),
    "primitive": bulk("Si").repeat(2),
    "left-handed": Atoms("Si", cell=bulk("Si").cell[[1, 0, 2]], pbc=True) + bulk("Si")[1:],
    "skew": make_supercell(bulk("Si", cubic=True), [[1, 0, 0], [1, 1, 0], [0, 0, 1]]),
}


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("engine", DYNAMICS)
def test_pressure_makes_a_cell_smaller(engine: str, cell: str, tmp_path: Path) -> None:
    start = CELLS[cell].copy()
    start.rattle(0.02, seed=0)
    volumes = []
    for which in (0, 1):
        table = {"engine": engine, "ensemble": "npt", "pressure": [-10, 10], "repeat": 2}
        table |= {"time": 0.1, "every": 50}
        explore(tmp_path / str(which), start, Watch(ALWAYS, NEVER, 50), which=which, **table)
        volumes.append(list(candidates_of(tmp_path / str(which)))[-1].get_volume() / 8)
    assert volumes[0] > start.get_volume() > volumes[1]


@pytest.mark.parametrize("cell", CELLS)
def test_a_structure_is_turned_as_a_whole_for_the_barostat_of_ase(cell: str) -> None:
    start = CELLS[cell].repeat(2)
    start.rattle(0.1, seed=0)
    start.set_momenta(np.random.default_rng(0).normal(size=(len(start), 3)))
    turned = start.copy()
    simulation = MolecularDynamics(ensemble="npt")
    simulation.dynamics(turned, {"temperature": 300.0, "pressure": 0.0}, 0)
    assert not np.tril(turned.cell.array, -1).any()
    assert np.linalg.det(turned.cell.array) == pytest.approx(np.linalg.det(start.cell.array))
    moved = start.get_momenta() - start.get_momenta().mean(axis=0)  # ASE's barostat holds the rest
    before = np.vstack([start.cell.array, start.positions, moved])
    after = np.vstack([turned.cell.array, turned.positions, turned.get_momenta()])
    np.testing.assert_allclose(after @ after.T, before @ before.T, atol=1e-9)


def test_the_box_of_a_liquid_keeps_its_shape(tmp_path: Path) -> None:
    start = silicon()
    start.set_cell(np.diag([5.3, 5.4, 5.6]), scale_atoms=True)
    table = {"engine": "lammps", "ensemble": "npt", "pressure": 20.0, "time": 0.05, "every": 50}
    shapes = {}
    for box in ("iso", "aniso", "tri"):
        explore(tmp_path / box, start, Watch(ALWAYS, NEVER, 50), box=box, **table)
        cell = list(candidates_of(tmp_path / box))[-1].cell
        assert cell.volume < 0.99 * start.get_volume()
        shapes[box] = cell.array / cell.array[0, 0]
    as_before = start.cell.array / start.cell.array[0, 0]
    np.testing.assert_allclose(shapes["iso"], as_before, atol=1e-6)
    assert np.abs(shapes["aniso"] - as_before).max() > 1e-3
    assert np.array_equal(shapes["aniso"] != 0.0, as_before != 0.0)
    assert np.abs(np.tril(shapes["tri"], -1)).max() > 1e-4


@pytest.mark.parametrize("engine", DYNAMICS)
def test_two_atoms_move_and_one_alone_is_refused(engine: str, tmp_path: Path) -> None:
    table = {"engine": engine, "ensemble": "nve", "time": 0.05, "temperature": 900.0}
    explore(tmp_path, bulk("Si"), Watch(ALWAYS, NEVER), **table)
    first, *_, last = candidates_of(tmp_path)
    assert np.abs(apart(first, last)).max() > 0.01
    with pytest.raises(
        InputError, match=r"one atom alone, Cu, moves against nothing: .*repeat = 2"
    ):
        explorer_of(table).check([bulk("Cu")])
    explorer_of({**table, "repeat": [1, 1, 2]}).check([bulk("Cu")])


@pytest.mark.parametrize("count", [1, 2])
def test_few_atoms_begin_with_velocities_that_are_numbers(count: int) -> None:
    conditions = MolecularDynamics(repeat=(1, 1, count))
    momenta = heated(bulk("Cu"), conditions, 300.0, 0).get_momenta()
    assert np.isfinite(momenta).all()
    np.testing.assert_allclose(momenta.sum(axis=0), 0.0, atol=1e-12)
    assert momenta.any() == (count > 1)


@pytest.mark.parametrize("engine", DYNAMICS)
@pytest.mark.parametrize("ensemble", ["nvt", "nve"])
def test_what_is_held_fixed_does_not_move(engine: str, ensemble: str, tmp_path: Path) -> None:
    start = silicon()
    start.set_constraint(FixAtoms([0, 3, 5]))
    table = {"engine": engine, "ensemble": ensemble, "time": 0.1, "temperature": 900.0}
    explorer_of(table).check([start])
    explore(tmp_path, start, Watch(ALWAYS, NEVER), **table)
    *_, last = candidates_of(tmp_path)
    pairs = last.get_all_distances(mic=True) - start.get_all_distances(mic=True)
    assert np.abs(pairs[np.ix_([0, 3, 5], [0, 3, 5])]).max() < 1e-6
    assert np.abs(pairs).max() > 0.05


def test_constraints_that_lammps_is_not_told_of_are_refused() -> None:
    start = silicon()
    for constraint, ensemble in ((FixAtoms([0]), "npt"), (FixBondLength(0, 1), "nvt")):
        start.set_constraint(constraint)
        with pytest.raises(InputError, match=f"constraint {type(constraint).__name__}"):
            explorer_of({"engine": "lammps", "ensemble": ensemble}).check([start])


@pytest.mark.parametrize("engine", DYNAMICS)
def test_a_slab_has_no_pressure(engine: str) -> None:
    with pytest.raises(InputError, match="periodic in all directions, which that of Al4 is not"):
        explorer_of({"engine": engine, "ensemble": "npt"}).check(
            [fcc111("Al", (1, 1, 4), vacuum=9)]
        )


@pytest.mark.parametrize(
    ("engine", "periodic", "words"),
    [("md", False, "flown apart"), ("lammps", True, "Lost atoms: original 2 current 1")],
    ids=DYNAMICS[::-1],
)
def test_a_structure_that_flies_apart_is_an_error_which_leaves_what_was_collected(
    engine: str, periodic: bool, words: str, tmp_path: Path
) -> None:
    start = Atoms("Si2", [[0.0, 0.0, 0.0], [2.3, 0.0, 0.0]], cell=3 * [10.0], pbc=periodic)
    start.set_momenta([[1e7, 0.0, 0.0], [0.0, 0.0, 0.0]])
    table = {"engine": engine, "ensemble": "nve", "time": 1.0, "every": 1}
    with pytest.raises(MtpotError, match=words):
        explore(tmp_path, start, Watch(ALWAYS, NEVER, 1), **table)
    first, *others = candidates_of(tmp_path)
    np.testing.assert_allclose(first.positions[1] - first.positions[0], [2.3, 0, 0])
    assert all(len(atoms) == 2 for atoms in others)


@pytest.fixture
def wild(tmp_path: Path) -> Path:
    """Return a potential whose forces are beyond all measure."""
    model = MTP.load(POTENTIAL)
    model.parameters = np.concatenate([model.parameters[:-20], 1e200 * model.parameters[-20:]])
    MTP(model.core, MTP.load(POTENTIAL).selection).save(tmp_path / "wild.almtp")
    return tmp_path / "wild.almtp"


@pytest.mark.parametrize(("engine", "words"), [("md", "flown apart"), ("lammps", "Lost atoms")])
def test_absurd_forces_are_an_error_which_leaves_whole_structures(
    engine: str, words: str, wild: Path, tmp_path: Path
) -> None:
    explorer = explorer_of({"engine": engine, "ensemble": "nve", "every": 1})
    with pytest.raises(MtpotError, match=words):
        explorer.explore(
            silicon(), wild, Watch(ALWAYS, 1e300, 1), explorer.variants()[0][1], 0, tmp_path
        )
    (image,) = candidates_of(tmp_path)
    assert np.abs(apart(image, silicon())).max() < 1e-6


@pytest.mark.parametrize("grade", [np.nan, np.inf])
def test_a_grade_that_is_no_number_ends_a_path_and_is_no_candidate(
    grade: float, tmp_path: Path
) -> None:
    collector = Collector(Watch(2.0, 10.0), tmp_path)
    collector.look(silicon(), 3.0, 0.0)
    with pytest.raises(Broken):
        collector.look(silicon(), grade, 1.0)
    found = collector.found(True, 1)
    assert (found.ended, found.largest, found.candidates) == ("break", np.inf, 1)
    assert [atoms.info["grade"] for atoms in candidates_of(tmp_path)] == [3.0]


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
    table = {"engine": "lammps", "every": 5}
    watch = Watch(ALWAYS, NEVER, 5)
    explore(tmp_path / "ours", silicon(600.0), watch, **table, ensemble="nve", time=0.02)
    result = explore(tmp_path / "theirs", silicon(600.0), watch, **table, input=str(file))
    assert (result.ended, result.candidates) == ("complete", 5)
    ours, theirs = (list(candidates_of(tmp_path / name))[-1] for name in ("ours", "theirs"))
    np.testing.assert_allclose(theirs.positions, ours.positions, atol=1e-5)


@pytest.mark.parametrize("ended", ["complete", "break"])
def test_times_are_those_of_the_input_file(ended: str, tmp_path: Path) -> None:
    file = tmp_path / "in.lammps"
    file.write_text(INPUT.replace("timestep 0.001", "timestep 0.002"))
    start = silicon(600.0)
    watch = Watch(ALWAYS, NEVER if ended == "complete" else 0.9 * largest(start), 5)
    result = explore(tmp_path, start, watch, engine="lammps", every=5, input=str(file))
    assert result.ended == ended
    times = [time for time, _ in result.grades]
    expected = [0.0, 0.01, 0.02, 0.03, 0.04] if ended == "complete" else [0.0]
    assert sorted(set(times)) == pytest.approx(expected)
    assert result.picoseconds == pytest.approx(expected[-1])


def test_the_variables_of_an_input_file_have_their_values(tmp_path: Path) -> None:
    file = tmp_path / "in.lammps"
    told = 'print "${temperature} ${pressure} ${seed}" file told.txt'
    file.write_text(f"{INPUT}\n{told}\n")
    table = {"engine": "lammps", "temperature": [300, 900], "pressure": 2.0, "input": str(file)}
    names = [name for name, _ in explorer_of(table).variants()]
    assert names == ["input-300K-2GPa", "input-900K-2GPa"]
    explore(tmp_path, silicon(), Watch(NEVER, NEVER), seed=5, which=1, **table)
    assert [float(word) for word in (tmp_path / "told.txt").read_text().split()] == [900, 2e4, 6]


def test_an_input_file_that_takes_no_step_is_no_exploration(tmp_path: Path) -> None:
    file = tmp_path / "in.lammps"
    file.write_text(INPUT.replace("run 20", ""))
    with pytest.raises(InputError, match=r"in\.lammps ended without a step: it needs `run`"):
        explore(tmp_path, silicon(), Watch(ALWAYS, NEVER), engine="lammps", input=str(file))


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("${pair}", "mtp potential.mtp", r"it needs `pair_style \$\{pair\}`"),
        ("read_data ${data}", "read_data si.data", r"it needs `read_data \$\{data\}`"),
        ("read_data ${data}", "read_data si.data # not ${data}", r"it needs `read_data"),
    ],
    ids=["pair", "data", "data-in-a-comment"],
)
def test_an_input_file_without_its_variables_is_refused(
    before: str, after: str, words: str, tmp_path: Path
) -> None:
    file = tmp_path / "in.lammps"
    file.write_text(INPUT.replace(before, after))
    with pytest.raises(InputError, match=words):
        explorer_of({"engine": "lammps", "input": str(file)}).check([silicon()])


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("ensemble", "npt"),
        ("final-temperature", 900.0),
        ("time", 1.0),
        ("timestep", 2.0),
        ("snapshots", 5),
        ("box", "iso"),
    ],
)
def test_keys_without_use_beside_an_input_file_are_refused(
    key: str, value: Any, tmp_path: Path
) -> None:
    file = tmp_path / "in.lammps"
    file.write_text(INPUT)
    table = {"engine": "lammps", "input": str(file), "every": 5, "repeat": 2, "pressure": 1.0}
    explorer_of(table).check([silicon()])
    with pytest.raises(InputError, match=f"lammps: {key}: no use beside input"):
        explorer_of({**table, key: value}).check([silicon()])


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


@pytest.mark.parametrize("formula", ["Si", "Si3", "Al2Ni", "SiC", "Al8Ni8", "Cs5H35"])
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
        ({"engine": "md", "final-temperature": -1.0}, "md: final-temperature = -1.0"),
        ({"engine": "relax", "most_steps": 0}, "relax: most-steps = 0"),
        ({"engine": "lammps", "box": "iso"}, "box needs a barostat: ensemble npt"),
        ({"engine": "lammps", "ensemble": "npt", "box": "cubic"}, "box"),
        ({"engine": "neb", "final": "none.xyz"}, "none.xyz: no such file"),
    ],
    ids=lambda value: value if isinstance(value, str) else value["engine"],
)
def test_what_cannot_work_is_refused(table: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        explorer_of(table).check([silicon()])


def test_the_other_end_of_a_band_has_the_atoms_of_every_start(tmp_path: Path) -> None:
    write(tmp_path / "final.xyz", silicon())
    explorer = explorer_of({"engine": "neb", "final": str(tmp_path / "final.xyz")})
    explorer.check([silicon()])
    with pytest.raises(InputError, match=r"final\.xyz does not have the atoms of the starting"):
        explorer.check([silicon(), bulk("Cu", cubic=True)])


# --- what a run has to know of them ---

OWN = {
    "lammps": False,
    "md": False,
    "neb": False,
    "relax": False,
    "relax of files": True,
    "pool": True,
    "random": True,
}


def table_of(name: str, folder: Path, symbols: str = "Cu") -> dict[str, Any]:
    """Return settings of an explorer of each kind; structures that it brings are of `symbols`."""
    file = str(folder / "own.xyz")
    write(file, Atoms(symbols, cell=3 * [9.0], pbc=True))
    more = {
        "neb": {"final": file},
        "relax of files": {"structures": [file]},
        "pool": {"structures": [file]},
        "random": {"compositions": [symbols]},
    }
    return {"engine": name.split(maxsplit=1)[0], **more.get(name, {})}


@pytest.mark.parametrize("name", OWN)
def test_whoever_brings_structures_needs_one_start(name: str, tmp_path: Path) -> None:
    explorer = explorer_of(table_of(name, tmp_path))
    assert explorer.brings_structures == OWN[name]
    assert explorer.elements(("Cu",)) == ({"Cu"} if OWN[name] else set())
    assert isinstance(explorer, Relaxer) == (name.split(maxsplit=1)[0] in ("relax", "random"))
    assert explorer.every == (10 if name in DYNAMICS else 1)


@pytest.mark.parametrize("name", [name for name in OWN if OWN[name]])
@pytest.mark.parametrize("known", ["nowhere", "start", "data", "species"])
def test_elements_that_only_an_explorer_brings_are_told(
    known: str, name: str, tmp_path: Path
) -> None:
    table = table_of(name, tmp_path, "CuPd")
    copper, alloy = bulk("Cu", cubic=True), Atoms("CuPd", cell=3 * [9.0], pbc=True)
    write(tmp_path / "start.xyz", [copper, alloy] if known == "start" else [copper])
    write(tmp_path / "data.xyz", alloy)
    settings = LearnSettings(
        output=tmp_path / "run",
        start=(tmp_path / "start.xyz",),
        data=(tmp_path / "data.xyz",) if known == "data" else (),
        label={"calculator": "emt"},
        train={"level": 4} | ({"species": ["Cu", "Pd"]} if known == "species" else {}),
        explore=(table,),
    )
    if known != "nowhere":
        look(settings)
        return
    words = rf"explore\]\] 1 {table['engine']}: .* Pd, .*: add a structure with it to start"
    with pytest.raises(InputError, match=words):
        look(settings)
    with pytest.raises(InputError, match=r"Pd, .*: add it to \[train\] species"):
        look(replace(settings, train={"level": 4, "species": ["Cu"]}))


# --- files of candidates ---


def collected(path: Path, sizes: Sequence[int], grades: Sequence[float]) -> list[bytes]:
    """Write structures of so many atoms; return the text of each."""
    texts = []
    for size, grade in zip(sizes, grades, strict=True):
        atoms = Atoms(f"Si{size}", np.full((size, 3), grade), cell=3 * [5.0], pbc=True)
        atoms.info["grade"] = grade
        before = path.stat().st_size if path.exists() else 0
        write(path, atoms, format="extxyz", append=True)
        texts.append(path.read_bytes()[before:])
    return texts


@pytest.mark.parametrize("limit", ["structures", "atoms", "two"])
def test_of_many_candidates_the_largest_grades_and_the_last_are_kept(
    limit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    sizes, grades = rng.integers(1, 40, 60), rng.uniform(2.0, 9.0, 60)
    texts = collected(tmp_path / CANDIDATES, sizes, grades)
    most, atoms = {"structures": (12, 10**6), "atoms": (1000, 300), "two": (1000, 1)}[limit]
    monkeypatch.setattr(candidates, "MOST", most)
    monkeypatch.setattr(candidates, "MOST_ATOMS", atoms)
    count = candidates.thin(tmp_path / CANDIDATES)
    images = list(candidates_of(tmp_path))
    assert count == len(images) <= most
    assert sum(map(len, images)) <= atoms or count == 2
    kept = [int(np.flatnonzero(np.isclose(grades, each.info["grade"]))[0]) for each in images]
    assert kept == sorted(kept)
    assert kept[-1] == 59
    assert int(np.argmax(grades)) in kept
    assert (tmp_path / CANDIDATES).read_bytes() == b"".join(texts[k] for k in kept)


def test_few_candidates_are_left_as_they_are_but_for_what_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / CANDIDATES
    assert list(candidates_of(tmp_path)) == []
    texts = collected(path, [3, 4, 5, 6], [3.0, np.inf, np.nan, 4.0])
    path.write_bytes(b"".join(texts) + texts[0][:-9])
    assert [atoms.info["grade"] for atoms in candidates_of(tmp_path)] == [3.0, 4.0]
    assert path.read_bytes() == texts[0] + texts[3]
    inode = path.stat().st_ino
    assert candidates.thin(path) == 2
    assert path.stat().st_ino == inode


def test_thinning_holds_no_structures_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (text,) = collected(tmp_path / "one.xyz", [1000], [3.0])
    path = tmp_path / CANDIDATES
    path.write_bytes(200 * text)
    monkeypatch.setattr(candidates, "MOST", 100)
    tracemalloc.start()
    assert candidates.thin(path) == 100
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 0.1 * 200 * len(text)


@pytest.mark.parametrize("engine", DYNAMICS)
def test_an_exploration_leaves_no_more_candidates_than_memory_takes(
    engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidates, "MOST", 4)
    table = {"engine": engine, "time": 0.05, "every": 5}
    result = explore(tmp_path, silicon(), Watch(ALWAYS, NEVER, 5), **table)
    images = list(iread(tmp_path / CANDIDATES, format="extxyz"))
    assert result.candidates == len(images) == 4
    assert result.largest == pytest.approx(max(atoms.info["grade"] for atoms in images))
    assert len(result.grades) >= 11


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
